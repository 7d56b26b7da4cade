"""Averages of a network's weights over training: what is validated, kept and tested in place of the last weights."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import chain
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import callbacks
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from callbacks.lookup import callbacks_of

Tensors = list[Tensor] | tuple[Tensor, ...]
WEIGHTS_KEY = "weights"  # of a checkpoint: says in words which weights its state_dict holds
STATE_KEY = "averaging"
PREFIX = "network."
HALF_PRECISIONS = ("bf16-true", "16-true")
LIGHTNING_AVERAGERS = (callbacks.WeightAveraging, callbacks.StochasticWeightAveraging)


class WeightAveraging(L.Callback, ABC):
    """Averages a task's network by torch's `AveragedModel`; validation, checkpoints and the end of training have that.

    Once the average has begun, validation measures it, a whole checkpoint's `state_dict` holds it and says so
    (`weights`), with what training goes on with beside it (`averaging`), and the network has it after training. Until
    then all of these have the weights as they are. Buffers are averaged with the weights: batch norm's running
    statistics are the means of those that went with them, not measured anew.

    Lightning's `WeightAveraging` averages the whole task, where a buffer that a loss is given after setup shifts all
    that follow; validates the weights that training began with until its average begins; keeps the average on the CPU,
    where the network is at setup; and, validating a checkpoint after training, measures other weights than those it
    holds. Its `StochasticWeightAveraging` validates and keeps current weights, takes the schedule over, and adds an
    epoch to measure batch norm's statistics.
    """

    def __init__(self) -> None:
        self._average: AveragedModel | None = None
        self._swapped = False  # the network has the average, and the average's place has what training goes on with
        self._step = 0

    @abstractmethod
    def weight(self, count: int) -> float:
        """Return the weight, in [0, 1], of what joins an average of `count` before it."""

    @abstractmethod
    def due(self, trainer: L.Trainer, batch_idx: int) -> bool:
        """Return whether the weights after this step join the average."""

    @abstractmethod
    def description(self) -> str:
        """Return what the average is, in words."""

    @property
    def count(self) -> int:
        """How many states of the network are in the average; none before it begins."""
        return 0 if self._average is None else int(self._average.n_averaged)

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Make room for the average.

        Raises:
            MisconfigurationException: Another callback averages too, or there is no `network`. The weights have too few
                digits, or a checkpoint would hold current ones and not say so.
        """
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
                f"{name}: an average needs more digits than trainer.precision {trainer.precision} leaves weights; set "
                f"{str(trainer.precision).replace('true', 'mixed')}"
            )
        if any(isinstance(other, callbacks.ModelCheckpoint) and other.save_weights_only for other in every):
            raise MisconfigurationException(
                f"{name}: a ModelCheckpoint with save_weights_only would keep current weights, not the average; leave "
                "save_weights_only out"
            )
        device = trainer.strategy.root_device
        self._average = AveragedModel(_network(pl_module), device, multi_avg_fn=self._join, use_buffers=True)
        # Lightning converts the network's own weights after this.
        self._average.module = trainer.precision_plugin.convert_module(self._average.module)
        self._swapped = False

    def _join(self, average: Tensors, current: Tensors, count: Tensor | int) -> None:
        if average[0].is_floating_point():
            torch._foreach_lerp_(average, current, self.weight(int(count)))
        else:  # counts of batches
            torch._foreach_copy_(average, current)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Go on from the step that a checkpoint was written after."""
        self._step = trainer.global_step

    def on_train_batch_end(  # noqa: D102
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stepped, self._step = trainer.global_step != self._step, trainer.global_step
        if stepped and self.due(trainer, batch_idx):
            assert self._average is not None
            self._average.update_parameters(_network(pl_module))

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Let the validation within training measure the average."""
        if trainer.state.fn == TrainerFn.FITTING and self.count:
            self._swap(pl_module)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Go on with the weights as they are."""
        if trainer.state.fn == TrainerFn.FITTING and self._swapped:
            self._swap(pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the average in the network."""
        if self.count:
            self._swap(pl_module)

    def _swap(self, module: L.LightningModule) -> None:
        assert self._average is not None
        tensors = zip(_tensors(_network(module)), _tensors(self._average.module), strict=True)
        with torch.no_grad():
            for current, other in tensors:
                kept = current.clone()
                current.copy_(other)
                other.copy_(kept)
        self._swapped = not self._swapped

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the average into the place of the weights, what training goes on with beside it, and say so."""
        if self._average is None:
            return
        checkpoint[WEIGHTS_KEY] = self.description() if self.count else "current (averaging has not begun)"
        if not self.count:
            return
        network, other = _network(pl_module).state_dict(), self._average.module.state_dict()
        average, current = (network, other) if self._swapped else (other, network)
        checkpoint["state_dict"] |= {PREFIX + name: value for name, value in average.items()}
        checkpoint[STATE_KEY] = {"count": self.count, "current": current}

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Go on with both: Lightning has put the average, where there is one, into the network."""
        if trainer.state.fn != TrainerFn.FITTING or self._average is None or STATE_KEY not in checkpoint:
            return
        network, state = _network(pl_module), checkpoint[STATE_KEY]
        self._average.module.load_state_dict(network.state_dict())
        self._average.n_averaged.fill_(state["count"])
        network.load_state_dict(state["current"])


class EMA(WeightAveraging):
    """Exponential moving average of the weights over the steps (Polyak and Juditsky, 1992).

    The decay after n steps is (1 + n) / (10 + n) until that reaches its value, as in TensorFlow's
    `ExponentialMovingAverage`: the average of a short run is not that of the weights it began with.

    Args:
        decay: Share of the average that stays at each step, in (0, 1): 0.999 averages about the last 1,000 steps.

    Raises:
        MisconfigurationException: `decay` is out of range.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 < decay < 1:
            raise MisconfigurationException(f"EMA: decay {decay} is not between 0 and 1")
        super().__init__()
        self.decay = decay

    def weight(self, count: int) -> float:  # noqa: D102
        return 1 - min(self.decay, (1 + count) / (10 + count))

    def due(self, trainer: L.Trainer, batch_idx: int) -> bool:
        """Return True: every step joins."""
        return True

    def description(self) -> str:  # noqa: D102
        return f"averaged (EMA, decay {self.decay:g})"


class SWA(WeightAveraging):
    """Stochastic weight averaging: the mean of the weights at the ends of the last epochs (arXiv 1803.05407).

    The learning rate is the schedule's alone; the paper's is constant, and high, while weights are averaged
    (`torch.optim.swa_utils.SWALR` goes there), but a schedule that falls to 0 leaves little to average.

    Args:
        start: Share of `trainer.max_epochs` after which averaging begins, in [0, 1); the paper's is 0.75.

    Raises:
        MisconfigurationException: `start` is out of range.
    """

    def __init__(self, start: float = 0.75) -> None:
        if not 0 <= start < 1:
            raise MisconfigurationException(f"SWA: start {start} is not in [0, 1)")
        super().__init__()
        self.start = start

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Refuse a run without an end, of which there is no share.

        Raises:
            MisconfigurationException: trainer.max_epochs is not set.
        """
        super().setup(trainer, pl_module, stage)
        if stage == "fit" and (trainer.max_epochs is None or trainer.max_epochs < 1):
            raise MisconfigurationException("SWA: start is a share of trainer.max_epochs; set that")

    def weight(self, count: int) -> float:  # noqa: D102
        return 1 / (count + 1)

    def due(self, trainer: L.Trainer, batch_idx: int) -> bool:
        """Return True at the end of an epoch late enough, or of any after the first of those."""
        assert trainer.max_epochs is not None
        late = self.count > 0 or trainer.current_epoch + 1 > self.start * trainer.max_epochs
        return late and batch_idx + 1 == trainer.num_training_batches

    def description(self) -> str:  # noqa: D102
        return f"averaged (SWA, {self.count} epochs)"


def _network(module: L.LightningModule) -> nn.Module:
    network = getattr(module, "network", None)
    if not isinstance(network, nn.Module):
        raise MisconfigurationException(f"{type(module).__name__} has no `network` whose weights could be averaged")
    return network


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    return chain(network.parameters(), network.buffers())
