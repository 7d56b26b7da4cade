"""What the runs of a study measured: a row a run, read from the runs' own files."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.cli.ledger import part_of
from scripts.cli.result_files import write_rows
from scripts.report.folder import RunFolder
from scripts.report.values import mapping, number, numbers, text
from scripts.study.design import PlannedRun

STOPPED = "stopped early"  # by the search that it belongs to
STOPPED_FILE = "stopped_early"


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Attributes:
        run: The run.
        folder: Its folder.
        fault: Why there is nothing to compare, "" if there is.
        metrics: Those of the tested epoch, of the gap, and of the test.
        epochs: Number of epochs trained.
        seconds: How long training took.
        facts: Size and hash of each part: "train", "train_hash" and so on; "test_part" as the ledger knows it; and what
            the run ran on.
        modes: Which way each metric is better, "min" or "max", by its name without a part.
        best_is_last: Whether its best epoch is its last, so that it might have gone on getting better.
        clean_gap: Whether the gap was measured without regularization, by `callbacks.GeneralizationGap`.
    """

    run: PlannedRun
    folder: Path
    fault: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    epochs: float | None = None
    seconds: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    modes: Mapping[str, str] = field(default_factory=dict)
    best_is_last: bool = False
    clean_gap: bool = False


def read_result(run: PlannedRun, study: Path, fault: str = "") -> Result:
    """Return what a run's folder holds."""
    folder = run.folder(study)
    if run.trial is not None and (folder.parent / STOPPED_FILE).is_file():
        return Result(run, folder, STOPPED)
    files = RunFolder(folder)
    summary, test, split = (files.json(f"{name}.json") for name in ("summary", "test", "split"))
    if fault or not summary or (run.trial is None and not _is_of(test, run.arm.tested)):
        return Result(run, folder, fault or "not finished")
    epoch = numbers(summary.get("last" if run.arm.tested == "last" else "best"))
    metrics = {name: value for name, value in epoch.items() if "/" in name}
    clean_gap = any(name.startswith("gap/") for name in metrics)
    gap = numbers(summary.get("last_gap" if run.arm.tested == "last" else "gap"))
    metrics |= {f"gap/{name}": value for name, value in gap.items() if f"gap/{name}" not in metrics}
    metrics |= {name if name.startswith("test/") else f"test/{name}": value for name, value in _test(test).items()}
    parts = mapping(split.get("parts"))
    facts = {part: mapping(of).get("size") for part, of in parts.items()}
    facts |= {f"{part}_hash": text(mapping(of).get("sha256")) for part, of in parts.items()}
    facts["test_part"] = part_of(split)
    facts |= {name: text(summary.get(name)) for name in ("git_commit", "device")}
    facts["torch"] = text(mapping(summary.get("versions")).get("torch"))
    monitor, mode = text(summary.get("monitor")), text(summary.get("mode"))
    modes = {monitor.partition("/")[2]: mode} if monitor.startswith("val/") and mode else {}
    modes |= {name: text(mode) for name, mode in mapping(summary.get("metric_modes")).items()}
    epochs, seconds = number(summary.get("epochs")), number(summary.get("wall_seconds"))
    best_is_last = summary.get("best_is_last") is True
    return Result(run, folder, "", metrics, epochs, seconds, facts, modes, best_is_last, clean_gap)


def is_tested(folder: Path, tested: str) -> bool:
    """Return whether the test in a run's folder is that of its best or its last checkpoint, whichever is asked for."""
    return _is_of(RunFolder(folder).json("test.json"), tested)


def _is_of(test: Mapping[str, Any], tested: str) -> bool:
    return text(test.get("checkpoint")).endswith(f"{tested}.ckpt")


def _test(test: Mapping[str, Any]) -> dict[str, float]:
    return {name.removeprefix("test_"): value for name, value in numbers(test.get("metrics")).items()}


def write_results(path: Path, results: Sequence[Result], threads: int) -> None:
    """Write a row a run, those that failed among them, as CSV; its command has the number of threads."""
    levels = list(dict.fromkeys(key for result in results for key in result.run.level))
    points = list(dict.fromkeys(key for result in results for key in result.run.point))
    metrics = list(dict.fromkeys(name for result in results for name in result.metrics))
    order = {"test": 0, "val": 1, "gap": 2, "train": 3}
    metrics.sort(key=lambda name: (order.get(name.split("/")[0], 4), name))
    parts = ("train", "val", "test")
    rows = [
        ["arm", *levels, "varied", "seed", "fold", *points, "status", *metrics, "epochs", "seconds"]
        + [f"{part}_samples" for part in parts]
        + ["run", "command"]
    ]
    for result in results:
        run = result.run
        rows.append(
            [run.arm.name, *(run.level[key] for key in levels), run.varied, run.seed, _plain(run.fold)]
            + [run.point.get(key, "") for key in points]
            + [result.fault or "done", *(_plain(result.metrics.get(name)) for name in metrics)]
            + [_plain(result.epochs), _plain(result.seconds), *(_plain(result.facts.get(part)) for part in parts)]
            + [str(result.folder), command(run, threads)]
        )
    write_rows(path, rows)


def command(run: PlannedRun, threads: int) -> str:
    """Return the command that makes a run alone, with as many threads: another number may give other bits."""
    return f"OMP_NUM_THREADS={threads} {shlex.join(['holdout', 'fit', *run.words, '--name', run.name])}"


def _plain(value: Any) -> Any:
    return "" if value is None else value
