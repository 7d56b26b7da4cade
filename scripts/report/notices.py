"""What a reader of one run must know before its numbers."""

import math
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from scripts.cli.ledger import LEDGER, RUNS
from scripts.report.formats import count, decimal
from scripts.report.run import Run
from scripts.report.values import inside, mapping, number, numbers, shortened, text

RARE = 3.0  # the most frequent class has as many times the samples of the rarest: worth saying
MOST_NAMED = 5


class Notice(NamedTuple):
    """A line for the reader.

    Attributes:
        kind: "warning" for what makes numbers doubtful, "note" for what one should know.
        words: The line.
    """

    kind: str
    words: str


def notices(run: Run) -> list[Notice]:
    """Return the notices of a run, warnings first."""
    sources = (_files, _ending, _test_part, _values, _split, _training, _code)
    return warnings_first([notice for source in sources for notice in source(run)])


def warnings_first(found: list[Notice]) -> list[Notice]:
    """Return notices in their order, but warnings first."""
    return sorted(found, key=lambda notice: notice.kind != "warning")


def _warning(words: str) -> Notice:
    return Notice("warning", words)


def _note(words: str) -> Notice:
    return Notice("note", words)


def _files(run: Run) -> Iterator[Notice]:
    yield from map(_warning, run.problems)


def _ending(run: Run) -> Iterator[Notice]:
    """Notices on how training ended."""
    if run.failure:
        yield _warning(f"an error ended training: {run.failure}")
    stopped = text(run.summary.get("stopped"))
    if stopped.startswith("early"):
        yield _note(f"training stopped {stopped}")
    if run.summary.get("best_is_last") is True:
        yield _warning("the best epoch is the last: training may not have converged; train for longer")
    if run.event_files > 1 or _goes_on(text(run.summary.get("command"))):
        yield _note("the run was resumed from a checkpoint")


def _goes_on(command: str) -> bool:
    try:
        words = shlex.split(command)
    except ValueError:  # a quotation without its end
        words = command.split()
    return any(word.startswith("--ckpt_path") for word in words)


def _test_part(run: Run) -> Iterator[Notice]:
    """Notices on how the test part was used."""
    evaluations = number(run.test.get("evaluations"))
    if evaluations is not None and evaluations > 1:
        yield _warning(
            f"the test part was evaluated {count(evaluations)} times: a choice made by its results is no test; choose "
            "by validation"
        )
    if run.use is not None and run.use.models > 1:
        yield _note(
            f"the test part has been read {run.use.readings:,} times for {run.use.models:,} models by now "
            f"({RUNS / LEDGER}; a recipe is one model, whatever its seeds): the best of them looks better than it is"
        )
    checkpoint = text(run.test.get("checkpoint"))
    if checkpoint and not checkpoint.endswith("checkpoints/best.ckpt"):
        yield _note(f"the test metrics are those of {checkpoint}, not of this run's best.ckpt")


def _values(run: Run) -> Iterator[Notice]:
    """Notices on metrics that are not finite."""
    wrong = {
        name: moment
        for name, points in run.scalars.curves.items()
        for moment in [next((moment for moment, value in points if not math.isfinite(value)), None)]
        if moment is not None
    }
    places = [f"{name} from {run.scalars.unit} {decimal(moment)}" for name, moment in wrong.items()]
    rows = {"the best epoch": run.best, "the last epoch": run.last, "the test part": run.test_metrics}
    for place, row in rows.items():
        named = [name for name, value in row.items() if not math.isfinite(value) and name not in wrong]
        places += [f"{name} of {place}" for name in named]
    if places:
        yield _warning(f"NaN or infinite: {_listed(places)}")


def _split(run: Run) -> Iterator[Notice]:
    """Notices on the parts of the data."""
    shared = {pair: found for pair, found in numbers(run.split.get("duplicates")).items() if found > 0}
    if shared:
        named = ", ".join(f"{count(found)} of {pair.replace('/', ' in ')}" for pair, found in shared.items())
        yield _warning(f"byte-identical samples across parts: {named} (--data.split.duplicates drop or group)")
    yield from _balance(run)
    noise = mapping(run.split.get("label_noise"))
    if noise:
        wrong = number(noise.get("wrong_labels"))
        words = "" if wrong is None else f"{count(wrong)} "
        if wrong != 0:
            yield _note(f"{words}training labels are wrong on purpose ({text(noise.get('name'))})")
    if mapping(run.split.get("imbalance")):
        yield _note(f"training classes are rare on purpose ({text(inside(run.split, 'imbalance', 'name'))})")
    left_out = number(run.split.get("left_out"))
    if left_out:
        yield _note(f"{count(left_out)} samples are in no part")


def _balance(run: Run) -> Iterator[Notice]:
    for key, kind in (("class_counts", "class"), ("label_counts", "label")):
        counts = {part: numbers(run.part(part).get(key)) for part in ("train", "val", "test")}
        train = {name: found for name, found in counts["train"].items() if found > 0}
        if len(train) > 1:
            most, least = max(train, key=lambda name: train[name]), min(train, key=lambda name: train[name])
            if train[most] >= RARE * train[least]:
                yield _warning(
                    f"imbalanced: {kind} {shortened(most)} has {count(train[most])} training samples, {kind} "
                    f"{shortened(least)} has {count(train[least])}; read f1_macro and the metrics of each {kind} "
                    "beside accuracy"
                )
        for part, found in counts.items():
            every = set().union(*counts.values())
            absent = sorted(name for name in every if not found.get(name)) if found else []
            if absent:
                yield _warning(f"the {part} part has no sample of {kind} {_listed(absent)}")


def _training(run: Run) -> Iterator[Notice]:
    """Notices that were printed while training."""
    said = run.summary.get("warnings")
    yield from (_warning(text(line)) for line in (said if isinstance(said, list) else [])[:20] if text(line))


def _code(run: Run) -> Iterator[Notice]:
    if text(run.summary.get("git_commit")).endswith("+changes"):
        yield _note("the code had changes that are in no commit")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(shortened, names[:MOST_NAMED])) + more
