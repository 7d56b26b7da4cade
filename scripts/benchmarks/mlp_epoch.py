"""An epoch of the 784-256-128-10 perceptron on MNIST in batches of 64, then a validation.

Ours is `holdout fit` itself, with metrics, TensorBoard, early stopping and both checkpoints. The rivals: tutorial 003's
loop, line by line, on torchvision's dataset and loader; Lightning as its own examples use it; and a bare loop over
slices of prepared tensors, which trains, and does nothing else.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchmetrics.classification import MulticlassAccuracy
from torchvision import datasets, transforms

from callbacks.lookup import find_callback
from datamodules import MNIST
from models import Preprocessing
from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.setup import Setup, fit, now

BATCH, RATE = 64, 0.01
OURS, TUTORIAL, LIGHTNING, BARE = "ours", "tutorial 003", "Lightning and torchvision", "bare loop"


class TutorialNet(nn.Module):
    """Tutorial 003's network, as it stands there."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 256)
        self.fc2 = nn.Linear(256, 128)
        self.fc3 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 1, 28, 28) to logits (N, 10)."""
        x = x.view(-1, 784)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        logits: Tensor = self.fc3(x)
        return logits


class LightningNet(L.LightningModule):
    """The same network as Lightning's documentation writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = TutorialNet()
        self.accuracy = MulticlassAccuracy(10, average="micro")

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        x, y = batch
        logits = self.net(x)
        loss = F.cross_entropy(logits, y)
        self.log("train_loss", loss)
        self.log("train_acc", self.accuracy(logits, y), on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Measure a batch."""
        x, y = batch
        logits = self.net(x)
        self.log("val_loss", F.cross_entropy(logits, y))
        self.log("val_acc", self.accuracy(logits, y))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return SGD."""
        return torch.optim.SGD(self.parameters(), lr=RATE)


class EpochTimer(L.Callback):
    """Notes how long each epoch takes, from its start to the next one's, and how much of it is training."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self.training: list[float] = []
        self._start = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the end of the epoch before, checkpoints included."""
        self.on_train_end(trainer, pl_module)
        self._start = now(pl_module.device)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the end of the training batches."""
        if self._start:
            self.training.append(now(pl_module.device) - self._start)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the end of the last epoch."""
        if self._start:
            self.epochs.append(now(pl_module.device) - self._start)


def contests(setup: Setup) -> Sequence[Contest]:
    """Return the contest of a whole epoch, and that of its training alone."""
    data = MNIST(setup.data_dir, batch_size=BATCH)
    data.prepare_data()
    data.setup()
    assert data.split is not None
    assert isinstance(data.samples.inputs, Tensor)
    images = datasets.MNIST(setup.data_dir, train=True, transform=transforms.ToTensor())
    train = DataLoader(Subset(images, data.split.train.tolist()), batch_size=BATCH, shuffle=True)
    val = DataLoader(Subset(images, data.split.val.tolist()), batch_size=BATCH, shuffle=False)
    chosen = torch.from_numpy(data.split.train)
    inputs = Preprocessing(**data.preprocessing)(data.samples.inputs[chosen]).to(setup.device)
    targets = data.samples.targets[chosen].to(setup.device)
    whole = {
        OURS: lambda _: our_epochs(setup, 2).epochs[-1],
        TUTORIAL: _with_new_net(setup, lambda net, sgd: tutorial_epoch(net, sgd, train, val)),
        LIGHTNING: lambda _: lightning_epoch(setup, train, val),
    }
    training = {
        OURS: lambda _: our_epochs(setup, 2).training[-1],
        BARE: _with_new_net(setup, lambda net, sgd: bare_epoch(net, sgd, inputs, targets)),
    }
    return [
        Contest(
            "epoch of the MLP on MNIST, with validation", "s", whole,
            [Target(OURS, TUTORIAL, 0.35), Target(OURS, LIGHTNING, 0.22)],
        ),
        Contest("its training alone", "s", training, [Target(OURS, BARE, 1.6)]),
    ]  # fmt: skip


def _with_new_net(setup: Setup, epoch: Callable[[TutorialNet, torch.optim.Optimizer], float]) -> Callable[[int], float]:
    def measure(_: int) -> float:
        net = TutorialNet().to(setup.device)
        return epoch(net, torch.optim.SGD(net.parameters(), lr=RATE))

    return measure


def our_epochs(setup: Setup, epochs: int) -> EpochTimer:
    """Run `holdout fit`; return the times of its epochs."""
    settings = {
        "model": "models.Classifier",
        "model.network": "models.networks.MLP",
        "model.optimizer": "torch.optim.SGD",
        "model.optimizer.lr": str(RATE),
        "data": "datamodules.MNIST",
        "data.data_dir": setup.data_dir,
        "data.batch_size": str(BATCH),
        "trainer.max_epochs": str(epochs),
        "trainer.accelerator": setup.accelerator,
        "trainer.callbacks": f"{EpochTimer.__module__}.EpochTimer",  # before ours, so that it times them too
    }
    timer = find_callback(fit(settings, setup.folder), EpochTimer)
    assert timer is not None
    return timer


def tutorial_epoch(net: TutorialNet, optimizer: torch.optim.Optimizer, train: Any, val: Any) -> float:
    """Run one epoch of the tutorial's `train` and `evaluate`; return its seconds."""
    device = net.fc1.weight.device
    start = time.perf_counter()
    net.train()
    for data, target in train:
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(net(data), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    net.eval()
    val_loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in val:
            data, target = data.to(device), target.to(device)
            output = net(data)
            val_loss += F.cross_entropy(output, target, reduction="sum").item()
            prediction = output.max(1, keepdim=True)[1]
            correct += prediction.eq(target.view_as(prediction)).sum().item()
    return time.perf_counter() - start


def lightning_epoch(setup: Setup, train: Any, val: Any) -> float:
    """Run one epoch of Lightning, with TensorBoard and a checkpoint; return the seconds of the second."""
    timer = EpochTimer()
    trainer = L.Trainer(
        max_epochs=2,
        accelerator=setup.accelerator,
        logger=TensorBoardLogger(setup.folder, "lightning"),
        callbacks=[timer, ModelCheckpoint(monitor="val_loss", save_last=True)],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(LightningNet(), train, val)
    return timer.epochs[-1]


def bare_epoch(net: TutorialNet, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> float:
    """Train an epoch in a bare loop over slices of prepared tensors; return its seconds."""
    start = time.perf_counter()
    order = torch.randperm(len(inputs), device=inputs.device)
    for start_of_batch in range(0, len(order), BATCH):
        chosen = order[start_of_batch : start_of_batch + BATCH]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(inputs[chosen]), targets[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return now(inputs.device) - start
