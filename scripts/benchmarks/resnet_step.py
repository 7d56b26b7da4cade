"""Training steps of ResNet-18 on CIFAR-10 in batches of 128: images a second, and the loss that they reach.

The rival is tutorial 004's loop: torchvision's dataset and loader, float32, Adam. Ours is `holdout fit` with the same
network, optimizer and batch size, and the precision that `--trainer.precision auto` chooses.
"""

import statistics
import time
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from datamodules import CIFAR10
from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.setup import Setup, fit_alone, now

BATCH, RATE, WARM_UP = 128, 1e-3, 2
OURS, TUTORIAL = "ours", "tutorial 004"
SAID = "images a second, and loss:"


class ResidualBlock(nn.Module):
    """Tutorial 004's block."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.downsample = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, out_channels, H / stride, W / stride)."""
        return F.relu(self.downsample(x) + self.conv_block(x))


def tutorial_resnet() -> nn.Module:
    """Return tutorial 004's ResNet-18."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    channels = 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [ResidualBlock(channels, width, stride), ResidualBlock(width, width, 1)]
        channels = width
    return nn.Sequential(*layers, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(512, 10))


class Images(Dataset[tuple[Tensor, int]]):
    """The training images as the tutorial's loader takes them: an image of PIL's, transformed when asked for."""

    def __init__(self, data: CIFAR10) -> None:
        assert data.split is not None
        self.pictures = data.samples.inputs[torch.from_numpy(data.split.train)]  # type: ignore[index]
        self.labels = data.samples.targets[torch.from_numpy(data.split.train)].tolist()
        normalize = transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        self.transform = transforms.Compose([transforms.ToPILImage(), transforms.ToTensor(), normalize])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return an image (3, 32, 32), and its label."""
        return self.transform(self.pictures[index]), self.labels[index]


class StepTimer(L.Callback):
    """Notes when each training step ends, and its loss; the first and the last one wait for the device."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.losses: list[Tensor] = []

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: object) -> None:
        """Note both."""
        self.losses.append(outputs["loss"].detach())
        marked = len(self.losses) in (WARM_UP, trainer.num_training_batches)
        self.ends.append(now(pl_module.device) if marked else time.perf_counter())

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print images a second after the warm-up, and the mean loss of the last half."""
        steps = len(self.ends) - WARM_UP
        rate = BATCH * steps / (self.ends[-1] - self.ends[WARM_UP - 1])
        loss = statistics.mean(float(loss) for loss in self.losses[WARM_UP + steps // 2 :])
        print(SAID, rate, loss, flush=True)


def contests(setup: Setup) -> Sequence[Contest]:
    """Return the contest of speed; the losses of the last steps follow in a second."""
    data = CIFAR10(setup.data_dir, batch_size=BATCH)
    data.prepare_data()
    data.setup()
    loader = DataLoader(Images(data), batch_size=BATCH, shuffle=True)
    steps = 4 if setup.quick else 20
    losses: dict[str, float] = {}

    def ours(_: int) -> float:
        rate, losses[OURS] = our_steps(setup, steps)
        return rate

    def theirs(_: int) -> float:
        rate, losses[TUTORIAL] = tutorial_steps(loader, steps, setup.device)
        return rate

    speed = Contest(
        "training steps of ResNet-18", "images/s", {OURS: ours, TUTORIAL: theirs}, [Target(OURS, TUTORIAL, 2.4, True)],
        warm_up=0,
    )  # fmt: skip
    same = Contest(
        f"mean loss of the last half of {steps} steps", "nats",
        {OURS: lambda _: losses[OURS], TUTORIAL: lambda _: losses[TUTORIAL]},
        [Target(OURS, TUTORIAL, 1.1)], rounds=1, warm_up=0,
    )  # fmt: skip
    return [speed, same]


def our_steps(setup: Setup, steps: int) -> tuple[float, float]:
    """Train some steps by `holdout fit`; return images a second, and the mean loss of the last half."""
    settings = {
        "model": "models.Classifier",
        "model.network": "models.networks.ResNet",
        "model.network.depth": "18",
        "model.optimizer": "torch.optim.Adam",
        "model.optimizer.lr": str(RATE),
        "data": "datamodules.CIFAR10",
        "data.data_dir": setup.data_dir,
        "data.batch_size": str(BATCH),
        "trainer.max_epochs": "1",
        "trainer.limit_train_batches": str(steps + WARM_UP),
        "trainer.limit_val_batches": "1",
        "trainer.precision": "auto",
        "trainer.accelerator": setup.accelerator,
        "trainer.callbacks": f"{StepTimer.__module__}.StepTimer",
        "early_stopping": "null",
    }
    rate, loss = fit_alone(settings, setup, SAID).split()
    return float(rate), float(loss)


def tutorial_steps(loader: DataLoader[Any], steps: int, device: torch.device) -> tuple[float, float]:
    """Train some steps in tutorial 004's loop; return images a second, and the mean loss of the last half."""
    resnet = tutorial_resnet().to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(resnet.parameters(), lr=RATE)
    losses: list[float] = []
    begin = 0.0
    for number, (inputs, labels) in enumerate(loader):
        optimizer.zero_grad()
        loss = criterion(resnet(inputs.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if number == WARM_UP - 1:
            begin = time.perf_counter()
        if number == WARM_UP + steps - 1:
            break
    return BATCH * steps / (time.perf_counter() - begin), statistics.mean(losses[WARM_UP + steps // 2 :])
