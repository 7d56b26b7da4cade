"""The metrics in TensorBoard's files, of a run that has not ended too, over the number of epochs trained."""

import bisect
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event

from callbacks.event_log import EVENT_FILES
from scripts.report.folder import RunFolder

Points = list[tuple[float, float]]  # (epochs trained, or steps; value)

HEADER = 12  # bytes before a record: its length, and a checksum of that
CHECKSUM = 4  # bytes after it
LARGEST_RECORD = 64 * 2**10  # bytes; one that holds no picture has a few hundred
LARGEST_FILE = 4 * 2**30
MOST_VALUES = 1_000_000
MOST_METRICS = 2000
MOST_POINTS = 600  # of one curve that are drawn
EPOCH = "epoch"
OURS = ("best/", "_hparams_/", "hp_metric")  # what TensorBoard's table of hyperparameters shows


class Scalars(NamedTuple):
    """The metrics of a run.

    Attributes:
        curves: Points of each metric, in order.
        unit: What they are over: "epoch" or "step".
        began: Time of the first record, in seconds since 1970; None without one.
        ended: Time of the last.
    """

    curves: dict[str, Points]
    unit: str
    began: float | None
    ended: float | None


class DamagedError(Exception):
    """A file of events ends within a record, or holds something else."""


def records(path: Path) -> Iterator[Event]:
    """Yield the records of an event file, those with pictures aside.

    TensorBoard's own readers check a checksum of every byte in Python, 0.2 s a megabyte, and pictures are most of it.

    Raises:
        DamagedError: The rest of the file cannot be read.
        OSError: It cannot be read at all.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        while (at := file.tell()) < size:
            header = file.read(HEADER)
            length = struct.unpack("<Q", header[:8])[0] if len(header) == HEADER else size
            if at + HEADER + length + CHECKSUM > size:
                raise DamagedError
            if length > LARGEST_RECORD:
                file.seek(length + CHECKSUM, 1)
                continue
            try:
                yield Event.FromString(file.read(length))
            except DecodeError as error:
                raise DamagedError from error
            file.seek(CHECKSUM, 1)


def read_scalars(folder: RunFolder) -> Scalars:
    """Return the metrics in a run's event files, oldest first; a problem is noted for each file that is damaged."""
    steps: dict[str, dict[int, float]] = {}
    times: list[float] = []
    left = MOST_VALUES
    for name in folder.names("", EVENT_FILES):
        path = folder.regular(name, LARGEST_FILE)
        try:
            for event in records(path) if path is not None else ():
                times = [*times[:1], event.wall_time]
                for value in event.summary.value:
                    if value.HasField("simple_value") and (value.tag in steps or len(steps) < MOST_METRICS):
                        steps.setdefault(value.tag, {})[event.step] = value.simple_value
                        left -= 1
                if left < 0:
                    folder.problems.append(f"{name} holds more than {MOST_VALUES:,} values: the rest is not read")
                    break
        except DamagedError:
            folder.problems.append(f"{name} is damaged or half-written: what stands before that is shown")
        except OSError as error:
            folder.problems.append(f"{name} is not read: {error.strerror or error}")
    ends = _epoch_ends(steps) if steps.get(EPOCH) else []
    curves = {
        tag: [(_epochs(step, ends) if ends else float(step), value) for step, value in sorted(points.items())]
        for tag, points in steps.items()
        if tag != EPOCH and not tag.startswith(OURS)
    }
    began, ended = (times[0], times[-1]) if times else (None, None)
    return Scalars(curves, EPOCH if ends else "step", began, ended)


def _epoch_ends(steps: dict[str, dict[int, float]]) -> list[tuple[int, float]]:
    """Return (last step, epochs trained then) of each epoch; of one that has not ended if it is the only one."""
    last: dict[float, int] = {}
    for step, epoch in sorted(steps[EPOCH].items()):
        if math.isfinite(epoch):
            last[epoch] = step
    ends = sorted((step, epoch + 1) for epoch, step in last.items())
    measured = {step for tag, points in steps.items() if tag.startswith("train/") for step in points}
    if len(ends) > 1 and measured and ends[-1][0] not in measured:
        ends.pop()
    return ends


def _epochs(step: int, ends: list[tuple[int, float]]) -> float:
    """Return the number of epochs trained after a step, from those at the ends of epochs."""
    number = min(max(bisect.bisect_left(ends, (step, -1.0)), 0), len(ends) - 1)
    (then, done), (before, done_before) = ends[number], ends[number - 1] if number else (-1, ends[0][1] - 1)
    if step > then:  # in the last epoch, which has not ended
        length = max(then - before, 1) / max(done - done_before, 1)
        return done + (step - then) / length
    return done - (then - step) / max(then - before, 1) * (done - done_before)


def thinned(points: Points) -> Points:
    """Return points in order, evenly thinned to at most 600; the first and the last stay."""
    if len(points) <= MOST_POINTS:
        return points
    last = len(points) - 1
    return [points[round(number * last / (MOST_POINTS - 1))] for number in range(MOST_POINTS)]
