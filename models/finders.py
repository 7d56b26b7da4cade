"""Lightning's searches for a learning rate and a batch size, which a task refuses within a run."""

import lightning as L
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder

from models.errors import TrainingError

INSTEAD = {
    LearningRateFinder: "train with several learning rates (--model.optimizer.lr) and compare their val/loss",
    BatchSizeFinder: "choose --data.batch_size yourself, and a smaller one if memory runs out",
}


def refuse_finders(trainer: L.Trainer) -> None:
    """Check that none of Lightning's finders is among a trainer's callbacks; `Tuner` adds one for its search.

    They train within the run before it begins and change it after the schedule, the record of its settings and the
    order of the data are made: a batch size found leaves a schedule of another length, and a resumed run would search
    again. `holdout fit` searches before the run, with a trainer of its own (`scripts/cli/searches.py`).

    Raises:
        TrainingError: One is; the message says what to do instead.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        for finder, instead in INSTEAD.items():
            if isinstance(callback, finder):
                name = type(callback).__name__
                raise TrainingError(f"{name} changes a run after its schedule is made; leave it out: {instead}")
