"""The first filters are drawn as they were before training and in the best epoch."""

from functools import partial

import lightning as L
import pytest
import torch
from PIL import Image

from callbacks import Checkpoint, FirstFilters, History, LastCheckpoint, first_filters
from callbacks.first_filters import draw_filters, first_convolution
from datamodules import Digits
from models import Classifier
from models.networks import MLP, ResNet


def small_resnet():
    return ResNet((1, 8, 8), 10, depth=18, stem="cifar")


@pytest.fixture
def drawn(monkeypatch):
    found = []
    monkeypatch.setattr(
        first_filters, "draw_filters", lambda filters, title: found.append(filters) or draw_filters(filters, title)
    )
    return found


class Net(torch.nn.Module):
    """A convolution and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(1, 5, 3)
        self.head = torch.nn.Linear(180, 10)

    def forward(self, inputs):
        return self.head(self.convolution(inputs).relu().flatten(1))


def train(quiet_trainer, *callbacks, epochs=3, resume=None):
    L.seed_everything(0, verbose=False)
    task = Classifier(Net(), 10, optimizer=partial(torch.optim.SGD, lr=2.0))
    options = {"enable_checkpointing": any(isinstance(item, Checkpoint) for item in callbacks)}
    trainer = quiet_trainer(max_epochs=epochs, callbacks=[History(), *callbacks], limit_train_batches=4, **options)
    trainer.fit(task, Digits(batch_size=32), ckpt_path=resume)
    return trainer, task


def test_those_before_training_and_of_the_best_epoch_are_drawn(quiet_trainer, tmp_path, drawn) -> None:
    trainer, _ = train(quiet_trainer, Checkpoint(), FirstFilters())
    L.seed_everything(0, verbose=False)
    best = torch.load(trainer.checkpoint_callback.best_model_path, weights_only=True)["state_dict"]
    ((before, after),) = (filters.items() for filters in drawn)
    assert (before[0], after[0]) == ("before training", "best epoch")
    assert torch.equal(before[1], Net().convolution.weight.detach())
    assert torch.equal(after[1], best["network.convolution.weight"])
    assert Image.open(tmp_path / "figures" / "filters.png").size[0] > 600


def test_without_a_checkpoint_they_are_those_after_training(quiet_trainer, drawn) -> None:
    _, task = train(quiet_trainer, FirstFilters(), epochs=1)
    assert list(drawn[0]) == ["before training", "after training"]
    assert torch.equal(drawn[0]["after training"], task.network.convolution.weight.detach())


def test_a_resumed_run_still_knows_those_before_training(quiet_trainer, tmp_path, drawn) -> None:
    train(quiet_trainer, Checkpoint(), FirstFilters(), LastCheckpoint(), epochs=1)
    last = tmp_path / "checkpoints" / "last.ckpt"
    train(quiet_trainer, Checkpoint(), FirstFilters(), LastCheckpoint(), epochs=2, resume=last)
    assert torch.equal(drawn[0]["before training"], drawn[1]["before training"])


def test_networks_without_filters_of_images_have_no_picture(fit, tmp_path) -> None:
    fit(FirstFilters(), epochs=1)
    assert not (tmp_path / "figures").exists()
    assert first_convolution(MLP((1, 8, 8), 10)) is None
    assert first_convolution(torch.nn.Conv2d(16, 4, 3)) is None
    assert first_convolution(torch.nn.Conv2d(3, 4, 1)) is None
    assert first_convolution(small_resnet()) is not None
