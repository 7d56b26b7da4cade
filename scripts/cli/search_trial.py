"""A recipe's training that is thrown away, in which one of Lightning's searches is made."""

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from jsonargparse import Namespace
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder
from lightning.pytorch.utilities.exceptions import SIGTERMException, _TunerExitException
from lightning.pytorch.utilities.memory import is_oom_error
from typing_extensions import override

from callbacks.interruption import INTERRUPTED, TERMINATED
from datamodules import DataModule
from models import Task
from scripts.cli.building import BUILT, build_object
from scripts.cli.errors import UsageError
from scripts.cli.parser import Parser
from scripts.cli.session import seed_process
from scripts.cli.trainer import Trainer, build_trainer

Finder = BatchSizeFinder | LearningRateFinder
# Trainer's arguments of a training that validates nothing and leaves nothing behind.
ONLY_TRAINS: dict[str, Any] = {
    **{"max_epochs": -1, "max_time": None, "min_epochs": None, "min_steps": None},
    **{"limit_val_batches": 0, "check_val_every_n_epoch": sys.maxsize, "val_check_interval": None},
    **{"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False},
    **{"profiler": None, "barebones": False},
}


class Trial:
    """A recipe's training that is thrown away.

    Args:
        parser: The parser of the settings.
        config: All settings.
    """

    def __init__(self, parser: Parser, config: Namespace) -> None:
        self._parser, self._config = parser, config.clone()
        self._config.trainer.callbacks = self._config.trainer.logger = None
        if "lr_scheduler" in (self._config.model.get("init_args") or {}):  # a stock module may have none
            self._config.model.init_args.lr_scheduler = None

    def train(self, *callbacks: L.Callback, max_steps: int = -1, **changes: Any) -> DataModule:
        """Train until a callback or the number of steps ends it; return the data.

        Args:
            callbacks: The trainer's callbacks.
            max_steps: Number of steps, -1 for no end.
            changes: Attributes of the data to set before.

        Raises:
            UsageError: The settings ask for several devices.
        """
        seed_process(self._config)
        built = self._parser.instantiate(self._config, instantiators=[(build_object, base, True) for base in BUILT])
        for name, value in changes.items():
            setattr(built.data, name, value)
        with tempfile.TemporaryDirectory() as folder, _quiet_unless_a_terminal():
            own = {"default_root_dir": folder, "callbacks": [*callbacks], "max_steps": max_steps}
            trainer = build_trainer(built.trainer.as_dict() | ONLY_TRAINS | own)
            if trainer.world_size > 1:
                raise UsageError(
                    f"trainer.callbacks: a search is made on one device; search with --trainer.devices 1, then train "
                    f"on {trainer.world_size} with what it finds"
                )
            _fit(trainer, built.model, built.data)
        return built.data  # type: ignore[no-any-return]

    def fits(self, name: str, size: int, steps: int) -> bool:
        """Return whether memory is large enough for some steps with a batch size, an attribute of the data."""
        try:
            self.train(max_steps=steps, **{name: size})
        except RuntimeError as error:
            if not is_oom_error(error):
                raise
            return False
        return True


class Search(L.Callback):
    """Makes a search where training would begin, and ends there.

    Args:
        finder: The search.
    """

    def __init__(self, finder: Finder) -> None:
        self.finder = finder
        finder._early_exit = True

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        pl_module.on_fit_start()  # Lightning calls it after this one, and the search needs what it makes
        if isinstance(self.finder, LearningRateFinder):
            self.finder._update_attr = False  # a task keeps its rate in the optimizer's settings
            self.finder.lr_find(trainer, pl_module)
        else:
            self.finder.setup(trainer, pl_module, "fit")
            self.finder.scale_batch_size(trainer, pl_module)
        raise _TunerExitException


def _fit(trainer: Trainer, model: Task, data: DataModule) -> None:
    try:
        trainer.fit(model, datamodule=data)
    except SIGTERMException:
        sys.exit(TERMINATED)
    except SystemExit:  # Lightning exits with 1 after an interrupt
        sys.exit(INTERRUPTED)
    finally:
        torch.cuda.empty_cache()


@contextlib.contextmanager
def _quiet_unless_a_terminal() -> Iterator[None]:
    """Leave out the bar of the search for a rate where it would fill a file; its warnings come again in the run."""
    with contextlib.nullcontext() if sys.stderr.isatty() else contextlib.redirect_stderr(io.StringIO()):
        yield
