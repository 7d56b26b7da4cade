"""In what two runs' folders differ, times and names of event files aside."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from torch import Tensor

from callbacks import load_checkpoint
from callbacks.event_log import EVENT_FILES
from callbacks.loggers.kept_logs import EVENTS_KEY
from models.calibration.calibration import CALIBRATION_KEY
from scripts.cli.checkpoint_config import CONFIG_KEY

# What two trainings of the same run may differ in: settings that the other file holds, and names of event files.
OF_THE_FILE = (CONFIG_KEY, CALIBRATION_KEY, EVENTS_KEY)
METRICS = ("epochs", "monitor", "best", "gap", "last")  # of a summary
TIMES = ("train_seconds", "wall_seconds", "samples_per_second", "command", EVENTS_KEY)
Point = tuple[str, int, Any]


def differences(first: Path, second: Path) -> list[str]:
    """Return a line for each difference between two folders of runs."""
    files = [
        {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file() and not _is_events(path)}
        for folder in (first, second)
    ]
    found = [f"{name}: only in {folder}" for name, folder in _unshared(first, second, *files)]
    for name in sorted(files[0].keys() & files[1].keys()):
        found += [f"{name}{line}" for line in _of_files(files[0][name], files[1][name])]
    points = [events(folder) for folder in (first, second)]
    for point in sorted({*points[0], *points[1]}, key=str):
        counts = [some.count(point) for some in points]
        if counts[0] != counts[1]:
            found.append(f"events: {point} is there {counts[0]} times, and {counts[1]} times")
    return found


def checkpoint_differences(first: Path, second: Path) -> list[str]:
    """Return a line for each difference between two checkpoints of the same training, paths and times aside."""
    contents = [_plain(load_checkpoint(path)) for path in (first, second)]
    one, other = ({key: value for key, value in content.items() if key not in OF_THE_FILE} for content in contents)
    return [line.lstrip(".") for line in of_values(one, other)]


def summary_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return a line for each difference between the metrics in two summaries."""
    one, other = ({key: summary.get(key) for key in METRICS} for summary in (first, second))
    return [f"summary.json{line}" for line in of_values(one, other)]


def events(folder: Path) -> list[Point]:
    """Return all that a folder's event files hold, as (tag, step, value), in no order; nothing is purged."""
    points: list[Point] = []
    for path in sorted(folder.glob(EVENT_FILES)):
        for event in LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                plain = value.simple_value if value.HasField("simple_value") else value.WhichOneof("value")
                points.append((value.tag, event.step, plain))
    return points


def _is_events(path: Path) -> bool:
    return path.match(EVENT_FILES)


def _unshared(
    first: Path, second: Path, of_first: dict[str, Path], of_second: dict[str, Path]
) -> Iterator[tuple[str, Path]]:
    yield from ((name, first) for name in sorted(of_first.keys() - of_second.keys()))
    yield from ((name, second) for name in sorted(of_second.keys() - of_first.keys()))


def _of_files(first: Path, second: Path) -> Iterator[str]:
    if first.suffix == ".ckpt":
        yield from of_values(*(torch.load(path, map_location="cpu", weights_only=True) for path in (first, second)))
    elif first.suffix == ".json":
        yield from of_values(*(json.loads(path.read_text(encoding="utf-8")) for path in (first, second)))
    elif first.read_bytes() != second.read_bytes():
        yield " differs"


def of_values(first: Any, second: Any, place: str = "") -> Iterator[str]:
    """Yield a line for each difference between two values as checkpoints and JSON hold them, times aside."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in [*first, *(key for key in second if key not in first)]:
            if key not in TIMES:
                here = f"{place}.{key}"
                both = key in first and key in second
                yield from of_values(first[key], second[key], here) if both else [f"{here} is in one alone"]
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        for number, pair in enumerate(zip(first, second, strict=True)):
            yield from of_values(*pair, f"{place}.{number}")
    elif isinstance(first, Tensor) or isinstance(second, Tensor):
        both = isinstance(first, Tensor) and isinstance(second, Tensor)
        if not both or first.dtype != second.dtype or not torch.equal(first, second):
            yield f"{place} differs"
    elif first != second and not (first != first and second != second):  # NaN equals NaN here
        yield f"{place} was {first!r}, is {second!r}"


def _plain(value: Any) -> Any:
    """Return a value with the names of files in place of their paths."""
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and "checkpoints" in Path(value).parts:
        return Path(value).name
    return "" if isinstance(value, str) and value.endswith("checkpoints") else value
