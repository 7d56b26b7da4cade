"""The metrics in TensorBoard's files, of a run that has not ended too."""

import struct
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event

from callbacks.event_log import EVENT_FILES
from scripts.report.folder import RunFolder

Values = dict[str, dict[int, float]]  # of each metric by step

HEADER = 12  # bytes before a record: its length, and a checksum of that
CHECKSUM = 4  # bytes after it
LARGEST_RECORD = 64 * 2**10  # bytes; one that holds no picture has a few hundred
LARGEST_FILE = 4 * 2**30
MOST_VALUES = 1_000_000
MOST_METRICS = 2000


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
            if not length or at + HEADER + length + CHECKSUM > size:
                raise DamagedError
            if length > LARGEST_RECORD:
                file.seek(length + CHECKSUM, 1)
                continue
            try:
                yield Event.FromString(file.read(length))
            except DecodeError as error:
                raise DamagedError from error
            file.seek(CHECKSUM, 1)


def event_values(folder: RunFolder) -> tuple[Values, list[float]]:
    """Return the metrics in a run's event files, oldest first, and the times of the first and the last record.

    A problem is noted for each file that is damaged. There are no times without a record.
    """
    found: Values = {}
    times: list[float] = []
    left = MOST_VALUES
    for name in folder.names("", EVENT_FILES):
        path = folder.regular(name, LARGEST_FILE)
        try:
            for event in records(path) if path is not None else ():
                times = [*times[:1], event.wall_time]
                left -= 1
                for value in event.summary.value:
                    if value.HasField("simple_value") and (value.tag in found or len(found) < MOST_METRICS):
                        found.setdefault(value.tag, {})[event.step] = value.simple_value
                        left -= 1
                if left < 0:
                    folder.problems.append(f"{name} holds more than {MOST_VALUES:,} values: the rest is not read")
                    break
        except DamagedError:
            folder.problems.append(f"{name} is damaged or half-written: what stands before that is shown")
        except OSError as error:
            folder.problems.append(f"{name} is not read: {error.strerror or error}")
    return found, times
