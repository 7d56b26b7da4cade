"""Every loss of torch.nn either trains each task or is refused in one line that names it and what to use."""

import functools
import inspect

import lightning as L
import pytest
import torch
from torch import nn
from torch.optim import AdamW

from datamodules import Diabetes, Digits
from models import Classifier, MultiLabelClassifier, Preprocessing, Regressor, TrainingError
from models.networks import Linear
from models.regularizers import LabelSmoothing
from tests.digit_labels import DigitLabels, OneLabel

# For the number of outputs: the losses whose constructor wants something.
MADE_WITH = {
    "AdaptiveLogSoftmaxWithLoss": lambda outputs: nn.AdaptiveLogSoftmaxWithLoss(outputs, max(outputs, 3), [2]),
    "LinearCrossEntropyLoss": lambda outputs: nn.LinearCrossEntropyLoss(outputs, max(outputs, 2)),  # of newer torch
}
ALL = sorted(name for name in vars(nn) if name.endswith("Loss") and inspect.isclass(getattr(nn, name)))
TRAINING = {
    "labels": {"CrossEntropyLoss", "MultiMarginLoss"},
    "probabilities": {
        "CrossEntropyLoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss",
        "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "PoissonNLLLoss",
    },
    "several yes/no labels": {"BCEWithLogitsLoss", "MultiLabelSoftMarginLoss"},
    "one yes/no label": {"BCEWithLogitsLoss", "MultiLabelSoftMarginLoss"},
    "values": {"MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss"},
    "log-probabilities": {"CrossEntropyLoss", "MultiMarginLoss", "NLLLoss"},
    "log-probabilities with probabilities": {
        "CrossEntropyLoss", "KLDivLoss", "PoissonNLLLoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss",
        "SoftMarginLoss",
    },
}  # fmt: skip
INSTEAD = {"values": "use MSELoss, L1Loss or HuberLoss|compares classes|the network's last layer in their place"}
LABELS = "use (torch.nn.)?BCEWithLogitsLoss|use the network's last layer in their place"
INSTEAD |= {"several yes/no labels": LABELS, "one yes/no label": LABELS}
CLASSES = "use CrossEntropyLoss|use the network's last layer in their place"


def task_of(case, loss):
    data = {"several yes/no labels": DigitLabels, "one yes/no label": OneLabel}.get(case, Digits)(batch_size=200)
    if case == "values":
        data = Diabetes(batch_size=100)
    outputs = {"several yes/no labels": 3, "one yes/no label": 1, "values": 1}.get(case, 10)
    options = {"loss": loss(outputs), "optimizer": functools.partial(AdamW, lr=0.02)}
    network = Linear(data.input_shape, outputs)
    if case == "values":
        return Regressor(network, data.target_mean, data.target_std, **options), data
    if "yes/no" in case:
        return MultiLabelClassifier(network, outputs, **options), data
    if "log-" in case:
        network = nn.Sequential(network, nn.LogSoftmax(-1))
    smoothed = [LabelSmoothing(0.1)] if "with probabilities" in case or case == "probabilities" else []
    return Classifier(network, 10, regularizers=smoothed, **options), data


class Objectives(L.Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen.append(outputs["loss"].item())


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("case", TRAINING)
def test_it_trains_or_is_refused(quiet_trainer, case, name):
    L.seed_everything(0, verbose=False)
    objectives = Objectives()
    trainer = quiet_trainer(max_epochs=2, num_sanity_val_steps=0, limit_val_batches=1, callbacks=[objectives])
    loss = MADE_WITH.get(name, lambda outputs: getattr(nn, name)())
    if name not in TRAINING[case]:
        with pytest.raises((TrainingError, ValueError), match=INSTEAD.get(case, CLASSES)) as refused:
            trainer.fit(*task_of(case, loss))
        assert str(refused.value).startswith(f"loss: {name} ")
        assert "\n" not in str(refused.value)
        assert not objectives.seen
        return
    trainer.fit(*task_of(case, loss))
    steps = len(objectives.seen) // 2
    first, last = (sum(part) / len(part) for part in (objectives.seen[:steps], objectives.seen[steps:]))
    assert last < first, "the loss falls"
    metrics = {metric: value.item() for metric, value in trainer.callback_metrics.items()}
    chance = {"several yes/no labels": ("val/auroc", 0.8), "one yes/no label": ("val/auroc", 0.8)}
    metric, least = chance.get(case, ("val/r2", 0.2) if case == "values" else ("val/accuracy", 0.5))
    assert metrics[metric] > least


@pytest.mark.parametrize(
    ("case", "name"), [(case, name) for case in TRAINING if "log-" not in case for name in sorted(TRAINING[case])]
)
def test_what_trains_is_torchs_own_value(case, name):
    torch.manual_seed(0)
    task, data = task_of(case, MADE_WITH.get(name, lambda outputs: getattr(nn, name)()))
    data.setup()
    task.preprocessing = Preprocessing(**data.preprocessing)
    task.regularizers.perturb = lambda *batch, **_: batch
    inputs, targets = data.samples.inputs[:50].float(), data.samples.targets[:50]
    outputs = task.network(task.preprocessing.normalize(inputs))
    expected = getattr(nn, name)()(outputs, task.soft_targets(targets))
    torch.testing.assert_close(task.training_step((inputs, targets), 0), expected)


@pytest.mark.parametrize("kind", [*(name for name in ALL if name in MADE_WITH), "own"])
def test_a_loss_with_weights_of_its_own_is_refused_until_they_are_frozen(kind):
    class Tempered(nn.CrossEntropyLoss):
        def __init__(self):
            super().__init__()
            self.temperature = nn.Parameter(torch.ones(()))

    loss = Tempered() if kind == "own" else MADE_WITH[kind](10)
    with pytest.raises(ValueError, match=rf"^loss: {type(loss).__name__} has weights of its own \(\w+.*freeze them"):
        Classifier(Linear((1, 8, 8), 10), 10, loss=loss)
    Classifier(Linear((1, 8, 8), 10), 10, loss=loss.requires_grad_(False))
