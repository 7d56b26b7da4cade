"""The jobs that evaluate a checkpoint: metrics, printed and as JSON, and predictions as a CSV file."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from callbacks import load_checkpoint
from callbacks.event_log import EVENT_FILES, log_test
from callbacks.files import display_path, write_text
from callbacks.printing import metric_name, say
from datamodules.printable import FORMULA_STARTS, without_codes
from datamodules.regular_files import read_text
from datamodules.samples import labelled_steps
from scripts.cli.errors import UsageError
from scripts.cli.notes import notes, stated
from scripts.cli.session import Session
from scripts.cli.stock import describe

LARGEST_RESULT = 8 * 2**20  # bytes
MOST_EVALUATIONS = 10**9
EVALUATED_PARTS = {"validate": ("val", "validation.json"), "test": ("test", "test.json")}


def evaluate(session: Session) -> None:
    """Measure a checkpoint, print its metrics and write them into the run's folder."""
    trainer, checkpoint = session.trainer, session.checkpoint
    part, file = EVALUATED_PARTS[session.job.name]
    measure = trainer.validate if part == "val" else trainer.test
    with session.fitting_weights():
        measured = measure(session.model, datamodule=session.data, ckpt_path=checkpoint, verbose=False)
    metrics = {name: value for of_loader in measured for name, value in of_loader.items()}
    if not metrics:
        raise UsageError(f"{type(session.model).__name__} logs nothing in its {part} step: call self.log there")
    if not trainer.is_global_zero:
        return
    report_metrics(checkpoint, notes(session), describe(session.data), metrics)
    limit = session.settings["trainer"][f"limit_{part}_batches"]
    if limit not in (None, 1.0) or isinstance(limit, int):  # 1 is one batch, 1.0 all of them
        say(f"  measured on a part alone (limit_{part}_batches {limit}): {file} is left as it is")
    elif session.folder is not None and not os.access(session.folder, os.W_OK):
        say(f"  {display_path(session.folder)} is read-only: nothing is written")
    elif session.folder is not None:
        write_metrics(session.folder / file, checkpoint, stated(session), metrics)
        if part == "test":
            log_test_metrics(session, metrics)


def log_test_metrics(session: Session, metrics: Mapping[str, float]) -> None:
    """Log the metrics of the best epoch's test to TensorBoard, beside those of its validation, if the run logs there.

    Only those that training measures too, as of the validation.
    """
    folder, checkpoint = session.folder, session.checkpoint
    if folder is None or checkpoint is None or checkpoint.name != "best.ckpt" or not any(folder.glob(EVENT_FILES)):
        return
    names = [name for name in session.model.train_metrics if f"test/{name}" in metrics]
    compared = {f"best/test_{name}": metrics[f"test/{name}"] for name in names}
    log_test(folder, compared, load_checkpoint(checkpoint)["global_step"] - 1)


def predict(session: Session) -> None:
    """Write a checkpoint's predictions for the test part to a CSV file, whose index is that of the run's split.csv."""
    trainer, data, checkpoint = session.trainer, session.data, session.checkpoint
    with session.fitting_weights():
        outputs = cast("list[Tensor]", trainer.predict(session.model, datamodule=data, ckpt_path=checkpoint))
    predicted = in_dataset_order(outputs, trainer.global_rank, trainer.world_size)
    if not trainer.is_global_zero:
        return
    path = predictions_path(session.settings["output"], session.folder)
    assert data.split is not None
    indices = torch.from_numpy(data.split.test)
    rows, targets = prediction_rows(data.identify(indices), data.samples.targets[indices], len(predicted))
    columns = session.model.prediction_columns(predicted, targets, data.class_names)
    write_predictions(path, {**rows, **columns})
    say(f"{len(predicted):,} predictions: {path}", *notes(session))


def predictions_path(output: str | None, folder: Path | None) -> Path:
    """Return the file for predictions: as the user names it, or in the run's folder, or in the working directory."""
    return Path(output) if output else (folder or Path()) / "predictions.csv"


def check_writable(path: Path) -> None:
    """Check that a file can be written, before the work whose result it is to hold.

    Raises:
        UsageError: It is a folder or a device, or its folder cannot be made or written in.
    """
    if path.is_dir():
        raise UsageError(f"--output {path} is a folder; name a file in it: --output {path / 'predictions.csv'}")
    if path.exists() and not path.is_file():
        raise UsageError(f"--output {path} is not a regular file: it would be replaced")
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        raise UsageError(f"--output {path}: {display_path(there)} is a file, not a folder")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UsageError(f"--output {path}: cannot write in {display_path(there)} ({error.strerror})") from error


def report_metrics(checkpoint: Path | None, noted: Sequence[str], data: str, metrics: Mapping[str, float]) -> None:
    """Print metrics, one a line, below the checkpoint, the data, and notes on what was measured."""
    named = {metric_name(name): value for name, value in metrics.items()}
    width = max(map(len, named))
    measured = "given weights" if checkpoint is None else checkpoint
    say(f"{measured}: {data}", *noted, *(f"  {name:<{width}}  {value:.4f}" for name, value in named.items()))


def write_metrics(path: Path, checkpoint: Path | None, facts: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
    """Write metrics, their checkpoint, facts on what was measured and how often it was up to now, as JSON."""
    counted = {"evaluations": evaluations_before(path) + 1}
    result = {"checkpoint": str(checkpoint), **facts, **counted, "metrics": dict(metrics)}
    write_text(path, json.dumps(result, indent=2) + "\n")


def evaluations_before(path: Path) -> int:
    """Return how many evaluations a JSON file of metrics counts; one that lacks the count holds one."""
    try:
        counted = json.loads(read_text(path, largest=LARGEST_RESULT)).get("evaluations", 1)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, RecursionError, AttributeError):  # damaged, or another file than ours
        return 1
    return counted if isinstance(counted, int) and 0 <= counted < MOST_EVALUATIONS else 1


def write_predictions(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """Write a header and one row per prediction.

    Text that a spreadsheet would run as a formula, such as a class named `=1+1`, is written with a `'` before it, as
    OWASP's "CSV Injection" advises; numbers stay as they are.

    Args:
        path: The file; it is written whole or not at all.
        columns: Values of each column, all of the same length.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # cells are quoted for the characters of a line's end alone
    writer.writerow(map(plain_cell, columns))
    writer.writerows(map(plain_cell, row) for row in zip(*columns.values(), strict=True))
    write_text(path, text.getvalue().replace("\r\n", "\n"))


def plain_cell(value: object) -> object:
    """Return a value that a spreadsheet shows and does not run, and that a terminal shows and does not obey."""
    if not isinstance(value, str):
        return value
    shown = without_codes(value)
    try:
        float(value)
    except ValueError:
        return f"'{shown}" if value.startswith(FORMULA_STARTS) else shown
    return shown


def prediction_rows(
    names: Mapping[str, Sequence[object]], targets: Tensor, count: int
) -> tuple[dict[str, list[object]], Tensor]:
    """Return the columns that identify the first predictions, and their targets.

    Args:
        names: What identifies each sample, by column, (N,).
        targets: (N, ...); with targets of steps there is one prediction per step that has one.
        count: Number of predictions.

    Returns:
        The columns of `names`, for steps also "step", from 0; targets (count, ...).
    """
    labelled = labelled_steps(targets)
    if labelled is None:
        return {column: list(values[:count]) for column, values in names.items()}, targets[:count]
    samples, steps = labelled.nonzero()[:count].unbind(1)
    named = {column: [values[sample] for sample in samples.tolist()] for column, values in names.items()}
    return {**named, "step": steps.tolist()}, targets[samples, steps]


def in_dataset_order(outputs: list[Tensor], rank: int, world_size: int) -> Tensor:
    """Join the predicted batches of all devices in the loader's order.

    Args:
        outputs: This process's batches, in order.
        rank: This process's rank.
        world_size: Number of processes; process k mod `world_size` has batch k.
    """
    if world_size == 1:
        return torch.cat(outputs)
    gathered: list[list[np.ndarray]] = [[] for _ in range(world_size)]  # type: ignore[type-arg]
    torch.distributed.all_gather_object(gathered, [batch.cpu().numpy() for batch in outputs])
    rounds = max(len(batches) for batches in gathered)
    ordered = [batches[k] for k in range(rounds) for batches in gathered if k < len(batches)]
    return torch.from_numpy(np.concatenate(ordered))
