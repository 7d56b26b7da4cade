"""Where labels are of steps, a labelled step is what a sample is elsewhere, and the others are nothing."""

import pytest
import torch
from torch import nn

from datamodules import DataError, DelayedEcho, DigitRows, Samples, SequenceDataModule
from models import Classifier, TrainingError
from models.networks import Recurrent
from models.regularizers import Regularizer


class Steps(SequenceDataModule):
    """Sequences of 6 steps whose label is the greatest feature; some steps have none."""

    class_names = ("a", "b", "c")
    input_shape = (6, 3)

    def load(self):
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(40, 6, 3, generator=generator)
        labelled = torch.rand(40, 6, generator=generator) < 0.6
        labelled[:, 2] = True
        return Samples(inputs, torch.where(labelled, inputs.argmax(-1), -100))


class Watch(Regularizer):
    """Keeps what regularizers are given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def perturb(self, inputs, targets):
        self.seen.append((inputs.shape, targets))
        return inputs, targets

    def penalty(self, step):
        assert step.outputs.shape == step.targets.shape
        return step.outputs.square().mean()


@pytest.fixture
def batch():
    data = Steps()
    data.setup()
    return data.samples.inputs[:10], data.targets[:10]


@pytest.mark.parametrize("regularized", [False, True])
def test_training_on_labelled_steps_is_training_on_as_many_samples(batch, quiet_trainer, regularized):
    inputs, targets = batch
    labelled = targets != -100
    gradients = []
    for given in ((inputs, targets), (inputs[labelled], targets[labelled])):
        watch = Watch()
        task = Classifier(nn.Linear(3, 3), 3, regularizers=[watch] if regularized else [])
        nn.init.eye_(task.network.weight)
        nn.init.zeros_(task.network.bias)
        task._trainer = quiet_trainer()
        task.training_step(given, 0).backward()
        gradients.append(task.network.weight.grad)
        if regularized:
            ((shape, seen),) = watch.seen
            assert shape == given[0].shape
            assert torch.equal(seen, nn.functional.one_hot(targets[labelled], 3).float())
    torch.testing.assert_close(*gradients)


def test_all_metrics_are_of_labelled_steps_alone(quiet_trainer):
    torch.manual_seed(0)
    data = Steps(batch_size=8, eval_batch_size=3)
    task = Classifier(nn.Linear(3, 3), 3, optimizer=lambda parameters: torch.optim.SGD(parameters, 0.0))
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(task, data)
    fitted = dict(trainer.callback_metrics)
    (tested,) = trainer.test(task, data, verbose=False)
    for part, metrics in (("train", fitted), ("val", fitted), ("test", tested)):
        indices = data.split.parts()[part]
        targets = data.targets[indices]
        labelled = targets != -100
        logits = task(data.samples.inputs[indices])[labelled]
        loss = nn.functional.cross_entropy(logits, targets[labelled])
        accuracy = (logits.argmax(-1) == targets[labelled]).float().mean()
        assert float(metrics[f"{part}/loss"]) == pytest.approx(loss.item(), rel=1e-5)
        assert float(metrics[f"{part}/accuracy"]) == pytest.approx(accuracy.item())
    predicted = torch.cat(trainer.predict(task, data))
    torch.testing.assert_close(predicted, logits.softmax(-1))


@pytest.mark.parametrize(
    ("data", "output", "message"),
    [
        (DelayedEcho(num_samples=100), "last", r"gives logits \(\d+, 8\); labels \(N, T\) need \(N, T, C\).*every"),
        (DigitRows(), "every", r"gives logits \(\d+, 8, 10\); labels \(N,\) need \(N, C\).*output last"),
    ],
)
def test_a_network_whose_outputs_are_of_other_things_than_the_labels_is_refused(quiet_trainer, data, output, message):
    network = Recurrent(data.input_shape, data.num_classes, hidden_size=8, output=output)
    with pytest.raises(TrainingError, match=message):
        quiet_trainer(max_epochs=1).fit(Classifier(network, data.num_classes), data)


@pytest.mark.parametrize(
    ("place", "label", "message"),
    [
        ((3, 4), 3, "Steps: sample 3 has label 3 at step 4; there are 3 classes"),
        ((5, 0), -1, "Steps: sample 5 has label -1 at step 0"),
        ((7, slice(None)), -100, "Steps: sample 7 has no label at any step"),
    ],
)
def test_labels_of_steps_are_checked(monkeypatch, place, label, message):
    samples = Steps().load()
    samples.targets[place] = label
    monkeypatch.setattr(Steps, "load", lambda self: samples)
    with pytest.raises(DataError, match=message):
        Steps().setup()
