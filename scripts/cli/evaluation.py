"""The jobs that measure a checkpoint: metrics, printed and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn

from callbacks import load_checkpoint
from callbacks.event_log import EVENT_FILES, log_test
from callbacks.files import display_path, write_text
from callbacks.printing import metric_name, number_text, say
from datamodules.atomic_write import WriteError
from datamodules.regular_files import read_text
from scripts.cli.checkpoint_config import stored_settings
from scripts.cli.errors import UsageError
from scripts.cli.ledger import (
    CONFIDENCE,
    LEDGER,
    Use,
    accuracy_interval,
    append,
    new_reading,
    part_of,
    read_ledger,
    use_of,
)
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
    used = ledger_entry(session) if part == "test" else None  # before anybody sees the results
    report_metrics(checkpoint, notes(session), describe(session.data), metrics)
    limit = session.settings["trainer"][f"limit_{part}_batches"]
    in_part = limit not in (None, 1.0) or isinstance(limit, int)  # 1 is one batch, 1.0 all of them
    if used is not None:
        say(*use_lines(session, used, {} if in_part else metrics))
    if in_part:
        say(f"  measured on a part alone (limit_{part}_batches {limit}): {file} is left as it is")
    elif session.folder is not None and (reason := reason_not_to_write(session.folder)):
        say(f"  {display_path(session.folder)} {reason}: nothing is written")
    elif session.folder is not None:
        facts = {"test_part": asdict(used)} if used is not None else {}
        write_metrics(session.folder / file, checkpoint, stated(session) | facts, metrics)
        if part == "test":
            log_test_metrics(session, metrics)


def ledger_entry(session: Session) -> Use | None:
    """Write down that the test part was read; return how it has been used so far, None of data without a manifest."""
    manifest = getattr(session.data, "manifest", None)
    if not isinstance(manifest, dict) or not part_of(manifest):
        return None
    checkpoint = session.checkpoint
    settings = (stored_settings(checkpoint) if checkpoint is not None else None) or session.settings
    source = session.given_weights if checkpoint is None else display_path(checkpoint)
    weights = getattr(session.model, "network", session.model).state_dict()
    facts = {key: value for key, value in stated(session).items() if key != "weights"}
    try:
        append(session.runs_dir, new_reading(session.job.name, manifest, settings, weights, str(source), facts))
    except WriteError as error:
        rank_zero_warn(f"{error}: this reading of the test part is not counted")
        return None
    return use_of(read_ledger(session.runs_dir), part_of(manifest))


def use_lines(session: Session, used: Use, metrics: Mapping[str, float]) -> list[str]:
    """Return lines on how the test part has been used, and what that makes of an accuracy."""
    times = "once" if used.readings == 1 else f"{used.readings} times"
    models = "1 model" if used.models == 1 else f"{used.models} models"
    lines = [f"test part read {times}, for {models} ({display_path(session.runs_dir / LEDGER)})"]
    accuracy, test = metrics.get("test/accuracy"), session.data.manifest["parts"]["test"]
    if accuracy is None or "class_counts" not in test or not 0 <= accuracy <= 1:
        return lines
    low, high = accuracy_interval(accuracy, test["size"], CONFIDENCE)
    lines.append(f"  accuracy {accuracy:.4f}: 95 % interval {low:.4f} to {high:.4f} (Wilson)")
    if used.models > 1:
        low, high = accuracy_interval(accuracy, test["size"], used.confidence)
        lines.append(f"  {low:.4f} to {high:.4f} if it is the best of {models} (Bonferroni)")
    return lines


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
