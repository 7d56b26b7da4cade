"""The loggers of a run: TensorBoard unless the user says otherwise, and others beside it, all in the run's folder."""

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.loggers import Logger
from typing_extensions import override

from callbacks import EventLog
from callbacks.files import display_path
from callbacks.history import History, epochs_done, shared_metrics
from callbacks.loggers.run_folder_logger import RunFolderLogger
from callbacks.loggers.run_logger import RemoteLogger, RunLogger
from callbacks.lookup import find_callback
from callbacks.summary import Summary
from scripts.cli.compared_settings import compared_settings, run_title
from scripts.cli.errors import UsageError


def training_loggers(given: Any, folder: Path | None, settings: dict[str, Any]) -> list[Logger] | bool:
    """Return the loggers of a training.

    Args:
        given: `trainer.logger`: None and True stand for TensorBoard, also in a list; False for none.
        folder: The run's folder; None if nothing is kept.
        settings: All settings of the run.

    Raises:
        UsageError: One is given twice.
    """
    wanted = given if isinstance(given, list) else [given]
    found: list[Logger] = [logger for logger in wanted if isinstance(logger, Logger)]
    names = [type(logger).__name__ for logger in found if isinstance(logger, RunLogger)]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise UsageError(f"trainer.logger: {repeated} is given twice; leave one out")
    if folder is None:
        return found or False
    what = run_title(settings)
    if None in wanted or True in wanted:
        # TensorBoard makes one row of runs of the same name: two folders of runs may each have a digits/version_0.
        place = display_path(folder.absolute().parents[1])
        found.insert(0, EventLog(folder, f"{folder.parent.name}/{folder.name} {what} in {place}"))
    elif found:
        found.insert(0, RunFolderLogger(folder))
    for logger in found:
        if isinstance(logger, RunLogger):
            logger.place(folder, f"{folder.name} {what}")
    return found or False


def evaluation_loggers(given: Any, folder: Path | None, settings: dict[str, Any]) -> list[Logger] | bool:
    """Return the loggers of an evaluation: those given that keep a run elsewhere; it writes JSON into the folder."""
    wanted = given if isinstance(given, list) else [given]
    loggers = [logger for logger in wanted if isinstance(logger, Logger)]
    found = [logger for logger in loggers if isinstance(logger, RemoteLogger) or not isinstance(logger, RunLogger)]
    for logger in found:
        if isinstance(logger, RunLogger) and folder is not None:
            logger.place(folder, f"{folder.name} {run_title(settings)}")
    return [RunFolderLogger(folder or Path()), *found] if found else False


class LogSettings(L.Callback):
    """Opens the loggers, and gives them the settings of the run and the metrics of its best epoch.

    It comes before all other callbacks, which may log when training starts.

    Args:
        settings: All settings of the run.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self._where: list[str] = []

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        settings = compared_settings(self.settings, trainer, pl_module)
        open_loggers(trainer)
        for logger in trainer.loggers:
            if not isinstance(logger, EventLog):
                logger.log_hyperparams(settings)

    @override
    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        open_loggers(trainer)

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        settings = compared_settings(self.settings, trainer, pl_module)
        metrics, step = best_metrics(trainer)
        for logger in trainer.loggers:
            if isinstance(logger, EventLog):
                logger.log_hyperparams(settings, metrics, step)
            elif metrics:
                logger.log_metrics(metrics, step)
            logger.save()  # before the run counts as ended
        found = [logger for logger in trainer.loggers if isinstance(logger, RunLogger)]
        self._where = [f"{type(logger).__name__:<11} {logger.where()}" for logger in found if logger.where()]

    def command_lines(self, checkpoint: str) -> list[str]:
        """Return where to find what was logged outside the run's folder."""
        return self._where


def open_loggers(trainer: L.Trainer) -> None:
    """Let the loggers begin; they have waited until nothing was left to be refused."""
    for logger in trainer.loggers:
        if isinstance(logger, RunLogger):
            logger.open()


def best_metrics(trainer: L.Trainer) -> tuple[dict[str, float], int]:
    """Return the validation metrics of the best epoch, those that training measures too, and its last step.

    TensorBoard's HParams tab shows the first five metrics by name: these, and beside them those of `log_test`.
    """
    summary = find_callback(trainer, Summary)
    best = summary.best(trainer) if summary is not None else None
    if summary is None or best is None:
        return {}, trainer.global_step
    names = {f"val/{name}" for name in shared_metrics([best])} | {summary.monitor}
    found = {f"best/{name.removeprefix('val/')}": best[name] for name in sorted(names) if name in best}
    done = epochs_done(best) / max(map(epochs_done, History.of(trainer).in_order()))
    steps = trainer.fit_loop.epoch_loop._batches_that_stepped
    return found, max(round(done * steps) - 1, 0)
