"""What is said while training: a header, and in a log file one line an epoch instead of a bar."""

from typing import Any

import lightning as L

from callbacks.files import display_path
from callbacks.history import History, shared_metrics
from callbacks.lookup import find_callback, run_folder
from callbacks.summary import describe_device


class Header(L.Callback):
    """Prints what is about to be trained on what, before the first epoch."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print three lines."""
        folder = run_folder(trainer)
        if not trainer.is_global_zero:
            return
        network = type(getattr(pl_module, "network", pl_module)).__name__
        counts = dict.fromkeys((True, False), 0)
        for parameter in pl_module.parameters():
            counts[parameter.requires_grad] += parameter.numel()
        frozen = f" ({counts[False]:,} of them frozen)" if counts[False] else ""
        datamodule: Any = getattr(trainer, "datamodule", None)
        if hasattr(datamodule, "describe"):
            print(f"data   {type(datamodule).__name__}: {datamodule.describe()}")
        task = f"{type(pl_module).__name__} of {network}, {sum(counts.values()):,} parameters{frozen}"
        print(f"model  {task}, on {describe_device(trainer)}, {trainer.precision}")
        if folder is not None:
            went_on = f", going on after epoch {trainer.current_epoch}" if trainer.current_epoch else ""
            print(f"run    {display_path(folder)}{went_on}", flush=True)


class EpochLines(L.Callback):
    """Prints one line of figures an epoch, for output that is no terminal. Needs a `History` beside it."""

    def __init__(self) -> None:
        self._printed = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Do not repeat the epochs of a resumed run."""
        self._printed = trainer.current_epoch

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the epoch before, whose figures are complete only now."""
        self._print_new(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the last epoch."""
        self._print_new(trainer)

    def _print_new(self, trainer: L.Trainer) -> None:
        history = find_callback(trainer, History)
        if history is None or not trainer.is_global_zero:
            return
        for row in history.rows:
            if row["epoch"] >= self._printed:
                shown = [f"{stage}/{name}" for stage in ("train", "val") for name in shared_metrics([row])]
                figures = "  ".join(f"{name} {row[name]:.4f}" for name in shown if name in row)
                total = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
                print(f"epoch {row['epoch'] + 1:.0f}{total}  {figures}", flush=True)
                self._printed = int(row["epoch"]) + 1
