"""Lightning's command line, wired to this project: runs, recipes out of checkpoints, and what each job reports."""

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
import yaml
from lightning.pytorch.callbacks import Callback, Checkpoint, ProgressBar, TQDMProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

import models.losses
import models.networks
import models.regularizers  # noqa: F401  short class names resolve among imported modules
from callbacks import AtomicCheckpointIO, CheckpointError, MisclassifiedGallery, Summary
from callbacks.checkpoint_io import load_checkpoint
from callbacks.lookup import find_callback
from datamodules import DataModule
from models import Task
from models.networks.weight_files import skip_initial_weights
from scripts.cli.arguments import Invocation, complete
from scripts.cli.evaluation_report import report_metrics, weights_note, write_metrics
from scripts.cli.hyperparameters import with_linked_values
from scripts.cli.mistakes import checked
from scripts.cli.parser import (
    DESCRIPTION,
    SUBCOMMANDS,
    Parser,
    add_callback_arguments,
    add_run_arguments,
    link_data_to_model,
    subcommand_options,
)
from scripts.cli.predictions import in_dataset_order, prediction_rows, write_predictions
from scripts.cli.resume import check_same_settings, warn_of_another_network
from scripts.cli.run_callbacks import training_callbacks
from scripts.cli.runs import UsageError, new_run_folder, run_folder_of
from scripts.cli.trainer import Trainer

NOT_FLAGS = {"ckpt_path", "weights_only", "verbose", "return_predictions"}


class HoldoutCLI(LightningCLI):
    """`holdout fit | validate | test | predict`."""

    invocation: Invocation
    recipe: str

    def __init__(self) -> None:
        super().__init__(
            Task,
            DataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            parser_class=Parser,
            parser_kwargs={"allow_abbrev": False, "prog": "holdout", "description": DESCRIPTION},
            seed_everything_default=0,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return the subcommands, each with the arguments of the Trainer's method that are not the user's."""
        return {name: skipped | NOT_FLAGS for name, skipped in LightningCLI.subcommands().items()}

    def _add_subcommands(self, parser: LightningArgumentParser, **kwargs: Any) -> None:
        self._subcommand_parsers = {}
        subcommands = parser.add_subcommands()
        for name, description in SUBCOMMANDS.items():
            subparser = self._prepare_subcommand_parser(Trainer, name, **subcommand_options(name))
            add_run_arguments(subparser, name)
            self._subcommand_parsers[name] = subparser
            subcommands.add_subcommand(name, subparser, help=description)

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add model and data, what stops and keeps a run, and last, because longest, the trainer."""
        parser.add_lightning_class_args(Task, "model", subclass_mode=True)
        parser.add_lightning_class_args(DataModule, "data", subclass_mode=True)
        add_callback_arguments(parser)
        parser.add_lightning_class_args(Trainer, "trainer")
        link_data_to_model(parser)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the command line, completed by what a checkpoint says."""
        self.invocation = complete(checked(sys.argv[1:] if args is None else args))
        self.config = parser.parse_args(self.invocation.arguments)

    def _parse_ckpt_path(self) -> None:
        # Lightning would let a checkpoint's hyperparameters win over flags and import what it names.
        pass

    def instantiate_classes(self) -> None:
        """Instantiate data, model and trainer; a value that a class refuses is one line."""
        self.recipe = self._parser(self.subcommand).dump(self.config[self.subcommand], skip_none=False)
        if self.invocation.checkpoint is not None:
            compare = check_same_settings if self.subcommand == "fit" else warn_of_another_network
            compare(self.invocation.checkpoint, self.recipe)
        # A checkpoint holds what became of the weights that its network began with, and their file may be gone.
        starting = nullcontext() if self.invocation.checkpoint is None else skip_initial_weights()
        try:
            with starting:
                super().instantiate_classes()
        except (ValueError, TypeError) as error:
            self.parser.error(str(error), error)
        hyperparameters = with_linked_values(yaml.safe_load(self.recipe)["model"], self.datamodule)
        self.model.save_hyperparameters(hyperparameters, logger=False)

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """Build the trainer: the run folder, the logger in it, atomic checkpoints and this project's callbacks."""
        config = {**self._get(self.config_init, "trainer"), **kwargs}
        given = _as_list(config["callbacks"])
        folder = self._folder()
        if config["logger"] in (None, True):
            # Validation figures of a finished run would land among those of its epochs.
            config["logger"] = False if self.subcommand == "validate" else self._logger(folder)
        if config["enable_progress_bar"] is None:
            config["enable_progress_bar"] = sys.stderr.isatty()
        config["callbacks"] = [*given, *self._callbacks(config, given)]
        config["plugins"] = [*_as_list(config["plugins"]), AtomicCheckpointIO()]
        if config["default_root_dir"] is not None:
            raise UsageError(
                "trainer.default_root_dir: a run's files lie in its own folder; --runs_dir says below which"
            )
        config["default_root_dir"] = str(folder) if folder is not None else None
        if config["enable_model_summary"] is None:
            config["enable_model_summary"] = False  # the header says what is worth a line
        return Trainer(**config)

    def _folder(self) -> Path | None:
        if self.subcommand == "fit":
            if self._get(self.config, "trainer")["fast_dev_run"]:
                return None
            return new_run_folder(self.invocation.runs_dir, self.invocation.name)
        return run_folder_of(self.invocation.checkpoint) if self.invocation.checkpoint else None

    @staticmethod
    def _logger(folder: Path | None) -> TensorBoardLogger | bool:
        if folder is None:
            return False
        return TensorBoardLogger(folder.parents[1], folder.parent.name, folder.name, default_hp_metric=False)

    def _callbacks(self, config: dict[str, Any], given: list[Callback]) -> list[Callback]:
        bar: list[Callback] = []
        if config["enable_progress_bar"] and not any(isinstance(callback, ProgressBar) for callback in given):
            bar = [TQDMProgressBar(refresh_rate=20)]
        if self.subcommand == "test" and self._folder() is not None:
            return [*bar, MisclassifiedGallery()]
        if self.subcommand != "fit":
            return bar
        early_stopping = self._get(self.config_init, "early_stopping")
        checkpoint = self._get(self.config_init, "checkpoint")
        if config["enable_checkpointing"] is False:
            checkpoint = None
        elif checkpoint is None and not any(isinstance(callback, Checkpoint) for callback in given):
            config["enable_checkpointing"] = False  # Lightning would add a checkpoint of its own
        return [*bar, *training_callbacks(config, given, early_stopping, checkpoint, self.recipe)]

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        return {**super()._prepare_subcommand_kwargs(subcommand), "ckpt_path": self.invocation.checkpoint}

    def _run_subcommand(self, subcommand: str) -> None:
        try:
            super()._run_subcommand(subcommand)
        except RuntimeError as error:
            if "loading state_dict" not in str(error):
                raise
            reason = str(error).splitlines()[1].strip()
            raise CheckpointError(
                f"{self.invocation.checkpoint}: its weights do not fit the network as configured: {reason}"
            ) from error

    def before_fit(self) -> None:
        """Refuse to go on to an epoch that a checkpoint has behind it, which Lightning would word otherwise."""
        if self.invocation.checkpoint is None or (self.trainer.max_epochs or -1) < 0:
            return
        done = load_checkpoint(self.invocation.checkpoint)["epoch"] + 1
        if done > self.trainer.max_epochs:
            raise UsageError(
                f"{self.invocation.checkpoint} has {done} epochs behind it; set --trainer.max_epochs higher"
            )

    def after_fit(self) -> None:
        """Say so where there was nothing left to train."""
        summary = find_callback(self.trainer, Summary)
        if summary is not None and not summary.reported and self.trainer.is_global_zero:
            epochs = self.trainer.max_epochs
            print(f"{self.invocation.checkpoint} has {epochs} epochs behind it; a larger --trainer.max_epochs goes on")

    def validate(self, **kwargs: Any) -> None:
        """Validate a checkpoint, print the figures and write them into the run folder."""
        self._report("validation", "val", self.trainer.validate(**kwargs, verbose=False)[0])

    def test(self, **kwargs: Any) -> None:
        """Test a checkpoint, print the figures and write them into the run folder."""
        self._report("test", "test", self.trainer.test(**kwargs, verbose=False)[0])

    def _report(self, job: str, part: str, figures: Mapping[str, float]) -> None:
        if self.trainer.is_global_zero:
            limit = self._get(self.config, "trainer")[f"limit_{part}_batches"]
            whole = limit in (None, 1.0) and not isinstance(limit, int)
            weights = weights_note(self.invocation.checkpoint)
            report_metrics(self.invocation.checkpoint, weights, self.datamodule.describe(), figures)
            folder = self._folder()
            if not whole:
                print(f"  measured on a part alone (limit_{part}_batches {limit}): {job}.json is left as it is")
            elif folder is not None:
                write_metrics(folder / f"{job}.json", self.invocation.checkpoint, weights, figures)

    def predict(self, **kwargs: Any) -> None:
        """Write the predictions for the test part to a CSV file."""
        outputs = cast("list[Tensor]", self.trainer.predict(**kwargs))
        predicted = in_dataset_order(outputs, self.trainer.global_rank, self.trainer.world_size)
        if not self.trainer.is_global_zero:
            return
        path = self._get(self.config, "output") or (self._folder() or Path()) / "predictions.csv"
        indices = torch.from_numpy(self.datamodule.split.test)
        rows, targets = prediction_rows(indices, self.datamodule.samples.targets[indices], len(predicted))
        columns = self.model.prediction_columns(predicted, targets, self.datamodule.class_names)
        write_predictions(Path(path), rows | columns)
        print(f"{len(predicted):,} predictions: {path}")


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
