"""Averages of a network's weights over training; they are validated, kept and tested in place of the last weights."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import callbacks
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from typing_extensions import override

from callbacks.lookup import callbacks_of
from datamodules.checks import check_fraction

Tensors = list[Tensor] | tuple[Tensor, ...]
WEIGHTS_KEY = "weights"  # of a checkpoint: describes the weights in its state_dict
STATE_KEY = "averaging"
PREFIX = "network."
HALF_PRECISIONS = ("bf16-true", "16-true")
LIGHTNING_AVERAGERS = (callbacks.WeightAveraging, callbacks.StochasticWeightAveraging)


class WeightAveraging(L.Callback, ABC):
    """Averages a task's network with torch's `AveragedModel`.

    Validation, checkpoints and the finished network use the average; before averaging begins, the current weights. A
    checkpoint's `state_dict` holds the average, `weights` says so, and `averaging` keeps the current weights for
    resuming. Buffers are averaged with the weights: batch norm's running statistics are means, not measured again.

    Lightning's `WeightAveraging` averages the whole task, where a buffer that a loss registers after setup shifts those
    after it; validates the initial weights until its average begins; keeps the average on the CPU, where the network is
    at setup; and, validating a checkpoint after training, measures other weights than the checkpoint's. Its
    `StochasticWeightAveraging` validates and keeps current weights, replaces the schedule, and adds an epoch to measure
    batch norm's statistics.
    """

    changes_training: ClassVar[bool] = True

    def __init__(self) -> None:
        self._average: AveragedModel | None = None
        self._swapped = False  # the network holds the average, and the average's copy the current weights
        self._step = 0

    @abstractmethod
    def weight(self, count: int) -> float:
        """Return the weight, in [0, 1], of a state that joins an average of `count` states."""

    @abstractmethod
    def due(self, trainer: L.Trainer, batch_idx: int) -> bool:
        """Return whether the weights after this step join the average."""

    @abstractmethod
    def description(self) -> str:
        """Return a description of the average, for people."""

    @property
    def count(self) -> int:
        """Number of states in the average; 0 before it begins."""
        return 0 if self._average is None else int(self._average.n_averaged)

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        name, every = type(self).__name__, callbacks_of(trainer)
        others = [
            other for other in every if isinstance(other, (WeightAveraging, *LIGHTNING_AVERAGERS)) and other is not self
        ]
        if others:
            raise MisconfigurationException(
                f"{name}: {type(others[0]).__name__} averages weights too; leave one of them out"
            )
        if trainer.precision in HALF_PRECISIONS:
            raise MisconfigurationException(
                f"{name}: weights under trainer.precision {trainer.precision} have too few digits for an average; set "
                f"{str(trainer.precision).replace('true', 'mixed')}"
            )
        if any(isinstance(other, callbacks.ModelCheckpoint) and other.save_weights_only for other in every):
            raise MisconfigurationException(
                f"{name}: a ModelCheckpoint with save_weights_only would keep the current weights, not the average; "
                "leave save_weights_only out"
            )
        device = trainer.strategy.root_device
        self._average = AveragedModel(_network(pl_module), device, multi_avg_fn=self._join, use_buffers=True)
        # Lightning converts the network's own weights after this.
        self._average.module = trainer.precision_plugin.convert_module(self._average.module)
        self._swapped = False

    def _join(self, average: Tensors, current: Tensors, count: Tensor | int) -> None:
        if average[0].is_floating_point():
            torch._foreach_lerp_(average, current, self.weight(int(count)))
        else:  # numbers of batches
            torch._foreach_copy_(average, current)

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._step = trainer.global_step

    @override
    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stepped, self._step = trainer.global_step != self._step, trainer.global_step
        if stepped and self.due(trainer, batch_idx):
            assert self._average is not None
            self._average.update_parameters(_network(pl_module))

    @override
    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING and self.count:
            self._swap(pl_module)

    @override
    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING and self._swapped:
            self._swap(pl_module)

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.count:
            self._swap(pl_module)

    def _swap(self, module: L.LightningModule) -> None:
        """Exchange the network's weights and the average's."""
        assert self._average is not None
        tensors = zip(_tensors(_network(module)), _tensors(self._average.module), strict=True)
        with torch.no_grad():
            for current, other in tensors:
                kept = current.clone()
                current.copy_(other)
                other.copy_(kept)
        self._swapped = not self._swapped

    @override
    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the average as the weights, the current weights beside it, and say so."""
        if self._average is None:
            return
        checkpoint[WEIGHTS_KEY] = self.description() if self.count else "current (averaging has not begun)"
        if not self.count:
            return
        network, other = _network(pl_module).state_dict(), self._average.module.state_dict()
        average, current = (network, other) if self._swapped else (other, network)
        checkpoint["state_dict"] |= {PREFIX + name: value for name, value in average.items()}
        checkpoint[STATE_KEY] = {"count": self.count, "current": current}

    @override
    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Restore both: Lightning has loaded the average, if there is one, into the network."""
        if trainer.state.fn != TrainerFn.FITTING or self._average is None or STATE_KEY not in checkpoint:
            return
        network, state = _network(pl_module), checkpoint[STATE_KEY]
        self._average.module.load_state_dict(network.state_dict())
        self._average.n_averaged.fill_(state["count"])
        network.load_state_dict(state["current"])


class EMA(WeightAveraging):
    """Exponential moving average of the weights over the steps (Polyak and Juditsky, 1992).

    After n steps the decay is (1 + n) / (10 + n) until that exceeds `decay`, as in TensorFlow's
    `ExponentialMovingAverage`: the initial weights do not dominate the average of a short run.

    Args:
        decay: Fraction of the average that each step keeps, in (0, 1): 0.999 averages about the last 1,000 steps.

    Raises:
        ValueError: `decay` is out of range.
    """

    def __init__(self, decay: float = 0.999) -> None:
        check_fraction("EMA", above_zero=True, below_one=True, decay=decay)
        super().__init__()
        self.decay = decay

    @override
    def weight(self, count: int) -> float:
        return 1 - min(self.decay, (1 + count) / (10 + count))

    @override
    def due(self, trainer: L.Trainer, batch_idx: int) -> bool:
        return True

    @override
    def description(self) -> str:
        return f"averaged (EMA, decay {self.decay:g})"


class SWA(WeightAveraging):
    """Stochastic weight averaging: the mean of the weights at the ends of the last epochs (arXiv 1803.05407).

    The learning rate follows the schedule. The paper keeps it constant and high while weights are averaged
    (`torch.optim.swa_utils.SWALR` leads there); a schedule that falls to 0 leaves little to average.

    Args:
        start: Fraction of `trainer.max_epochs` after which averaging begins, in [0, 1); the paper's is 0.75.

    Raises:
        ValueError: `start` is out of range.
    """

    def __init__(self, start: float = 0.75) -> None:
        check_fraction("SWA", below_one=True, start=start)
        super().__init__()
        self.start = start

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if stage == "fit" and (trainer.max_epochs is None or trainer.max_epochs < 1):
            raise MisconfigurationException("SWA: start is a fraction of trainer.max_epochs; set that")

    @override
    def weight(self, count: int) -> float:
        return 1 / (count + 1)

    @override
    def due(self, trainer: L.Trainer, batch_idx: int) -> bool:
        """Return True at the end of each epoch once averaging has begun."""
        assert trainer.max_epochs is not None
        late = self.count > 0 or trainer.current_epoch + 1 > self.start * trainer.max_epochs
        return late and batch_idx + 1 == trainer.num_training_batches

    @override
    def description(self) -> str:
        return f"averaged (SWA, {self.count} epochs)"


def _network(module: L.LightningModule) -> nn.Module:
    network = getattr(module, "network", None)
    if not isinstance(network, nn.Module):
        raise MisconfigurationException(f"{type(module).__name__} has no `network` whose weights could be averaged")
    return network


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    return chain(network.parameters(), network.buffers())
