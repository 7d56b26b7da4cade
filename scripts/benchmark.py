"""Times an epoch of tutorial 003's hand-written loop against this project's, in turn, in one process.

python -m scripts.benchmark --data_dir data

Both train the 784-256-128-10 perceptron on the same MNIST images in batches of 64 with SGD and then measure the same
validation images. The loop is the tutorial's, line by line, on torchvision's dataset and loader; ours is `holdout fit`
itself: metrics, TensorBoard, early stopping, both checkpoints. What is quoted is the ratio of the medians: on a noisy
machine seconds alone mean little.
"""

import argparse
import contextlib
import io
import logging
import statistics
import sys
import tempfile
import time
import warnings
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

from callbacks.lookup import find_callback
from datamodules import MNIST, DataError
from models import Preprocessing
from scripts.cli.training import fit_recipe


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


class EpochTimer(L.Callback):
    """Notes how long each epoch takes, from its start to the next one's, and how much of it is training."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self.training: list[float] = []
        self._start = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the end of the epoch before, checkpoints included."""
        self.on_train_end(trainer, pl_module)
        self._start = time.perf_counter()

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the end of the training batches."""
        if self._start:
            self.training.append(time.perf_counter() - self._start)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the end of the last epoch."""
        if self._start:
            self.epochs.append(time.perf_counter() - self._start)


def tutorial_epoch(net: nn.Module, optimizer: torch.optim.Optimizer, train: Any, val: Any) -> float:
    """Run one epoch of the tutorial's `train` and `evaluate`; return its seconds."""
    start = time.perf_counter()
    net.train()
    for data, target in train:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(data), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    net.eval()
    val_loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in val:
            output = net(data)
            val_loss += F.cross_entropy(output, target, reduction="sum").item()
            prediction = output.max(1, keepdim=True)[1]
            correct += prediction.eq(target.view_as(prediction)).sum().item()
    return time.perf_counter() - start


def floor_epoch(net: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> float:
    """Run one epoch as a bare loop over slices of prepared tensors: what no framework can beat; return its seconds."""
    start = time.perf_counter()
    order = torch.randperm(len(inputs))
    for start_of_batch in range(0, len(order), 64):
        chosen = order[start_of_batch : start_of_batch + 64]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(inputs[chosen]), targets[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return time.perf_counter() - start


def our_epochs(data_dir: str, folder: str, epochs: int) -> EpochTimer:
    """Run `holdout fit`; return the times of its epochs."""
    settings = {
        "model": "models.Classifier",
        "model.network": "models.networks.MLP",
        "model.optimizer": "torch.optim.SGD",
        "model.optimizer.lr": "0.01",
        "data": "datamodules.MNIST",
        "data.data_dir": data_dir,
        "data.batch_size": "64",
        "trainer.max_epochs": str(epochs),
        "trainer.accelerator": "cpu",
        "trainer.enable_progress_bar": "false",
        "trainer.callbacks": f"{EpochTimer.__module__}.EpochTimer",  # before ours, so that it times them too
        "runs_dir": folder,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = fit_recipe([f"--{key}={value}" for key, value in settings.items()]).trainer
    timer = find_callback(trainer, EpochTimer)
    assert timer is not None
    return timer


def main() -> None:
    """Time both, in turn, and print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", default="data", help="folder that holds MNIST/raw (default: data)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, each of all loops in turn (default: 5)")
    arguments = parser.parse_args()
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore")
    data = MNIST(arguments.data_dir, batch_size=64)
    try:
        data.prepare_data()
        data.setup()
    except DataError as error:
        print(f"benchmark: error: {error}", file=sys.stderr)
        sys.exit(2)
    assert data.split is not None
    images = datasets.MNIST(arguments.data_dir, train=True, transform=transforms.Compose([transforms.ToTensor()]))
    train = DataLoader(Subset(images, data.split.train.tolist()), batch_size=64, shuffle=True)
    val = DataLoader(Subset(images, data.split.val.tolist()), batch_size=64, shuffle=False)
    chosen = torch.from_numpy(data.split.train)
    assert isinstance(data.samples.inputs, Tensor)
    prepare = Preprocessing(**data.preprocessing)
    inputs, targets = prepare(data.samples.inputs[chosen]), data.samples.targets[chosen]
    net, bare = TutorialNet(), TutorialNet()
    sgd, bare_sgd = (torch.optim.SGD(network.parameters(), lr=0.01) for network in (net, bare))
    times: dict[str, list[float]] = {"tutorial": [], "ours": [], "ours, training": [], "floor, training": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds + 1):
            tutorial = tutorial_epoch(net, sgd, train, val)
            timer = our_epochs(arguments.data_dir, folder, 2)
            floor = floor_epoch(bare, bare_sgd, inputs, targets)
            if number:  # the first round warms caches up
                times["tutorial"].append(tutorial)
                times["ours"].append(timer.epochs[-1])
                times["ours, training"].append(timer.training[-1])
                times["floor, training"].append(floor)
                print(f"round {number}: tutorial {tutorial:.2f} s, ours {timer.epochs[-1]:.2f} s", flush=True)
    for name, seconds in times.items():
        print(f"{name:<16} median {statistics.median(seconds):.2f} s  ({min(seconds):.2f} to {max(seconds):.2f})")
    ratios = [ours / theirs for ours, theirs in zip(times["ours"], times["tutorial"], strict=True)]
    ratio = statistics.median(times["ours"]) / statistics.median(times["tutorial"])
    print(f"ours / tutorial  {ratio:.2f}  (by round {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
