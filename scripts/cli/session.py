"""Trainer, model and data, built from the settings of a command line."""

import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml
from jsonargparse import Namespace
from lightning.pytorch.callbacks import Callback, Checkpoint, ProgressBar
from lightning.pytorch.utilities import rank_zero_warn

from callbacks import (
    AtomicCheckpointIO,
    CheckpointError,
    Header,
    StopOnSignal,
    TerminalProgressBar,
    ValidationOutputs,
)
from datamodules import DataModule
from datamodules.augmentation import Views
from models import Task
from models.networks.weight_files import load_weights, skip_initial_weights, whole_initial_weights
from scripts.cli.building import BUILT, build_object
from scripts.cli.errors import UsageError
from scripts.cli.hyperparameters import with_linked_values
from scripts.cli.invocation import Invocation
from scripts.cli.jobs import Job
from scripts.cli.loggers import LogSettings, evaluation_loggers, training_loggers
from scripts.cli.measured_step import step_kind
from scripts.cli.parser import Parser
from scripts.cli.resume import changes_of_network, check_same_settings
from scripts.cli.run_callbacks import test_callbacks, training_callbacks
from scripts.cli.runs import may_write, new_run_folder, run_folder_of
from scripts.cli.trainer import Trainer, build_trainer


def seed_process(config: Namespace) -> None:
    """Seed all random numbers as the settings say; the data's order depends on the seed that they are built under."""
    if config.seed_everything is not False:
        L.seed_everything(config.seed_everything, workers=True, verbose=False)


def _build_data(config: Namespace, built: DataModule | None, *args: Any, **kwargs: Any) -> Any:
    """Build the data, whose order does not depend on the seed of the initial weights."""
    if built is not None:
        return built
    if config.initialization_seed is None:
        return build_object(*args, **kwargs)
    with torch.random.fork_rng(devices=[]):
        seed_process(config)
        return build_object(*args, **kwargs)


def build_objects(parser: Parser, config: Namespace, data: DataModule | None = None) -> Namespace:
    """Return model, data and callbacks as settings name them.

    Args:
        parser: The job's parser.
        config: All settings, parsed.
        data: The datamodule, if it has been built by these settings already.

    Raises:
        ValueError: A class refuses its arguments; or TypeError.
    """
    seed_process(config)
    builders: dict[type[Any], Any] = dict.fromkeys(BUILT, build_object)
    builders[L.LightningDataModule] = partial(_build_data, config, data)
    if config.initialization_seed is not None:
        torch.manual_seed(config.initialization_seed)
    built: Namespace = parser.instantiate(config, instantiators=[(builders[kind], kind, True) for kind in BUILT])
    if config.initialization_seed is not None:
        seed_process(config)
    return built


class Session:
    """Trainer, model and data of one command line, ready to run.

    Args:
        job: The job.
        invocation: The command line, resolved.
        parser: The job's parser.
        config: All settings, parsed.
        data: The datamodule, if it has been built by these settings already; as an attribute always. It may be another
            of Lightning's than ours.

    Attributes:
        checkpoint: The checkpoint to resume or to measure, if any.
        given_weights: Weights to measure that no run made: their file or name; None for a training or a checkpoint.
        folder: The run's folder; None if nothing is to be kept or the checkpoint lies outside a run.
        runs_dir: Folder of all runs.
        settings: All settings, as plain values.
        trainer: The trainer, with this project's callbacks.
        model: The task; or another module of Lightning's, which is trained and measured.

    Raises:
        UsageError: A class refuses its arguments.
        CheckpointError: The settings differ from those that the checkpoint was trained with.
    """

    def __init__(
        self, job: Job, invocation: Invocation, parser: Parser, config: Namespace, data: DataModule | None = None
    ) -> None:
        self.job, self.checkpoint, self.runs_dir = job, invocation.checkpoint, invocation.runs_dir
        recipe = parser.dump(config, skip_unset=False)
        self.settings: dict[str, Any] = yaml.safe_load(recipe)
        self._network_changes: list[str] = []
        if self.checkpoint is not None and job.name == "fit":
            check_same_settings(self.checkpoint, self.settings)
        elif self.checkpoint is not None:
            self._network_changes = changes_of_network(self.checkpoint, self.settings)
        try:
            with self._initial_weights():
                built = build_objects(parser, config, data)
            self.model: Task = built.model
            self._equip(getattr(built, "test_time_augmentation", None), compiled=built.compile and job.name == "fit")
            self.data: DataModule = built.data
            self.folder = self._folder(invocation, built.trainer.fast_dev_run, built.trainer.barebones)
            self.trainer = self._trainer(built, recipe)
            self.given_weights = self._load_given(invocation.weights)
        except (ValueError, TypeError) as error:
            parser.error(str(error), error)
        built.model._log_hyperparams = built.data._log_hyperparams = False  # the command logs all settings
        if isinstance(built.model, Task):
            hyperparameters = with_linked_values(self.settings["model"], self.data)
            self.model.save_hyperparameters(hyperparameters, logger=False)

    def _equip(self, views: Views | None, *, compiled: bool) -> None:
        """Give a task views to average over; compile its network, in place, so that its weights keep their names."""
        if isinstance(self.model, Task):
            self.model.views = views
            if compiled:
                self._compile(self.model)
        elif views is not None or compiled:
            flag = "--compile" if compiled else "--test_time_augmentation"
            raise ValueError(f"{flag}: {type(self.model).__name__} is not a task of this project")

    @staticmethod
    def _compile(task: Task) -> None:
        twice = next((item for item in task.regularizers.members() if item.differentiates_twice), None)
        if twice is not None:
            raise ValueError(f"--compile: {type(twice).__name__} differentiates twice, which torch.compile cannot do")
        task.network.compile()  # type: ignore[no-untyped-call]

    def _load_given(self, file: str | None) -> str | None:
        """Load weights that no run made into a network that takes no file itself; return what is measured, if any."""
        if self.checkpoint is not None or not self.job.needs_checkpoint:
            return None
        if file is not None:
            load_weights(self.model.network, file, {})
        return file or str(self.settings["model"]["init_args"]["network"]["init_args"]["weights"])

    def _initial_weights(self) -> AbstractContextManager[None]:
        if self.checkpoint is not None:
            return skip_initial_weights()  # the checkpoint's replace them, and their file may be gone
        return whole_initial_weights() if self.job.needs_checkpoint else nullcontext()

    @contextmanager
    def fitting_weights(self) -> Iterator[None]:
        """Turn PyTorch's many lines about weights that do not fit the network into one; warn if they fit another."""
        changes = "; ".join(self._network_changes)
        try:
            yield
        except RuntimeError as error:
            if "loading state_dict" not in str(error):
                raise
            reason = changes or _first_reason(str(error))
            message = f"{self.checkpoint}: its weights do not fit the network as configured: {reason}"
            raise CheckpointError(message) from error
        if changes:
            rank_zero_warn(f"{self.checkpoint} was trained with another network: {changes}")

    def _folder(self, invocation: Invocation, fast_dev_run: bool | int, barebones: bool) -> Path | None:
        if self.job.name == "fit":
            return None if fast_dev_run or barebones else new_run_folder(invocation.runs_dir, invocation.name)
        return run_folder_of(self.checkpoint) if self.checkpoint else None

    def _trainer(self, built: Namespace, recipe: str) -> Trainer:
        """Build the trainer: the run folder, the logger in it, atomic checkpoints and this project's callbacks."""
        config: dict[str, Any] = built.trainer.as_dict()
        given = _as_list(config["callbacks"])
        config |= step_kind(self.job, self.checkpoint, built, config)._asdict()
        if config["default_root_dir"] is not None:
            raise UsageError("trainer.default_root_dir: a run's files are kept in its own folder; set --runs_dir")
        config["default_root_dir"] = None if self.folder is None else str(self.folder)
        config["plugins"] = [*_as_list(config["plugins"]), AtomicCheckpointIO()]
        if config["barebones"]:  # measures, logs and keeps nothing
            return build_trainer(config | {"callbacks": [*given, Header(), StopOnSignal()]})
        loggers = training_loggers if self.job.name == "fit" else evaluation_loggers
        config["logger"] = loggers(config["logger"], self.folder, self.settings)
        if config["enable_progress_bar"] is None:
            asked = any(isinstance(callback, ProgressBar) for callback in given)
            config["enable_progress_bar"] = asked or sys.stderr.isatty()
        if config["enable_model_summary"] is None:
            config["enable_model_summary"] = False  # the header has one line for it
        config["callbacks"] = [
            *([LogSettings(self.settings)] if config["logger"] else []),
            *given,
            *self._progress_bar(config, given),
            *self._callbacks(config, given, built, recipe),
        ]
        return build_trainer(config)

    @staticmethod
    def _progress_bar(config: dict[str, Any], given: list[Callback]) -> list[Callback]:
        has_one = any(isinstance(callback, ProgressBar) for callback in given)
        return [TerminalProgressBar()] if config["enable_progress_bar"] and not has_one else []

    def _callbacks(
        self, config: dict[str, Any], given: list[Callback], built: Namespace, recipe: str
    ) -> list[Callback]:
        ours = isinstance(built.model, Task) and isinstance(built.data, DataModule)
        if self.job.name == "test" and ours and may_write(self.folder):
            return test_callbacks(given)
        if self.job.name == "calibrate":
            return [ValidationOutputs()]
        if self.job.name != "fit":
            return []
        checkpoint = built.checkpoint if config["enable_checkpointing"] is not False else None
        if checkpoint is None and not any(isinstance(callback, Checkpoint) for callback in given):
            config["enable_checkpointing"] = False  # else Lightning adds a checkpoint of its own
        stock = not isinstance(built.model, Task)
        return training_callbacks(config, given, built.early_stopping, checkpoint, recipe, self.data, stock)


def _first_reason(message: str) -> str:
    """Return the first reason that PyTorch gives; of several names, the first and how many more."""
    reason = message.splitlines()[1].strip()
    named = re.match(r'(.*?"[^"]+")((?:, "[^"]+")+)', reason)
    return f"{named[1]} and {named[2].count(', ')} more" if named else reason


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
