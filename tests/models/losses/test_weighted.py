"""Weights of samples act on the training loss, of every task and loss, and on nothing else."""

import functools

import lightning as L
import pytest
import torch
from torch import nn
from torch.optim import AdamW

from datamodules import Digits, Samples
from models import Classifier, MultiLabelClassifier, Regressor, TrainingError, losses
from models.losses import BalancedCrossEntropy, BinaryCrossEntropy, ClassCountLoss
from models.networks import MLP, Linear
from models.regularizers import CutMix, LabelSmoothing, MixUp, RandomMix, Regularizer
from tests.digit_labels import DigitLabels, WeightedDigitLabels, WeightedDigits
from tests.models.regularizers.test_every_regularizer import CLASSIFICATION, REGRESSION
from tests.models.test_exact_resume import SaveAt

CLASSES = {
    "torch": nn.CrossEntropyLoss,
    "torch smoothed": lambda: nn.CrossEntropyLoss(label_smoothing=0.1),
    "torch weighted": lambda: nn.CrossEntropyLoss(torch.linspace(0.5, 2, 10)),
    "torch sum": lambda: nn.CrossEntropyLoss(reduction="sum"),
    "torch margin": nn.MultiMarginLoss,
    **{
        name: getattr(losses, name)
        for name in losses.__all__
        if name not in ("ClassificationLoss", "ClassCountLoss", "BinaryCrossEntropy")
    },
}
VALUES = {"mse": nn.MSELoss, "l1": nn.L1Loss, "huber": nn.HuberLoss, "sum": lambda: nn.MSELoss(reduction="sum")}
VALUES["own"] = lambda: OwnLoss()
LABELS = {"bce": nn.BCEWithLogitsLoss, "soft margin": nn.MultiLabelSoftMarginLoss, "own": lambda: OwnLoss()}
LABELS["balanced"] = lambda: BinaryCrossEntropy([1.0, 2.0, 3.0])


class OwnLoss(nn.Module):
    def forward(self, outputs, targets):
        return (outputs - targets).abs().pow(1.5).mean()


class OfTheWholeBatch(nn.Module):
    def forward(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets).square()


def counted(loss):
    if isinstance(loss, ClassCountLoss) and not isinstance(loss, BinaryCrossEntropy):
        loss.set_class_counts(torch.arange(1, 11))
    return loss


def classifier(loss=None, *regularizers):
    torch.manual_seed(0)
    return Classifier(MLP((1, 8, 8), 10, [16], norm="layer"), 10, loss=loss, regularizers=list(regularizers))


def cases():
    for name, make in CLASSES.items():
        yield pytest.param(classifier(counted(make())), torch.randint(10, (12,)), id=f"classes {name}")
        if name != "torch margin":
            task = classifier(counted(make()), LabelSmoothing(0.1)) if "smoothed" not in name else None
            task = task or classifier(make(), MixUp(0.2))
            yield pytest.param(task, torch.randint(10, (12,)), id=f"probabilities {name}")
    for name, make in VALUES.items():
        task = Regressor(MLP((1, 8, 8), 2, [8]), [1.0, 2.0], [3.0, 0.5], loss=make())
        yield pytest.param(task, torch.randn(12, 2), id=f"values {name}")
    for name, make in LABELS.items():
        task = MultiLabelClassifier(MLP((1, 8, 8), 3, [8]), 3, loss=make())
        yield pytest.param(task, torch.rand(12, 3) < 0.5, id=f"labels {name}")


def loss_of(task, outputs, targets, *weights):
    return task.compute_loss(outputs, task.soft_targets(targets), *weights)


@pytest.mark.parametrize(("task", "targets"), list(cases()))
def test_the_loss_is_the_mean_of_the_samples_losses_times_their_weights(task, targets):
    torch.manual_seed(1)
    outputs, weights = torch.randn(12, task.num_outputs), torch.rand(12)
    plain = loss_of(task, outputs, targets)
    torch.testing.assert_close(loss_of(task, outputs, targets, torch.ones(12)), plain)
    torch.testing.assert_close(loss_of(task, outputs, targets, torch.full((12,), 2.0)), 2 * plain)
    # It is linear in the weights: so it is a sum of one term per sample.
    alone = [loss_of(task, outputs, targets, chosen) for chosen in torch.eye(12)]
    torch.testing.assert_close(sum(alone), plain)
    weighted = loss_of(task, outputs, targets, weights)
    torch.testing.assert_close(weighted, sum(w * one for w, one in zip(weights, alone, strict=True)))


def test_the_loss_of_a_sample_is_its_own():
    outputs, targets = torch.randn(12, 10), torch.randint(10, (12,))
    loss = loss_of(classifier(), outputs, targets, torch.eye(12)[3])
    torch.testing.assert_close(12 * loss, nn.functional.cross_entropy(outputs[3:4], targets[3:4]))


def test_a_weight_of_two_is_the_sample_twice():
    """Whole integers as weights give the gradient that repeated samples do."""
    inputs, targets = torch.rand(6, 1, 8, 8), torch.randint(10, (6,))
    counts = torch.tensor([1, 2, 3, 0, 4, 2])
    gradients = []
    for batch in (
        (inputs, targets, counts / counts.float().mean()),
        (inputs.repeat_interleave(counts, 0), targets.repeat_interleave(counts)),
    ):
        task = classifier()
        task.training_step(batch, 0).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in task.network.parameters()]))
    torch.testing.assert_close(*gradients)


def test_labelled_steps_weigh_what_their_sequence_does():
    class LastStep(nn.Module):
        def forward(self, inputs):
            return inputs

    outputs, targets = torch.randn(3, 4, 10, requires_grad=True), torch.randint(10, (3, 4))
    targets[0, :2] = -100
    weights = torch.tensor([1.0, 0.5, 2.0])
    task = Classifier(LastStep(), 10)
    every = nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none").view(3, 4)
    expected = (every * weights.unsqueeze(1)).sum() / 10
    torch.testing.assert_close(task.training_step((outputs, targets, weights), 0), expected)


@pytest.mark.parametrize("each", ["sample", "batch"])
@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_mixed_samples_weigh_what_their_parts_do(kind, each):
    torch.manual_seed(0)
    weights = torch.rand(32)
    inputs = weights.view(-1, 1, 1, 1).expand(32, 1, 8, 8)
    targets = torch.eye(32)
    mixed, soft, together = kind(1.0, each).perturb_weighted(inputs, targets, weights)
    torch.testing.assert_close(together, soft @ weights)
    torch.testing.assert_close(mixed.mean((1, 2, 3)), together)


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_each_regularizer_changes_a_weighted_batch_as_one_without_weights(name):
    inputs, targets = torch.rand(16, 1, 8, 8), torch.randint(10, (16,))
    torch.manual_seed(3)
    plain = classifier(None, CLASSIFICATION[name]()).training_step((inputs, targets), 0)
    torch.manual_seed(3)
    even = classifier(None, CLASSIFICATION[name]()).training_step((inputs, targets, torch.ones(16)), 0)
    torch.testing.assert_close(even, plain)


@pytest.mark.parametrize("name", REGRESSION)
def test_each_regularizer_of_values_takes_weights(name):
    inputs, targets = torch.rand(16, 3), torch.randn(16, 1)
    objectives = []
    for weights in ((), (torch.ones(16),), (torch.rand(16),)):
        torch.manual_seed(3)
        task = Regressor(MLP((3,), 1, [8]), [0.0], [1.0], regularizers=[REGRESSION[name]()])
        objectives.append(task.training_step((inputs, targets, *weights), 0).item())
    assert objectives[1] == pytest.approx(objectives[0])
    assert objectives[2] != objectives[0]


def test_one_that_mixes_and_does_not_say_how_weights_mix_is_named():
    class Swap(Regularizer):
        mixes_samples = True

        def perturb(self, inputs, targets):
            return inputs.flip(0), targets.flip(0)

    batch = torch.rand(4, 1, 8, 8), torch.randint(10, (4,)), torch.ones(4)
    for item in (Swap(), RandomMix([Swap()])):
        with pytest.raises(TrainingError, match="Swap mixes samples, and has no perturb_weighted"):
            classifier(None, item).training_step(batch, 0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda inputs, targets, weights: (inputs, targets), "must return inputs, targets and weights, not a tuple"),
        (
            lambda inputs, targets, weights: (inputs, targets, None),
            r"must return weights like .* \(4,\) float32, not Non",
        ),
        (lambda inputs, targets, weights: (inputs, targets, weights[:2]), r"must return weights like .* not \(2,\)"),
    ],
)
def test_what_a_regularizer_makes_of_a_weighted_batch_is_checked(changed, said):
    class Own(Regularizer):
        def perturb(self, inputs, targets):
            return inputs, targets

        def perturb_weighted(self, inputs, targets, weights):
            return changed(inputs, targets, weights)

    batch = torch.rand(4, 1, 8, 8), torch.randint(10, (4,)), torch.ones(4)
    for item in (Own(), RandomMix([Own()])):
        with pytest.raises(TrainingError, match=f"Own.perturb_weighted {said}"):
            classifier(None, item).training_step(batch, 0)
    classifier(None, Own()).training_step(batch[:2], 0)


def test_a_loss_without_a_number_per_sample_is_named_before_training(quiet_trainer):
    with pytest.raises(TrainingError, match="loss: OfTheWholeBatch does not give one number per sample, for the"):
        quiet_trainer(max_epochs=1).fit(classifier(OfTheWholeBatch()), WeightedDigits())
    quiet_trainer(max_steps=1, limit_val_batches=0).fit(classifier(OfTheWholeBatch()), Digits())


@pytest.mark.parametrize("loss", [None, BalancedCrossEntropy(), losses.FocalLoss()], ids=repr)
def test_heavy_classes_are_recognised_more_often_and_metrics_are_unweighted(quiet_trainer, loss):
    found = []
    for data in (Digits(batch_size=128), WeightedDigits(batch_size=128)):
        L.seed_everything(0, verbose=False)
        task = Classifier(Linear((1, 8, 8), 10), 10, loss=loss, optimizer=functools.partial(AdamW, lr=0.01))
        trainer = quiet_trainer(max_epochs=3)
        trainer.fit(task, data)
        (measured,) = trainer.test(task, data, verbose=False)
        predicted = torch.cat(trainer.predict(task, data)).argmax(1)
        found.append((predicted == 0).sum().item())
        true = data.samples.targets[data.split.test]
        assert measured["test/accuracy"] == pytest.approx((predicted == true).float().mean().item())
    assert found[0] > 10
    assert found[1] == 0, "zeros have no weight"


def test_labels_with_weights_are_learnt(quiet_trainer):
    L.seed_everything(0, verbose=False)
    task = MultiLabelClassifier(Linear((1, 8, 8), 3), 3, optimizer=functools.partial(AdamW, lr=0.01))
    trainer = quiet_trainer(max_epochs=3)
    trainer.fit(task, WeightedDigitLabels(batch_size=128))
    assert trainer.callback_metrics["val/auroc"] > 0.9


def test_equal_weights_train_to_the_weights_of_none(quiet_trainer):
    class Even(DigitLabels):
        def load(self):
            samples = super().load()
            return Samples(samples.inputs, samples.targets, weights=torch.full((1797,), 5.0))

    states = []
    for data in (DigitLabels(batch_size=128), Even(batch_size=128)):
        L.seed_everything(0, verbose=False)
        task = MultiLabelClassifier(Linear((1, 8, 8), 3), 3)
        quiet_trainer(max_epochs=1, limit_val_batches=0).fit(task, data)
        states.append(task.network.state_dict())
    torch.testing.assert_close(*states)


@pytest.mark.parametrize("step", [3, 7, 10])
def test_a_run_cut_anywhere_ends_with_the_weights_thresholds_and_metrics_of_the_whole(fit, tmp_path, step):
    def run(**options):
        network = MLP((1, 8, 8), 3, [16], dropout=0.2)
        task = MultiLabelClassifier(network, 3, loss=BinaryCrossEntropy(), regularizers=[MixUp(0.5)])
        trainer = fit(task, WeightedDigitLabels(batch_size=200), max_epochs=2, **options)  # 7 steps an epoch
        return task.state_dict(), trainer.callback_metrics

    whole, metrics = run(callbacks=[SaveAt(step, tmp_path / "cut.ckpt")])
    resumed, again = run(ckpt_path=tmp_path / "cut.ckpt")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    assert again == metrics


def test_a_batch_of_ones_own_may_hold_weights():
    inputs, targets = torch.rand(4, 1, 8, 8), torch.randint(10, (4,))
    light, heavy = (classifier().training_step((inputs, targets, weight * torch.ones(4)), 0) for weight in (1, 3))
    torch.testing.assert_close(heavy, 3 * light)
