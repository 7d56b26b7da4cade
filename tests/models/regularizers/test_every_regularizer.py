"""What holds for every regularizer there is, and for lists of them."""

import functools

import lightning as L
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD

from datamodules import Digits
from models import Classifier, Regressor, TrainingError, regularizers
from models.networks import CNN, MLP
from models.regularizers import (
    L1,
    L2,
    BootstrapLabels,
    ConfidencePenalty,
    CutMix,
    Cutout,
    DisturbError,
    DisturbLabel,
    DisturbValue,
    ElasticNet,
    InputNoise,
    JacobianPenalty,
    LabelSmoothing,
    MaxNorm,
    MixUp,
    OnlineLabelSmoothing,
    Orthogonality,
    RandomMix,
    RDrop,
    Regularizer,
    RegularizerChain,
    Scheduled,
    Step,
)

BASES = {"Regularizer"}
CLASSIFICATION = {
    "BootstrapLabels": lambda: BootstrapLabels(0.3),
    "BootstrapLabels hard": lambda: BootstrapLabels(0.3, "hard"),
    "ConfidencePenalty": lambda: ConfidencePenalty(0.2),
    "CutMix": lambda: CutMix(1.0),
    "Cutout": lambda: Cutout(4),
    "DisturbLabel": lambda: DisturbLabel(50),
    "DisturbLabel confusion": lambda: DisturbLabel(50, torch.full((10, 10), 0.1).tolist()),
    "ElasticNet": lambda: ElasticNet(1e-3),
    "InputNoise": lambda: InputNoise(0.2),
    "JacobianPenalty": lambda: JacobianPenalty(0.1),
    "L1": lambda: L1(1e-3),
    "L2": lambda: L2(1e-3),
    "LabelSmoothing": lambda: LabelSmoothing(0.2),
    "MaxNorm": lambda: MaxNorm(0.5),
    "MixUp": lambda: MixUp(1.0),
    "MixUp batch": lambda: MixUp(1.0, each="batch"),
    "OnlineLabelSmoothing": lambda: OnlineLabelSmoothing(0.3),
    "Orthogonality": lambda: Orthogonality(1e-2),
    "RDrop": lambda: RDrop(0.5),
    "RandomMix": lambda: RandomMix([MixUp(1.0), CutMix(1.0)]),
    "Scheduled": lambda: Scheduled(MixUp(1.0), end_epoch=0),
}
REGRESSION = {
    "DisturbError": lambda: DisturbError(100, threshold=10.0),
    "DisturbValue": lambda: DisturbValue(50),
    "InputNoise": lambda: InputNoise(0.2),
    "JacobianPenalty": lambda: JacobianPenalty(0.1),
    "L2": lambda: L2(1e-2),
    "MixUp": lambda: MixUp(1.0),
}
every = pytest.mark.parametrize("name", CLASSIFICATION)


def task_with(*items, network=None, classes=10):
    torch.manual_seed(0)
    network = MLP((1, 8, 8), classes, [32], dropout=0.3, norm="batch") if network is None else network
    return Classifier(network, classes, regularizers=list(items))


def checked(*items):
    chain, network = RegularizerChain(items), MLP((1, 8, 8), 10, dropout=0.1)
    chain.setup(network, 10)
    return chain, network.eval()  # dropout would draw


def batch(samples=16, size=8, seed=1):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, 1, size, size, generator=generator)
    return inputs, torch.randint(10, (samples,), generator=generator)


def objective(task, inputs, targets, seed=0):
    torch.manual_seed(seed)
    task.training_record.clear()
    return task.train().training_step((inputs, targets), 0)


def test_these_are_all_that_there_are():
    exported = {name for name in regularizers.__all__ if _is_regularizer(getattr(regularizers, name))}
    tested = {name.split()[0] for name in (*CLASSIFICATION, *REGRESSION)}
    assert exported - BASES == tested, "a new one goes into CLASSIFICATION above, or into REGRESSION, or into both"


def _is_regularizer(exported):
    return isinstance(exported, type) and issubclass(exported, Regularizer)


@pytest.mark.parametrize(
    ("hook", "returned", "said"),
    [
        ("perturb", lambda self, inputs, targets: inputs, "Own.perturb must return inputs and targets"),
        ("penalty", lambda self, step: step.outputs, "Own.penalty must return a scalar tensor, or None"),
        ("penalty", lambda self, *_: 0.1, "Own.penalty must return a scalar tensor, or None"),
    ],
)
def test_a_hook_that_returns_something_else_is_named(hook, returned, said):
    own = type("Own", (Regularizer,), {hook: returned})()
    with pytest.raises(TrainingError, match=said):
        objective(task_with(own), *batch())


def test_only_hooks_that_a_class_overrides_are_called(monkeypatch):
    chain, network = checked(DisturbLabel(50), L2(1e-3))

    def called(self, *_, **__):
        raise AssertionError

    for hook in ("check_batch", "perturb", "revise", "penalty", "project", "start_epoch"):
        monkeypatch.setattr(Regularizer, hook, called)
    inputs, labels = batch()
    chain.start_epoch(0)
    inputs, targets = chain.perturb(inputs, F.one_hot(labels, 10).float())
    targets = chain.revise(network(inputs), targets)
    assert len(chain.penalties(Step(inputs, targets, network(inputs), network, network))) == 1
    chain.project(network)


def test_a_penalty_gets_another_pass_that_leaves_batch_norm_as_it_was():
    class Again(Regularizer):
        def penalty(self, step):
            return (step.forward(step.inputs) - step.outputs).square().mean()

    task = task_with(Again())
    plain, _ = objective(task_with(), *batch()), objective(task, *batch())
    assert objective(task, *batch()) > plain, "dropout draws anew"
    assert [value.item() for name, value in task.network.named_buffers() if "num_batches" in name] == [2]


def test_a_list_that_is_changed_after_the_task_was_made_is_refused(fit):
    task = task_with(L2(1e-3))
    task.regularizers.append(MixUp())
    with pytest.raises(ValueError, match="pass all of them to the task"):
        fit(task)


def test_the_repr_names_every_setting():
    assert repr(BootstrapLabels(kind="hard")) == "BootstrapLabels(prediction_weight=0.2, kind='hard')"
    assert repr(DisturbLabel(5, [[0.5, 0.5], [0.0, 1.0]])) == (
        "DisturbLabel(alpha=5, confusion=[[0.5, 0.5], [0.0, 1.0]])"
    )


@every
def test_the_batch_given_is_left_as_it_is(name):
    inputs, labels = batch()
    targets = F.one_hot(labels, 10).float()
    before = inputs.clone(), targets.clone()
    chain, network = checked(CLASSIFICATION[name]())
    mixed, changed = chain.perturb(inputs, targets)
    kept = mixed.clone(), changed.clone()
    chain.revise(network(mixed), changed)
    chain.penalties(Step(mixed, changed, network(mixed), network, network))
    assert torch.equal(inputs, before[0])
    assert torch.equal(targets, before[1])
    assert torch.equal(mixed, kept[0])
    assert torch.equal(changed, kept[1])


@every
def test_off_is_the_identity_bit_for_bit_and_draws_nothing(name):
    regularizer = CLASSIFICATION[name]()
    if regularizer.strength is None:
        pytest.skip("it has no strength that could be 0")
    setattr(regularizer, regularizer.strength, 0)
    inputs, labels = batch()
    targets = F.one_hot(labels, 10).float()
    chain, network = checked(regularizer)
    before, logits = torch.get_rng_state(), network(inputs)
    perturbed = chain.perturb(inputs, targets)
    assert perturbed[0] is inputs
    assert chain.revise(logits, perturbed[1]) is targets
    passed_again = []
    penalties = chain.penalties(Step(inputs, targets, logits, network, passed_again.append))
    assert not passed_again
    assert all(penalty.item() == 0 for _, penalty in penalties)
    assert torch.equal(torch.get_rng_state(), before)


@every
@pytest.mark.parametrize("samples", [1, 2, 7])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_in_small_and_odd_batches(name, samples, precision):
    task = task_with(CLASSIFICATION[name](), network=MLP((1, 8, 8), 10, [32], norm="layer"))
    inputs, targets = batch(samples)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        loss = objective(task, inputs, targets)
    loss.backward()
    assert loss.isfinite()
    assert loss.dtype == torch.float32
    assert all(p.grad.isfinite().all() for p in task.network.parameters() if p.grad is not None)


@every
@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_every_precision_goes(quiet_trainer, name, precision):
    task = task_with(CLASSIFICATION[name](), network=CNN((1, 16, 16), 10, norm="none"))
    data = torch.utils.data.TensorDataset(*batch(64, 16))
    trainer = quiet_trainer(max_steps=2, precision=precision, limit_val_batches=0)
    trainer.fit(task, torch.utils.data.DataLoader(data, 16))
    assert all(parameter.isfinite().all() for parameter in task.parameters())


@every
def test_the_seed_decides(name):
    inputs, targets = batch()
    tasks = [task_with(CLASSIFICATION[name]()) for _ in range(2)]
    same = [[objective(task, inputs, targets, seed=seed).item() for seed in (3, 4)] for task in tasks]
    assert same[0] == same[1]


@every
def test_batch_norm_counts_a_batch_once(name):
    inputs, targets = batch()
    task = task_with(CLASSIFICATION[name]())
    objective(task, inputs, targets)
    norms = [module for module in task.network.modules() if isinstance(module, nn.BatchNorm1d)]
    assert norms
    assert all(norm.num_batches_tracked == 1 for norm in norms)
    assert all(norm.track_running_stats for norm in norms)


@every
def test_images_and_rows_of_a_table_are_both_trained_on_unless_it_says_that_it_takes_images(name):
    task = task_with(CLASSIFICATION[name](), network=CNN((1, 16, 16), 10))
    assert objective(task, *batch(size=16)).isfinite()


@pytest.mark.parametrize("stage", ["validate", "test"])
def test_figures_are_those_of_the_weights_whatever_is_in_the_list(quiet_trainer, stage):
    torch.manual_seed(0)
    network, measured = MLP((1, 8, 8), 10, [32], dropout=0.5), []
    for items in ([], *([make()] for make in CLASSIFICATION.values())):
        task = Classifier(network, 10, regularizers=items)
        measured += getattr(quiet_trainer(), stage)(task, Digits(), verbose=False)
    assert len(measured) == len(CLASSIFICATION) + 1
    assert all(figures == measured[0] for figures in measured)


@pytest.mark.parametrize("name", REGRESSION)
def test_regression_takes_those_that_are_for_it(name):
    torch.manual_seed(0)
    inputs, targets, network = torch.randn(16, 3), torch.randn(16, 1), MLP((3,), 1, [8])
    plain, changed = (
        Regressor(network, [0.0], [1.0], regularizers=items).training_step((inputs, targets), 0)
        for items in ([], [REGRESSION[name]()])
    )
    assert changed.isfinite()
    assert changed.item() != plain.item()


@pytest.mark.parametrize("name", [name for name in REGRESSION if name.startswith("Disturb")])
def test_regression_alone(name):
    with pytest.raises(ValueError, match=f"{name} is for continuous targets"):
        task_with(REGRESSION[name]())


@pytest.mark.parametrize(
    "name",
    [
        "BootstrapLabels",
        "ConfidencePenalty",
        "CutMix",
        "DisturbLabel",
        "LabelSmoothing",
        "OnlineLabelSmoothing",
        "RDrop",
    ],
)
def test_classes_alone(name):
    with pytest.raises(ValueError, match=f"{name} is for classes"):
        Regressor(MLP((3,), 1, [8]), [0.0], [1.0], regularizers=[CLASSIFICATION[name]()])


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_the_same_item_twice_is_refused(name):
    with pytest.raises(ValueError, match="leave one out"):
        task_with(CLASSIFICATION[name](), CLASSIFICATION[name]())


@pytest.mark.parametrize(
    "order", [("DisturbLabel", "LabelSmoothing"), ("DisturbLabel", "MixUp"), ("MixUp", "LabelSmoothing")]
)
def test_a_list_has_the_expectation_of_its_parts(order):
    """E[target | label 0]: each of the three is linear, so that the expectation of the list is that of its parts."""
    torch.manual_seed(0)
    samples, classes = 40_000, 4
    targets = F.one_hot(torch.arange(samples) % classes, classes).float()
    parts = {"DisturbLabel": DisturbLabel(40), "LabelSmoothing": LabelSmoothing(0.2), "MixUp": MixUp(1.0)}
    uniform = torch.full((classes,), 1 / classes)
    first = F.one_hot(torch.tensor(0), classes).float()
    # DisturbLabel keeps 0.6 of the label, LabelSmoothing 0.8, MixUp one half on average; the rest is uniform.
    kept = {"DisturbLabel": 0.6, "LabelSmoothing": 0.8, "MixUp": 0.5}
    label_kept = kept[order[0]] * kept[order[1]]
    for names in (order, order[::-1]):
        if names == ("MixUp", "DisturbLabel"):
            continue  # refused
        _, changed = RegularizerChain([parts[name] for name in names]).perturb(torch.zeros(samples, 1), targets)
        mean = changed[targets[:, 0] == 1].mean(0)
        # 10,000 rows with a standard deviation of at most 0.5: six standard errors are 0.03.
        torch.testing.assert_close(mean, label_kept * first + (1 - label_kept) * uniform, atol=0.03, rtol=0)


@every
def test_a_run_with_it_goes_on_bit_for_bit(fit, tmp_path, name):
    def task():
        torch.manual_seed(0)
        network = MLP((1, 8, 8), 10, [16], norm="batch")
        return Classifier(network, 10, regularizers=[CLASSIFICATION[name]()], optimizer=functools.partial(SGD, lr=0.1))

    whole = task()
    fit(whole, max_epochs=2)
    first = task()
    fit(first, max_epochs=1).save_checkpoint(tmp_path / "one.ckpt")
    L.seed_everything(77, verbose=False)
    second = task()
    fit(second, max_epochs=2, ckpt_path=tmp_path / "one.ckpt")
    for expected, found in zip(whole.network.state_dict().values(), second.network.state_dict().values(), strict=True):
        assert torch.equal(expected, found)
