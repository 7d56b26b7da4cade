"""A run as its folder tells it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from callbacks.event_log import EVENT_FILES, RESULT_FILES
from callbacks.history import epochs_done
from callbacks.lookup import run_title
from callbacks.summary import FAILURE_FILE
from scripts.cli.failures import TRACEBACK_FILE
from scripts.cli.ledger import Reading, Use, part_of, use_of
from scripts.report.folder import RunFolder
from scripts.report.pictures import Picture, read_pictures
from scripts.report.scalars import Points, Scalars, read_scalars
from scripts.report.values import inside, mapping, number, numbers, shortened, text

DEFAULT_MONITOR = "val/loss"
NOTHING = Scalars({}, "epoch", None, None)


@dataclass
class Run:
    """What a run's folder holds; each part is empty if the folder lacks it.

    Attributes:
        folder: The folder.
        title: Name and version.
        config_text: `config.yaml` as it stands.
        config: The same, as YAML reads it.
        summary: `summary.json`.
        split: `split.json`.
        test: `test.json`.
        validation: `validation.json`.
        scalars: The metrics in TensorBoard's files.
        pictures: Those in `figures/`.
        event_files: Number of TensorBoard's files of training.
        failure: What ended training, if that was an error.
        use: How its test part has been used by all models, None if nothing is known.
        problems: A line for each file that is missing, or not as it should be.
    """

    folder: Path
    title: str
    config_text: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)
    test: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)
    scalars: Scalars = NOTHING
    pictures: list[Picture] = field(default_factory=list)
    event_files: int = 0
    failure: str = ""
    use: Use | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def monitor(self) -> str:
        """The metric that decides which epoch is the best."""
        stated = text(self.summary.get("monitor")) or text(inside(self.config, "checkpoint", "monitor"))
        return stated or DEFAULT_MONITOR

    @property
    def mode(self) -> Literal["min", "max"] | None:
        """Which way the monitored metric is better; None if nothing says so."""
        stated = self.summary.get("mode") or inside(self.config, "checkpoint", "mode")
        if stated in ("min", "max"):
            return "min" if stated == "min" else "max"
        values = [value for _, value in self.curve(self.monitor) if not math.isnan(value)]
        best = number(inside(self.summary, "best", self.monitor))
        if best is not None and values and min(values) < max(values):  # a run of an earlier version
            return "min" if best - min(values) < max(values) - best else "max"
        return "min" if self.monitor.endswith("loss") else None

    def curve(self, name: str) -> Points:
        """Return the points of a metric."""
        return self.scalars.curves.get(name, [])

    @property
    def best(self) -> dict[str, float]:
        """The metrics of the best epoch: of a run that has not ended, of the best so far; {} if that is unknown."""
        stated = numbers(self.summary.get("best"))
        if stated:
            return stated
        points = [point for point in self.curve(self.monitor) if not math.isnan(point[1])]
        if not points or self.mode is None:
            return {}
        moment, _ = (min if self.mode == "min" else max)(points, key=lambda point: point[1])
        return self._at(moment)

    @property
    def last(self) -> dict[str, float]:
        """The metrics of the last epoch."""
        stated = numbers(self.summary.get("last"))
        moments = [points[-1][0] for name, points in self.scalars.curves.items() if name.startswith("val/") and points]
        return stated or (self._at(max(moments)) if moments else {})

    def _at(self, moment: float) -> dict[str, float]:
        found = {"epoch": moment - 1, "epochs_done": moment}
        for name, points in self.scalars.curves.items():
            value = next((value for then, value in points if abs(then - moment) < 1e-6), None)
            if value is not None:
                found[name] = value
        return found

    @property
    def best_moment(self) -> float | None:
        """Number of epochs trained when the best was measured."""
        return _moment(self.best)

    @property
    def epochs(self) -> float | None:
        """Number of epochs trained."""
        stated = number(self.summary.get("epochs"))
        return stated if stated is not None else _moment(self.last)

    @property
    def gap(self) -> dict[str, float]:
        """By how much validation is worse than training at the best epoch, by metric."""
        return numbers(self.summary.get("gap"))

    @property
    def test_metrics(self) -> dict[str, float]:
        """The metrics of the test part."""
        found = numbers(self.test.get("metrics"))  # a stock module's are called test_loss
        return {f"test/{name[5:]}" if name.startswith("test_") else name: value for name, value in found.items()}

    @cached_property
    def measured(self) -> dict[str, float]:
        """Return all metrics of the run by name: those of the best epoch, the gap, those of the test part."""
        best = {name: value for name, value in self.best.items() if "/" in name}
        return best | {f"gap/{name}": value for name, value in self.gap.items()} | self.test_metrics

    def part(self, name: str) -> dict[str, Any]:
        """Return what `split.json` says of a part."""
        return mapping(inside(self.split, "parts", name))


def _moment(row: dict[str, float]) -> float | None:
    return epochs_done(row) if "epoch" in row or "epochs_done" in row else None


def read_run(path: Path, readings: Sequence[Reading] = ()) -> Run:
    """Read a run's folder.

    Args:
        path: The folder.
        readings: The ledger; its readings of this run's test part say how that has been used.
    """
    folder = RunFolder(path)
    run = Run(path, run_title(path.absolute()), problems=folder.problems)
    run.config_text, run.config = folder.yaml("config.yaml")
    run.summary, run.split = folder.json("summary.json"), folder.json("split.json")
    run.test, run.validation = folder.json("test.json"), folder.json("validation.json")
    part = part_of(run.split)
    run.use = use_of(readings, part) if part else None
    run.scalars, run.pictures = read_scalars(folder), read_pictures(folder)
    of_training = {*folder.names("", EVENT_FILES)} - {*folder.names("", RESULT_FILES)}
    run.event_files = len(of_training)
    failures = [folder.text(name).strip().splitlines() for name in (FAILURE_FILE, TRACEBACK_FILE)]
    run.failure = next((shortened(lines[-1]) for lines in failures if lines), "")
    noted = {problem.split(" ", 1)[0] for problem in folder.problems}
    for name, missing in MISSING.items():
        if name not in noted and not (path / name).exists():
            folder.problems.append(f"there is no {name}{missing}")
    return run


MISSING = {
    "config.yaml": ": the settings are unknown",
    "summary.json": ": training has not ended (it runs, was interrupted, or failed)",
    "split.json": ": which samples were in which part is unknown",
}
