"""A loss that leads a network elsewhere than to the right answer is refused, and one that fits is not."""

import functools

import lightning as L
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import AdamW

from datamodules import Diabetes, Digits
from models import Classifier, MultiLabelClassifier, Regressor, TrainingError
from models.losses import (
    BalancedCrossEntropy,
    BinaryCrossEntropy,
    ClassBalancedCrossEntropy,
    FocalLoss,
    GeneralizedCrossEntropy,
    LogitAdjustedCrossEntropy,
    PolyLoss,
    ProbabilityMAE,
    SymmetricCrossEntropy,
)
from models.losses.directions import output_kind
from models.networks import Linear
from models.regularizers import LabelSmoothing
from tests.digit_labels import DigitLabels


def of_function(compute):
    class Loss(nn.Module):
        def forward(self, outputs, targets):
            return compute(outputs, targets)

    return Loss()


def ending_in(*last):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), *last)


def train(quiet_trainer, network, loss, regularizers=(), epochs=1):
    L.seed_everything(0, verbose=False)
    optimizer = functools.partial(AdamW, lr=0.02)
    task = Classifier(network, 10, loss=loss, regularizers=list(regularizers), optimizer=optimizer)
    trainer = quiet_trainer(max_epochs=epochs, num_sanity_val_steps=0)
    before = {name: value.clone() for name, value in task.state_dict().items() if name.startswith("network")}
    try:
        trainer.fit(task, Digits(batch_size=200))
    except TrainingError:
        after = task.state_dict()
        assert all(torch.equal(after[name], value) for name, value in before.items()), "nothing was trained"
        raise
    return trainer.callback_metrics


SMOOTHED = [LabelSmoothing(0.1)]
FITTING = [
    (nn.CrossEntropyLoss(label_smoothing=0.3), []),
    (nn.CrossEntropyLoss(torch.linspace(0.1, 3, 10), reduction="sum"), SMOOTHED),
    (nn.MultiMarginLoss(), []),
    (nn.BCEWithLogitsLoss(), SMOOTHED),
    (nn.MultiLabelSoftMarginLoss(), SMOOTHED),
    (nn.MSELoss(), SMOOTHED),
    *((loss, chain) for chain in ([], SMOOTHED) for loss in (
        BalancedCrossEntropy(), ClassBalancedCrossEntropy(), LogitAdjustedCrossEntropy(), FocalLoss(), PolyLoss(),
        PolyLoss(-0.9), GeneralizedCrossEntropy(), SymmetricCrossEntropy(), ProbabilityMAE(),
    )),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "chain"), FITTING, ids=lambda value: repr(value)[:40])
def test_losses_that_fit_logits_are_trained_with(quiet_trainer, loss, chain):
    train(quiet_trainer, ending_in(), loss, chain)


UNFIT = [
    (nn.NLLLoss(), [], "loss: NLLLoss falls without end on logits.*use CrossEntropyLoss, or end the network in nn.Log"),
    (nn.NLLLoss(torch.ones(10), reduction="sum"), [], "loss: NLLLoss falls without end on logits"),
    (nn.KLDivLoss(reduction="batchmean"), SMOOTHED, "loss: KLDivLoss falls without end on logits"),
    (nn.BCELoss(), SMOOTHED, "loss: BCELoss does not take outputs"),
    (nn.BCEWithLogitsLoss(), [], r"loss: BCEWithLogitsLoss does not take outputs \(7, 10\) with targets \(7,\)"),
    (nn.GaussianNLLLoss(), SMOOTHED, "loss: GaussianNLLLoss does not take .*missing.*'var'"),
    (of_function(lambda x, t: -F.cross_entropy(x, t)), [], "loss: Loss is not lowest where the network is right"),
    (of_function(lambda x, t: x.softmax(-1).gather(1, t[:, None]).mean()), [], "loss: Loss is not lowest where the"),
    (of_function(lambda x, t: x.square().mean()), [], "loss: Loss is not lowest where the network is right"),
]


@pytest.mark.parametrize(("loss", "chain", "said"), UNFIT, ids=lambda value: repr(value)[:40])
def test_losses_that_do_not_fit_logits_are_refused_before_the_first_step(quiet_trainer, loss, chain, said):
    with pytest.raises(TrainingError, match=said) as refused:
        train(quiet_trainer, ending_in(), loss, chain)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("loss", "chain"),
    [
        (nn.NLLLoss(), []),
        (nn.NLLLoss(torch.linspace(0.5, 2, 10)), []),
        (nn.CrossEntropyLoss(), []),
        (nn.KLDivLoss(reduction="batchmean"), SMOOTHED),
    ],
)
def test_losses_of_log_probabilities_fit_a_network_that_gives_them(quiet_trainer, loss, chain):
    metrics = train(quiet_trainer, ending_in(nn.LogSoftmax(-1)), loss, chain, epochs=5)
    assert metrics["val/accuracy"] > 0.9
    assert metrics["val/loss"] < 0.6


def test_log_probabilities_and_the_loss_of_them_are_logits_and_cross_entropy(quiet_trainer):
    pairs = [(ending_in(), nn.CrossEntropyLoss()), (ending_in(nn.LogSoftmax(-1)), nn.NLLLoss())]
    pairs[1][0].load_state_dict(pairs[0][0].state_dict())
    measured = [{name: float(v) for name, v in train(quiet_trainer, *pair).items()} for pair in pairs]
    assert measured[0] == pytest.approx(measured[1], rel=1e-3)


def test_a_network_that_ends_in_a_softmax_is_refused(quiet_trainer):
    with pytest.raises(TrainingError, match="network: its outputs are probabilities; leave its last softmax out"):
        train(quiet_trainer, ending_in(nn.Softmax(-1)), nn.CrossEntropyLoss())


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_the_precision_of_the_training_does_not_matter(quiet_trainer, precision):
    losses = (BalancedCrossEntropy(), nn.CrossEntropyLoss(torch.linspace(0.5, 2, 10)), nn.NLLLoss(torch.ones(10)))
    for loss in losses:
        task = Classifier(ending_in(nn.LogSoftmax(-1)), 10, loss=loss)
        quiet_trainer(max_epochs=1, precision=precision).fit(task, Digits(batch_size=500))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0, 0.1, 1, 10])
def test_what_outputs_are_is_told_from_their_values(scale, dtype):
    logits = scale * torch.randn(50, 10, generator=torch.Generator().manual_seed(0))
    assert output_kind(logits.to(dtype)) == "logits"
    assert output_kind(logits.log_softmax(-1).to(dtype)) == "log-probabilities"
    assert output_kind(logits.softmax(-1).to(dtype)) == "probabilities"
    assert output_kind(torch.full((3, 10), torch.nan)) == "logits"


def test_the_trial_leaves_no_trace_in_the_loss_or_in_the_random_numbers(quiet_trainer, monkeypatch):
    class Drawing(nn.CrossEntropyLoss):
        calls = 0

        def forward(self, logits, targets):
            self.calls += 1
            return super().forward(logits + 0.01 * torch.randn(10), targets)

    weights = []
    for tried in (True, False):
        network, loss = Linear((1, 8, 8), 10), Drawing()
        for parameter in network.parameters():
            nn.init.zeros_(parameter)
        if not tried:
            monkeypatch.setattr(Classifier, "check_loss", lambda self, trial, outputs: None)
        train(quiet_trainer, network, loss)
        assert loss.calls == 7, "steps of 200 samples"
        weights.append(network.head.weight.detach())
    assert torch.equal(*weights)


def regress(quiet_trainer, loss):
    L.seed_everything(0, verbose=False)
    data = Diabetes()
    task = Regressor(Linear(data.input_shape, 1), data.target_mean, data.target_std, loss=loss)
    quiet_trainer(max_epochs=1).fit(task, data)


def pinball(outputs, targets, quantile=0.9):
    error = targets - outputs
    return torch.maximum(quantile * error, (quantile - 1) * error).mean()


@pytest.mark.parametrize(
    "loss",
    [
        nn.MSELoss(),
        nn.MSELoss(reduction="sum"),
        nn.L1Loss(),
        nn.HuberLoss(delta=0.1),
        nn.SmoothL1Loss(),
        of_function(lambda o, t: (o - t).cosh().log().clamp_max(1e4).mean()),
        of_function(lambda o, t: ((o - t).exp() - (o - t) - 1).mean()),
        of_function(pinball),
    ],
    ids=repr,
)
def test_losses_that_fit_standardised_targets_are_trained_with(quiet_trainer, loss):
    regress(quiet_trainer, loss)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (nn.PoissonNLLLoss(), "loss: PoissonNLLLoss is not lowest where outputs equal the standardised targets"),
        (nn.PoissonNLLLoss(log_input=False), "loss: PoissonNLLLoss is not lowest where"),
        (nn.BCEWithLogitsLoss(), "loss: BCEWithLogitsLoss is not lowest where"),
        (nn.SoftMarginLoss(), "loss: SoftMarginLoss is not lowest where"),
        (nn.HingeEmbeddingLoss(), "loss: HingeEmbeddingLoss is not lowest where"),
        (nn.KLDivLoss(), "loss: KLDivLoss is not lowest where"),
        (nn.KLDivLoss(log_target=True), "loss: KLDivLoss is not lowest where"),
        (nn.BCELoss(), "loss: BCELoss does not take outputs"),
        (nn.GaussianNLLLoss(), "loss: GaussianNLLLoss does not take .*'var'"),
        (nn.NLLLoss(), "loss: NLLLoss does not take outputs"),
        (of_function(lambda o, t: -(o - t).square().mean()), "loss: Loss is not lowest where"),
        (of_function(lambda o, t: ((1 + o).log() - (1 + t).log()).square().mean()), "loss: Loss is not lowest where"),
        (of_function(lambda o, t: 0 * o.sum()), "loss: Loss is not lowest where"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_losses_that_do_not_fit_standardised_targets_are_refused(quiet_trainer, loss, said):
    with pytest.raises(TrainingError, match=said) as refused:
        regress(quiet_trainer, loss)
    assert "\n" not in str(refused.value)


LABEL_LOSSES = [
    nn.BCEWithLogitsLoss(),
    nn.BCEWithLogitsLoss(reduction="sum"),
    nn.MultiLabelSoftMarginLoss(),
    BinaryCrossEntropy(),
    BinaryCrossEntropy([100.0, 1.0, 0.01]),
    of_function(lambda x, t: (x.sigmoid() - t).square().mean()),
    nn.SoftMarginLoss(),
    of_function(lambda x, t: -F.binary_cross_entropy_with_logits(x, t)),
    of_function(lambda x, t: -(x * (2 * t - 1)).mean()),
    of_function(lambda x, t: x.square().mean()),
    nn.BCEWithLogitsLoss(pos_weight=torch.ones(2)),
]
SAID = [None] * 6 + [
    "not lowest where",
    "not lowest where",
    "falls without end.*use BCEW",
    "not lowest",
    "does not take",
]


@pytest.mark.parametrize(
    ("loss", "said"), list(zip(LABEL_LOSSES, SAID, strict=True)), ids=lambda value: repr(value)[:40]
)
def test_losses_of_labels_are_tried_too(quiet_trainer, loss, said):
    task = MultiLabelClassifier(Linear((1, 8, 8), 3), 3, loss=loss)
    trainer = quiet_trainer(max_steps=1, limit_val_batches=0)
    if said is None:
        trainer.fit(task, DigitLabels())
    else:
        with pytest.raises(TrainingError, match=said):
            trainer.fit(task, DigitLabels())
