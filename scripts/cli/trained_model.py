"""A checkpoint's model without its data: what `predict --inputs` and `export` work with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace

from callbacks import CheckpointError, load_checkpoint
from datamodules import DataModule
from datamodules.atomic_write import WriteError
from datamodules.new_inputs import TrainedOn
from models import Task
from models.init_args import find_class
from models.task import SPLIT_KEY
from scripts.cli.command_line import CommandLine, check_command_line
from scripts.cli.errors import UsageError
from scripts.cli.failures import with_debug_hint
from scripts.cli.invocation import Invocation, resolve
from scripts.cli.jobs import Job
from scripts.cli.parser import Parser, parse
from scripts.cli.trainer import Trainer, build_trainer, on_several_devices
from scripts.cli.training import job_process, one_line_errors


@dataclass(frozen=True)
class TrainedModel:
    """A task out of a checkpoint, ready to predict.

    Attributes:
        path: The checkpoint.
        task: The task, in evaluation mode.
        data_class: The class of the data that it was trained on.
        trained_on: What the checkpoint says of that data.
    """

    path: Path
    task: Task
    data_class: type[DataModule]
    trained_on: TrainedOn

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs: of classes or labels, or of the target columns of a table, if they have any."""
        target = self.trained_on.arguments.get("target")
        targets = (target,) if isinstance(target, str) else tuple(target or ())
        return self.trained_on.class_names or targets

    @property
    def temperature(self) -> float:
        """What the logits are divided by: 1 unless the model was calibrated."""
        return self.task.temperature


@dataclass(frozen=True)
class Command:
    """A command line whose job needs a checkpoint and no data.

    Attributes:
        invocation: The command line, resolved.
        parser: Its parser.
        config: All settings, parsed.
        settings: The same, as plain values.
    """

    invocation: Invocation
    parser: Parser
    config: Namespace
    settings: dict[str, Any]

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's file."""
        assert self.invocation.checkpoint is not None
        return self.invocation.checkpoint

    def trainer(self) -> Trainer:
        """Build a trainer for the device and the precision, on one device.

        Raises:
            UsageError: Several devices are asked for.
        """
        asked = self.settings["trainer"]
        devices = asked["devices"]
        if on_several_devices(devices):
            raise UsageError(f"trainer.devices: {devices}: new inputs are predicted on one device")
        kept = {name: asked[name] for name in ("accelerator", "precision")}
        off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        return build_trainer({**kept, **off, "devices": devices if isinstance(devices, list) else 1})


@contextmanager
def in_one_line() -> Iterator[None]:
    """Let a job run quietly; turn what goes wrong into one line.

    Raises:
        UsageError: Something did.
    """
    with one_line_errors(with_debug_hint), job_process():
        try:
            yield
        except WriteError as error:
            raise UsageError(str(error)) from error


def read_command(job: Job, line: CommandLine) -> Command:
    """Read the command line of a job whose model is the checkpoint's.

    Raises:
        UsageError: It changes the model, or an argument is wrong.
        CheckpointError: The checkpoint cannot be read, or is a stranger's.
    """
    check_command_line(line)
    changed = next((flag.name for flag in line.flags if flag.name.split(".")[0].rstrip("+") == "--model"), None)
    if changed is not None:
        raise UsageError(f"{changed}: the model is that of the checkpoint; leave it out")
    invocation = resolve(line)
    parser, config = parse(job, invocation)
    return Command(invocation, parser, config, yaml.safe_load(parser.dump(config, skip_unset=False)))


def load_trained(command: Command, trainer: Trainer) -> TrainedModel:
    """Rebuild the model of a checkpoint, on the CPU and in the precision of a trainer.

    Raises:
        CheckpointError: The checkpoint does not say how, or its weights do not fit.
        DataError: It does not say what inputs the model takes.
    """
    path = command.checkpoint
    manifest = load_checkpoint(path).get(SPLIT_KEY)
    if not isinstance(manifest, dict):
        raise CheckpointError(
            f"{path} does not say what data it was trained on: only a task of this project on data of it can be used so"
        )
    try:
        with trainer.precision_plugin.module_init_context():
            task = Task.load_from_checkpoint(path, map_location="cpu")
    except (ImportError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(reason if str(path) in reason else f"{path}: {reason}") from error
    named = command.settings["data"]
    data_class = find_class(named["class_path"])
    assert data_class is not None
    arguments = named.get("init_args") or {}
    size = arguments.get("eval_batch_size", 512)
    trained_on = TrainedOn(arguments, manifest, task.preprocessing.maximum, size)
    if trained_on.class_names and len(trained_on.class_names) != task.num_outputs:
        raise CheckpointError(f"{path} names {len(trained_on.class_names)} classes for {task.num_outputs} outputs")
    return TrainedModel(path, task.eval(), data_class, trained_on)
