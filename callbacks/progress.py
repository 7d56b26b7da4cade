"""The output of training: a header, and a line for each epoch."""

from collections.abc import Sequence
from typing import Any, ClassVar

import lightning as L
from typing_extensions import override

from callbacks.environment import describe_device
from callbacks.files import display_path
from callbacks.history import History, Row, moment, shared_metrics
from callbacks.lookup import run_folder
from callbacks.printing import number_text, say, wrapped


class Header(L.Callback):
    """Prints data, model and run folder before the first epoch."""

    changes_training: ClassVar[bool] = False

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        folder = run_folder(trainer)
        if not trainer.is_global_zero:
            return
        network = getattr(pl_module, "network", None)
        of_network = "" if network is None else f" of {type(network).__name__}"
        counts = dict.fromkeys((True, False), 0)
        for parameter in pl_module.parameters():
            counts[parameter.requires_grad] += parameter.numel()
        frozen = f" ({counts[False]:,} of them frozen)" if counts[False] else ""
        datamodule: Any = getattr(trainer, "datamodule", None)
        if hasattr(datamodule, "describe"):
            say(*wrapped(f"data   {type(datamodule).__name__}: {datamodule.describe()}", indent=7))
        layout = ", channels last" if getattr(trainer, "channels_last", False) else ""
        task = f"{type(pl_module).__name__}{of_network}, {sum(counts.values()):,} parameters{frozen}"
        say(*wrapped(f"model  {task}, on {describe_device(trainer)}, {trainer.precision}{layout}", indent=7))
        if folder is not None:
            say(f"run    {display_path(folder)}{_resumed(trainer)}")
        elif trainer.fast_dev_run:  # type: ignore[attr-defined]
            count = int(trainer.fast_dev_run)  # type: ignore[attr-defined]
            say(f"run    fast_dev_run: {count} batch{'es' * (count > 1)} of each part, and nothing is kept")


def _resumed(trainer: L.Trainer) -> str:
    loop = trainer.fit_loop.epoch_loop
    if trainer.fit_loop.restarting and not loop._num_ready_batches_reached():
        return f", resumed in epoch {trainer.current_epoch + 1} after step {trainer.global_step}"
    return f", resumed after epoch {trainer.current_epoch}" if trainer.current_epoch else ""


class EpochLines(L.Callback):
    """Prints one line of metrics per epoch; with one training and one validation metric it fits 80 columns.

    If the last validation of an epoch was not at its end, its metrics come after its moment: "at 2.76:".
    """

    changes_training: ClassVar[bool] = False

    def __init__(self) -> None:
        self._printed = 0

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            History.of(trainer)

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._printed = trainer.current_epoch  # a resumed run does not repeat its epochs

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._print_new(trainer)  # the epoch before: its metrics are complete only now

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._print_new(trainer)

    def _print_new(self, trainer: L.Trainer) -> None:
        history = History.of(trainer)
        if not trainer.is_global_zero:
            return
        for row in history.rows:
            if row["epoch"] >= self._printed:
                total = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
                names = shared_metrics([row])
                parts = [f"epoch {moment(row)}{total}", *_measured(row, names)]
                within = history.last_validation(row)
                if within and not any(name in row for name in within if name.startswith("val/")):
                    parts += [f"at {moment(within)}:", *_measured(within, names)]
                say("  ".join(parts))
                self._printed = int(row["epoch"]) + 1


def _measured(row: Row, names: Sequence[str]) -> list[str]:
    """Return what a row holds of some metrics, a text for each part: "train/loss 0.5 accuracy 0.8"."""
    parts = []
    for part in ("train", "val"):
        values = [f"{name} {number_text(row[f'{part}/{name}'])}" for name in names if f"{part}/{name}" in row]
        parts += [f"{part}/{' '.join(values)}"] if values else []
    return parts
