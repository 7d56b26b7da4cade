"""The job `predict`: for the test part, or for new inputs, which need the checkpoint alone."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from tqdm import tqdm

from callbacks.printing import say
from datamodules.new_inputs import NewBatch
from datamodules.preparation import supported
from datamodules.printable import printable
from datamodules.sequences.ragged import Sequences
from models import Regressor, Task
from scripts.cli import training
from scripts.cli.command_line import CommandLine
from scripts.cli.errors import UsageError
from scripts.cli.jobs import Job
from scripts.cli.predictions import PREDICTIONS
from scripts.cli.result_files import check_ending, check_writable, open_results
from scripts.cli.result_table import MOST, ResultTable
from scripts.cli.run_data import build_views
from scripts.cli.trained_model import TrainedModel, in_one_line, load_trained, read_command
from scripts.cli.trainer import Trainer

MANY_CLASSES = 20  # of more, a file holds the most probable ones alone
SOME_UNREADABLE = 1  # exit status, as that of `cat` or `tar`
Add = Callable[[Mapping[str, Sequence[Any]], Tensor], None]


def run(job: Job, words: list[str]) -> None:
    """Predict.

    Args:
        job: "predict".
        words: The words of the command line after the job's name.

    Raises:
        UsageError: Checkpoint, settings or inputs are at fault, or no input could be read; the message is one line.
        SystemExit: Some inputs could not be read: status 1.
    """
    line = CommandLine.parse(job.name, words)
    if line.values.get("--inputs") is None:
        training.run(job, words)
        return
    with in_one_line():
        unreadable = _predict(job, line)
    if unreadable:
        sys.exit(SOME_UNREADABLE)


def _predict(job: Job, line: CommandLine) -> int:
    """Predict new inputs; return how many could not be read."""
    command = read_command(job, line)
    inputs, output = Path(command.config.inputs), command.config.output
    path = None if output is None else Path(output)
    if path is not None:
        check_ending(path)
        check_writable(path, PREDICTIONS, [inputs, command.checkpoint])
    trainer = command.trainer()
    model = load_trained(command, trainer)
    model.task.views = build_views(command.config)
    names = model.names
    most = None if len(names) <= MANY_CLASSES else MOST
    table = ResultTable(model.task, names)
    with nullcontext() if path is None else open_results(path) as file:

        def add(identity: Mapping[str, Sequence[Any]], results: Tensor) -> None:
            table.add(identity, results)
            if file is not None:
                file.add({**identity, **model.task.result_columns(results, names, most)})

        _, unreadable = predict_batches(model, trainer, inputs, add)
    if model.task.views is not None:
        say(f"test-time augmentation: {model.task.views.description}")
    calibrated = f" (probabilities at temperature {model.temperature:.3g})" if model.temperature != 1 else ""
    if isinstance(model.task, Regressor) and model.task.conformal is not None:
        calibrated = f" (intervals of coverage {model.task.conformal.coverage:g})"
    if path is None:
        table.show()
        if calibrated:
            say(f"calibrated{calibrated}")
    else:
        say(f"{table.count:,} predictions: {path}{calibrated}")
    if unreadable:
        _complain(f"{unreadable:,} file{'s' * (unreadable > 1)} could not be read")
    return unreadable


def predict_batches(model: TrainedModel, trainer: Trainer, inputs: Path, add: Add) -> tuple[int, int]:
    """Predict new inputs batch by batch; name those that cannot be read on standard error.

    Args:
        model: The model.
        trainer: Its device and precision.
        inputs: A file or a folder.
        add: Takes what identifies each prediction, by column, and the predictions, on the CPU.

    Returns:
        How many inputs were predicted, and how many could not be read.

    Raises:
        UsageError: None could be read.
    """
    device = trainer.strategy.root_device
    task = cast("Task", trainer.precision_plugin.convert_module(model.task)).to(device)
    count = unreadable = 0
    progress = tqdm(unit=" inputs", disable=not sys.stderr.isatty(), leave=False)
    for batch in model.data_class.new_inputs(inputs, model.trained_on):
        for file in batch.unreadable:
            if not inputs.is_dir():
                raise UsageError(str(file))
            unreadable += 1
            _complain(str(file))
        if batch.inputs is None:
            continue
        with torch.inference_mode(), trainer.precision_plugin.forward_context():
            results = task.to_results(task(_moved(batch.inputs, device))).cpu()
        add(*_rows(batch, results))
        count += len(results)
        progress.update(len(results))
    progress.close()
    if not count:
        raise UsageError(f"{inputs}: none of {unreadable:,} files could be read")
    return count, unreadable


def _complain(text: str) -> None:
    print(f"holdout: {printable(text)}", file=sys.stderr, flush=True)


def _moved(inputs: Tensor | Sequences, device: torch.device) -> Tensor | Sequences:
    if isinstance(inputs, Tensor):
        return supported(inputs, device).to(device)
    return Sequences(supported(inputs.values, device).to(device), inputs.lengths.to(device))


def _rows(batch: NewBatch, results: Tensor) -> tuple[dict[str, list[Any]], Tensor]:
    """Return what identifies each prediction and the predictions, (N, ...): of steps, one for each true step."""
    if results.ndim < 3:
        return batch.names, results
    assert batch.inputs is not None
    steps = torch.arange(results.shape[1])
    true = torch.ones(results.shape[:2], dtype=torch.bool)
    if not isinstance(batch.inputs, Tensor):
        true = steps < batch.inputs.lengths.unsqueeze(1)
    samples, places = true.nonzero().unbind(1)
    names = {column: [values[sample] for sample in samples.tolist()] for column, values in batch.names.items()}
    return {**names, "step": places.tolist()}, results[true]
