"""The tables of one run."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from callbacks.summary import BELOW_ZERO, TRAINING
from scripts.cli.ledger import accuracy_interval
from scripts.report.curves import PARTS, metric_name
from scripts.report.formats import count, decimal, duration, metric
from scripts.report.run import Run
from scripts.report.values import class_name, flat, in_words, inside, mapping, number, numbers, text

MOST_CLASSES = 200
MOST_SAMPLES = 10**9
SHOWN_ELSEWHERE = ("best", "last", "gap", "gap_to", "monitor", "mode", "best_is_last", "stopped", "epochs", "warnings")
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        heads: Headings of the columns.
        rows: A text for each column; the first is the row's name.
        note: A line below it.
    """

    heads: list[str]
    rows: list[list[str]]
    note: str = ""


def by_loss(names: Iterable[str]) -> list[str]:
    """Return names once each, in their order, but the loss first and accuracy second."""
    return sorted(dict.fromkeys(names), key=lambda name: (name != "loss", name != "accuracy"))


def metric_table(run: Run) -> Table | None:
    """Return training, validation and test metrics at the best epoch and at the last; None without any."""
    best, last = run.best, run.last
    again = numbers(run.validation.get("metrics"))
    columns: list[tuple[str, dict[str, float], str]] = []
    at_best = f"best epoch {decimal(run.best_moment)}" if best else ""
    for row, place in ((best, at_best), (last, f"last epoch {decimal(run.epochs)}")):
        columns += [(f"{part}, {place}", row, f"{part}/") for part in ("train", "val") if row]
        if row is best and run.gap:
            columns.append(("gap", run.gap, ""))
    if again:
        columns.append(("validated again", again, "val/"))
    columns.append(("test", run.test_metrics, "test/"))
    values = [
        (head, {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)})
        for head, row, prefix in columns
    ]
    names = by_loss(name for _, row in values for name in row if "/" not in name)
    used = [(head, row) for head, row in values if any(name in row for name in names)]
    rows = [[name, *(metric(row.get(name), "+" if head == "gap" else "") for head, row in used)] for name in names]
    return Table(["metric", *(head for head, _ in used)], rows, _gap_note(run)) if rows else None


def _gap_note(run: Run) -> str:
    if not run.gap:
        return ""
    to = text(run.summary.get("gap_to")) or TRAINING
    below = to == TRAINING and min(run.gap.values()) < 0
    return f"gap: by how much validation is worse than {to}{BELOW_ZERO if below else ''}"


def probe_table(run: Run) -> Table | None:
    """Return what was measured beside training and validation, such as memorization; None if nothing was."""
    best, last = run.best, run.last
    names = [name for name in {**best, **last} if "/" in name and metric_name(name) == name]
    rows = [[name, metric(best.get(name)), metric(last.get(name))] for name in names]
    return Table(["probe", "best epoch", "last epoch"], rows) if rows else None


def class_table(run: Run) -> Table | None:
    """Return the samples of each class in each part, and metrics of single classes; None without classes."""
    columns: dict[str, dict[str, str]] = {}
    for part in PARTS:
        for key in ("class_counts", "label_counts"):
            counts = numbers(run.part(part).get(key))
            if counts:
                columns[f"{part} samples"] = {name: count(value) for name, value in counts.items()}
    for name, value in {**run.best, **run.test_metrics}.items():
        part, _, rest = name.partition("/")
        measure, _, label = rest.partition("/")
        if part in PARTS and label:
            columns.setdefault(f"{part}/{measure}", {})[label] = metric(value)
    labels = list(dict.fromkeys(label for column in columns.values() for label in column))
    rows = [[label, *(column.get(label, "") for column in columns.values())] for label in labels[:MOST_CLASSES]]
    more = f"{len(labels) - MOST_CLASSES:,} more classes" if len(labels) > MOST_CLASSES else ""
    return Table(["class", *columns], rows, more) if rows else None


def sampling_notes(run: Run) -> list[str]:
    """Return what chance does to accuracy: its standard error, and what naming the most frequent class gives."""
    notes = []
    for part, row in (("val", run.best), ("test", run.test_metrics)):
        accuracy, counts = row.get(f"{part}/accuracy"), numbers(run.part(part).get("class_counts"))
        total = sum(counts.values())
        if accuracy is None or not 0 <= accuracy <= 1 or not 1 <= total < MOST_SAMPLES:
            continue
        error = math.sqrt(accuracy * (1 - accuracy) / total)
        notes.append(
            f"{part}/accuracy {metric(accuracy)} of {count(total)} samples has a standard error of {metric(error)}; "
            f"naming the most frequent class gives {metric(max(counts.values()) / total)}"
        )
        if part == "test" and run.use is not None and run.use.models > 1:
            low, high = accuracy_interval(accuracy, int(total), run.use.confidence)
            notes.append(
                f"as one of {run.use.models:,} models that were measured on these samples, it stands for {low:.4f} to "
                f"{high:.4f} (Wilson, 95 % for all of them at once by Bonferroni's correction)"
            )
    return notes


def split_table(run: Run) -> Table | None:
    """Return size and hash of each part; None without `split.json`."""
    rows = [
        [name, count(number(inside(part, "size"))), text(inside(part, "sha256"))]
        for name, part in mapping(run.split.get("parts")).items()
    ]
    return Table(["part", "samples", "SHA-256 of the indices"], rows[:20]) if rows else None


def split_facts(run: Run) -> Pairs:
    """Return the dataset and how it was split."""
    source = mapping(run.split.get("source"))
    stated = {key: value for key, value in mapping(run.split.get("arguments")).items() if value is not None}
    known = ("source", "arguments", "parts")
    return _said(
        [
            ("dataset", f"{text(source.get('name'))}, {count(number(source.get('samples')))} samples" * bool(source)),
            ("SHA-256 of the data", text(source.get("sha256"))),
            ("split by", in_words(stated) if stated else ""),
            *flat({key: value for key, value in run.split.items() if key not in known}).items(),
        ]
    )


def run_facts(run: Run) -> Pairs:
    """Return what was run, on what, and for how long."""
    model = mapping(inside(run.config, "model", "init_args"))
    data = mapping(inside(run.config, "data", "init_args"))
    summary = {key: value for key, value in run.summary.items() if key not in SHOWN_ELSEWHERE}
    facts: Pairs = [
        ("task", class_name(inside(run.config, "model"))),
        *((key, in_words(model[key])) for key in ("network", "loss", "optimizer") if model.get(key) is not None),
        ("schedule", in_words(model["lr_scheduler"]) if model.get("lr_scheduler") is not None else ""),
        ("regularizers", in_words(model.get("regularizers")) if model else ""),
        ("data", class_name(inside(run.config, "data"))),
        ("batch size", count(number(data.get("batch_size")))),
        ("epochs", f"{decimal(run.epochs)} ({text(run.summary.get('stopped')) or 'not ended'})"),
        ("began", _time(run.scalars.began)),
        ("last event", _time(run.scalars.ended)),
        ("training and validation", duration(number(summary.pop("wall_seconds", None)))),
        ("samples a second", count(number(summary.pop("samples_per_second", None)))),
        ("command", text(summary.pop("command", None))),
    ]
    named = {"git_commit": "commit", "parameters": "parameters", "versions": "versions"}
    facts += [(named[key], in_words(summary.pop(key))) for key in named if summary.get(key) is not None]
    return _said([*facts, *flat(summary).items(), ("folder", str(run.folder))])


def test_facts(run: Run) -> Pairs:
    """Return how the test part was evaluated, and whatever else `test.json` holds."""
    return _said(flat({key: value for key, value in run.test.items() if key != "metrics"}).items())


def _said(pairs: Iterable[tuple[str, str]]) -> Pairs:
    return [(name, value) for name, value in pairs if value][:200]


def _time(seconds: float | None) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC" if seconds else ""
    except (ValueError, OverflowError, OSError):  # no time
        return ""
