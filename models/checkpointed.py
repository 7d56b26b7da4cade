"""A module that is rebuilt and resumed from checkpoints that a stranger may have written."""

from pathlib import Path
from typing import Any, Self

from models.checkpoint_paths import keep_own_paths
from models.evaluated import EvaluatedModule
from models.networks.weight_files import skip_initial_weights
from models.trusted import check_rebuildable


class CheckpointedModule(EvaluatedModule):
    """The part of a task that guards what comes out of a checkpoint."""

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out paths of files that are not the run's own: a checkpoint callback would remove them."""
        if self._trainer is not None:
            keep_own_paths(self._trainer, checkpoint)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, *args: Any, trust: bool = False, **kwargs: Any
    ) -> Self:
        """Rebuild the task from a checkpoint, without the weights that its network began with.

        Args:
            checkpoint_path: The file.
            args: Arguments of Lightning's method.
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
        with skip_initial_weights():
            return super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
