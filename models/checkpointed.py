"""A module that is rebuilt and resumed from checkpoints that a stranger may have written."""

from pathlib import Path
from typing import Any, Self

from lightning.pytorch.trainer.states import TrainerFn

from models.calibrated import CalibratedModule
from models.calibration import Calibration
from models.calibration.calibration import CALIBRATION_KEY
from models.checkpoint_paths import keep_own_paths
from models.networks.weight_files import skip_initial_weights
from models.trusted import check_rebuildable


class CheckpointedModule(CalibratedModule):
    """The part of a task that guards what comes out of a checkpoint."""

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out paths of files that are not the run's own: a checkpoint callback would remove them.

        Take the calibration that it holds, unless the run is resumed.

        Raises:
            TrainingError: The calibration is damaged.
        """
        if self._trainer is not None:
            keep_own_paths(self._trainer, checkpoint)
        resumes = self._trainer is not None and self._trainer.state.fn == TrainerFn.FITTING
        stored = None if resumes else checkpoint.get(CALIBRATION_KEY)
        source = getattr(self._trainer, "ckpt_path", None) or "the checkpoint"
        self.take_calibration(None if stored is None else Calibration.from_plain(stored, source))

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, *args: Any, trust: bool = False, **kwargs: Any
    ) -> Self:
        """Rebuild the task from a checkpoint, on the CPU, without the weights that its network began with.

        Args:
            checkpoint_path: The file.
            args: Arguments of Lightning's method, of which `map_location` is the first: the device to load onto. By
                default that is the CPU, wherever the weights were saved from; `model.cuda()` moves them.
            trust: Import whatever classes the checkpoint names, which runs their modules' code; by default only those
                of this project, torch, torchvision, torchmetrics and lightning, networks, optimizers and schedules
                that are imported already, and those that this user trained with (`models.own_runs`).
            kwargs: Arguments of Lightning's method; `network`, if it was made in a notebook by a class not of ours.

        Raises:
            TypeError, ImportError: It does not say how its network was made, or names a class of an unknown module.
            OSError: It is not a regular file, or holds far more than its size.
        """
        if not trust and (args[1:] or kwargs.get("hparams_file") is not None):
            raise TypeError("hparams_file names classes that are not checked: pass trust=True if you trust it")
        check_rebuildable(checkpoint_path, cls, kwargs, trust)
        if not args:
            kwargs.setdefault("map_location", "cpu")  # Lightning's default is the device that the weights were on
        kwargs.setdefault("weights_only", True)
        with skip_initial_weights():
            return super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
