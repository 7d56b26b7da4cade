"""The jobs that measure a checkpoint: metrics, printed and as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from callbacks import load_checkpoint
from callbacks.event_log import EVENT_FILES, log_test
from callbacks.files import display_path, write_text
from callbacks.printing import metric_name, number_text, say
from datamodules.regular_files import read_text
from scripts.cli.errors import UsageError
from scripts.cli.notes import notes, stated
from scripts.cli.runs import reason_not_to_write
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
    elif session.folder is not None and (reason := reason_not_to_write(session.folder)):
        say(f"  {display_path(session.folder)} {reason}: nothing is written")
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
    names = [name for name in getattr(session.model, "train_metrics", ()) if f"test/{name}" in metrics]
    compared = {f"best/test_{name}": metrics[f"test/{name}"] for name in names}
    log_test(folder, compared, load_checkpoint(checkpoint)["global_step"] - 1)


def report_metrics(checkpoint: Path | None, noted: Sequence[str], data: str, metrics: Mapping[str, float]) -> None:
    """Print metrics, one a line, below the checkpoint, the data, and notes on what was measured."""
    named = {metric_name(name): value for name, value in metrics.items()}
    width = max(map(len, named))
    measured = "given weights" if checkpoint is None else checkpoint
    rows = [f"  {name:<{width}}  {number_text(value)}" for name, value in named.items()]
    say(f"{measured}: {data}", *noted, *rows)


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
