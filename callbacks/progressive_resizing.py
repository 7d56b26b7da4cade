"""Progressive resizing: training begins with small images, and ends with those of full size."""

from typing import Any, ClassVar

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_warn
from typing_extensions import override

from callbacks.planned_length import PlannedOverEpochs
from datamodules.base import DataModule
from datamodules.checks import check_at_least, check_fraction
from models.networks import Pretrained


class ProgressiveResizing(PlannedOverEpochs):
    """Trains on images that grow from epoch to epoch, in equal steps, up to their full size.

    A step on images of half the height and width takes about a quarter of the time, and most of what is learnt early
    does not need more (Howard, fast.ai; as Composer's algorithm of the same name). Validation and test see full images.
    The network must take images of any size, as convolutional ones do.

    Args:
        initial_scale: Height and width in the first epoch, as a share of the full ones, in (0, 1].
        finetune_fraction: Share of the epochs, the last ones, with full images, in [0, 1).
        size_increment: The shorter side is a multiple of this many pixels, 1 or more.

    Raises:
        ValueError: An argument is out of range.
    """

    changes_training: ClassVar[bool] = True

    def __init__(self, initial_scale: float = 0.5, finetune_fraction: float = 0.2, size_increment: int = 4) -> None:
        name = type(self).__name__
        check_fraction(name, above_zero=True, initial_scale=initial_scale)
        check_fraction(name, below_one=True, finetune_fraction=finetune_fraction)
        check_at_least(name, 1, size_increment=size_increment)
        self.initial_scale = initial_scale
        self.finetune_fraction = finetune_fraction
        self.size_increment = size_increment

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        data, name = getattr(trainer, "datamodule", None), type(self).__name__
        if not isinstance(data, DataModule) or len(data.input_shape) != 3:
            raise MisconfigurationException(f"{name}: {type(data).__name__} has no images; leave the callback out")
        self.plan(trainer, "images grow over the run")
        if isinstance(getattr(pl_module, "network", None), Pretrained):
            raise MisconfigurationException(f"{name}: Pretrained takes images of one size; leave the callback out")
        network: Any = getattr(pl_module, "network", None)
        if getattr(network, "_compiled_call_impl", None) is not None:
            side = min(data.input_shape[1:])
            sizes = {self.scale(epoch, self._epochs, side) for epoch in range(self._epochs)}
            rank_zero_warn(
                f"torch.compile compiles the network anew for images of another size, of which {name} gives it "
                f"{len(sizes)}: that takes minutes, and pays in a long training alone"
            )

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.on_train_epoch_start(trainer, pl_module)  # a run resumed within an epoch does not come there

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        data.training_scale = self.scale(trainer.current_epoch, self._epochs, min(data.input_shape[1:]))

    @override
    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.datamodule.training_scale = 1.0  # type: ignore[attr-defined]

    @override
    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if isinstance(data := getattr(trainer, "datamodule", None), DataModule):  # Lightning skips on_fit_end
            data.training_scale = 1.0

    @override
    def changed_length(self, then: int, now: int) -> str:
        return f"images grew over a run of {then} epochs and grow now over {now}"

    def scale(self, epoch: int, epochs: int, side: int) -> float:
        """Return the share of their height and width that images have in an epoch.

        Args:
            epoch: The epoch, from 0.
            epochs: Number of epochs of the run, 1 or more.
            side: Full height or width, the smaller of the two, in pixels.
        """
        growing = round((1 - self.finetune_fraction) * epochs)
        if epoch >= growing:
            return 1.0
        share = self.initial_scale + (1 - self.initial_scale) * epoch / growing
        pixels = max(round(share * side / self.size_increment), 1) * self.size_increment
        return min(pixels / side, 1.0)
