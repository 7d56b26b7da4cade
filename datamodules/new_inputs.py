"""New inputs for a trained model, without targets: what a checkpoint says of its data, and batches of files."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.errors import DataError
from datamodules.images.class_files import Walk, check_name
from datamodules.sequences.ragged import Sequences

Read = TypeVar("Read")
DTYPES = {"uint8": torch.uint8, "float32": torch.float32, "float64": torch.float64, "int64": torch.int64}


@dataclass(frozen=True)
class TrainedOn:
    """What a checkpoint says of the data that its model was trained on.

    Attributes:
        arguments: Arguments of the datamodule.
        manifest: That of the split.
        maximum: What the model divides raw inputs by.
        batch_size: Samples per batch.
    """

    arguments: dict[str, Any]
    manifest: dict[str, Any]
    maximum: float
    batch_size: int = 512

    def __post_init__(self) -> None:
        """Check that the manifest says what inputs the model takes; a stranger may have written it.

        Raises:
            DataError: It does not.
        """
        inputs, names = self.manifest.get("inputs"), self.manifest.get("class_names")
        if not isinstance(inputs, dict) or not isinstance(names, list):
            raise DataError("the checkpoint does not say what inputs it takes (an older version wrote it): train again")
        shape, dtype = inputs.get("shape"), inputs.get("dtype")
        sizes = isinstance(shape, list) and shape and all(type(size) is int and size > 0 for size in shape)
        texts = all(isinstance(name, str) for name in names)
        if not (sizes and dtype in DTYPES and texts and type(self.batch_size) is int and self.batch_size > 0):
            raise DataError(f"the checkpoint takes no inputs that there are: {dtype} {shape}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one raw sample, (C, H, W), (K,), (T, F) or (T,)."""
        return tuple(self.manifest["inputs"]["shape"])

    @property
    def dtype(self) -> torch.dtype:
        """Type of the raw inputs."""
        return DTYPES[self.manifest["inputs"]["dtype"]]

    @property
    def lengths(self) -> bool:
        """Whether inputs are sequences with their lengths."""
        return bool(self.manifest["inputs"].get("lengths"))

    @property
    def class_names(self) -> tuple[str, ...]:
        """C names of classes, or L of labels; empty if targets are continuous."""
        return tuple(self.manifest["class_names"])


class Unreadable(NamedTuple):
    """A file that cannot be read, or not as the model needs it.

    Attributes:
        name: The file.
        reason: Why.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        """Return one line that names the file once."""
        return self.reason if self.name in self.reason else f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class NewBatch:
    """Some new samples.

    Attributes:
        names: What identifies each of n samples, by column: its "file", or its "row" in a table, whose header is row 1.
        inputs: n raw inputs, as a trained model takes them; None of no samples.
        unreadable: The files that could not be read since the batch before.
    """

    names: dict[str, list[Any]] = field(default_factory=dict)
    inputs: Tensor | Sequences | None = None
    unreadable: list[Unreadable] = field(default_factory=list)


def input_files(path: Path, endings: Sequence[str]) -> Iterator[tuple[str, Path] | Unreadable]:
    """Yield name and path of one file, or of the files below a folder, named by their paths in it.

    Files are found while they are used: those of one folder at a time are held in memory. Those with other endings
    are counted in a warning at the end; hidden ones are nobody's data.

    Args:
        path: The file, whatever it is called, or the folder.
        endings: Endings of the files in a folder, in lower case.

    Raises:
        DataError: There is nothing at `path`, or nothing with such an ending in the folder.
    """
    if not path.is_dir():
        if not path.exists():
            raise DataError(f"{path} does not exist; name a file or a folder of new inputs")
        yield str(path), path
        return
    left_out: Counter[str] = Counter()
    closed: list[Unreadable] = []
    walk = Walk(left_out, lambda folder, error: closed.append(Unreadable(folder, f"cannot be listed ({error})")))
    found = False
    for entry in walk.files(path):
        name = Path(entry.path).relative_to(path).as_posix()
        if entry.name.startswith("."):
            continue
        if not entry.name.lower().endswith(tuple(endings)):
            left_out["other file"] += 1
            continue
        found = True
        try:
            check_name(entry)
        except DataError as error:
            yield Unreadable(ascii(name), str(error))
        else:
            yield name, Path(entry.path)
    yield from closed
    if not found and not closed:
        raise DataError(f"{path} holds no file that ends in {', '.join(endings)}")
    del left_out["hidden folder"]
    if left_out:
        counts = ", ".join(f"{count:,} {kind}{'s' * (count > 1)}" for kind, count in left_out.items())
        rank_zero_warn(f"{path}: {counts} left out")


def read_each(
    files: Iterable[tuple[str, Path] | Unreadable], read: Callable[[str, Path], Read]
) -> Iterator[Read | Unreadable]:
    """Yield what a function makes of the name and path of each file, or why it cannot."""
    for file in files:
        if isinstance(file, Unreadable):
            yield file
            continue
        try:
            yield read(*file)
        except (DataError, OSError) as error:
            yield Unreadable(str(file[1]), str(error))


def in_batches(
    samples: Iterable[tuple[dict[str, Any], Any] | Unreadable],
    size: int,
    join: Callable[[list[Any]], Tensor | Sequences],
) -> Iterator[NewBatch]:
    """Yield single samples as batches.

    Args:
        samples: What identifies each sample, by column, and its raw input.
        size: Samples per batch.
        join: Makes one input of several.
    """
    named: list[tuple[dict[str, Any], Any]] = []
    unreadable: list[Unreadable] = []
    for sample in samples:
        if isinstance(sample, Unreadable):
            unreadable.append(sample)
        else:
            named.append(sample)
        if len(named) == size or len(unreadable) == size:
            yield _joined(named, unreadable, join)
            named, unreadable = [], []
    if named or unreadable:
        yield _joined(named, unreadable, join)


def _joined(
    named: list[tuple[dict[str, Any], Any]],
    unreadable: list[Unreadable],
    join: Callable[[list[Any]], Tensor | Sequences],
) -> NewBatch:
    if not named:
        return NewBatch(unreadable=unreadable)
    names = {column: [own[column] for own, _ in named] for column in named[0][0]}
    return NewBatch(names, join([sample for _, sample in named]), unreadable)


def in_slices(
    files: Iterable[tuple[dict[str, list[Any]], Any] | Unreadable],
    size: int,
    encode: Callable[[Any], Tensor | Sequences] = torch.as_tensor,
) -> Iterator[NewBatch]:
    """Yield the rows of files as batches.

    Args:
        files: What identifies each of a file's rows, by column, and the N rows themselves.
        size: Rows per batch.
        encode: Makes raw inputs of some rows; by default they are raw inputs already, (N, ...).
    """
    for file in files:
        if isinstance(file, Unreadable):
            yield NewBatch(unreadable=[file])
            continue
        names, rows = file
        for start in range(0, len(rows), size):
            some = slice(start, start + size)
            yield NewBatch({column: values[some] for column, values in names.items()}, encode(rows[some]))
