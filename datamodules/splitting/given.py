"""Splits that somebody has made already: the part of each sample from a column, or from a file such as `split.csv`."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.errors import DataError
from datamodules.printable import FORMULA_STARTS
from datamodules.regular_files import read_text
from datamodules.splitting.groups import missing_values
from datamodules.splitting.part_names import SPELLINGS, part_of
from datamodules.splitting.subsets import Indices
from datamodules.tables.reading import PARQUET
from datamodules.tables.reading import read_table as read_frame

if TYPE_CHECKING:
    import pandas as pd

TABLE = "split.csv"
MANIFEST = "split.json"
ENDINGS = (".csv", ".tsv", ".txt", *PARQUET)


@dataclass(frozen=True)
class GivenParts:
    """Indices of the samples that each part is given, sorted; val and test may be empty, and are then split off."""

    train: Indices
    val: Indices
    test: Indices

    def named(self) -> Indices:
        """Return the indices of all samples that have a part, sorted."""
        return np.sort(np.concatenate([self.train, self.val, self.test]))


def read_parts(values: npt.NDArray[Any], origin: str) -> GivenParts:
    """Return the parts that samples say they belong to.

    Args:
        values: The part of each sample, (N,), as in `part_names`; None or empty: no part.
        origin: Where the values come from, for messages.

    Raises:
        DataError: A value is not a part, or no sample is in the training part.
    """
    words = np.where(missing_values(values), "", values.astype(str))
    spellings, kinds = np.unique(words, return_inverse=True)
    found: dict[str, list[Indices]] = {part: [] for part in SPELLINGS}
    for number, spelling in enumerate(spellings):
        indices = np.flatnonzero(kinds == number)
        if not spelling:
            continue
        part = part_of(str(spelling))
        if part is None:
            raise DataError(
                f"split.given: {origin}: sample {indices[0]} has the part {str(spelling)!r}; it must be train, val or "
                "test, or empty for a sample to leave out"
            )
        found[part].append(indices.astype(np.int64))
    none = np.array([], dtype=np.int64)
    parts = GivenParts(*(np.sort(np.concatenate([none, *found[part]])) for part in SPELLINGS))
    if len(parts.train) == 0:
        raise DataError(f"split.given: {origin} gives no sample to the training part")
    return parts


def is_table(text: str, files: list[str] | None) -> bool:
    """Return whether `split.given`, where it is no column, names a file.

    Args:
        text: The option.
        files: Path of each sample's file, in which the option may be a pattern; None if samples are not files.
    """
    folders = "/" in text and files is None
    return text.lower().endswith(ENDINGS) or Path(text).exists() or folders


def read_table(path: Path, num_samples: int, files: list[str] | None, sha256: str, source: str) -> npt.NDArray[Any]:
    """Return the part of each sample that a CSV or Parquet file names, (N,), "" for samples that it does not name.

    Args:
        path: The file, in a form that `datamodules.tables.reading` reads; it has the columns index and part, or file
            and part, and any others.
        num_samples: N.
        files: Path of each sample's file as the column file names it; None if samples are not files.
        sha256: Hash of the data; if a split.json of the same run lies beside a split.csv, it must name the same.
        source: Name of the dataset, for messages.

    Raises:
        DataError: The file cannot be read, belongs to other data, or names a sample twice or one that does not exist.
    """
    owner = f"split.given: {path}"
    if path.name == TABLE:
        _check_same_data(path.with_name(MANIFEST), owner, sha256, source)
    frame = _read(path, owner)
    if "part" not in frame.columns or not {"index", "file"} & set(frame.columns):
        raise DataError(f"{owner} has the columns {', '.join(frame)}; it must have index and part, or file and part")
    key = "file" if "file" in frame.columns and (files is not None or "index" not in frame.columns) else "index"
    if key == "file" and files is None:
        raise DataError(f"{owner} names files; the samples of {source} are not files: give their index, from 0")
    place = {name: number for number, name in enumerate(files or [])}
    parts: list[str | None] = [None] * num_samples
    for row, name, part in zip(frame.index + 2, _texts(frame[key]), _texts(frame["part"]), strict=True):
        if key == "index":
            index = int(name) if name.isascii() and name.isdigit() else None
            known = index is not None and index < num_samples
        else:
            index = place.get(name.replace("\\", "/").removeprefix("./"))
            known = index is not None
        if not known or index is None:
            there = f"indices 0 to {num_samples - 1}" if key == "index" else "no such file"
            raise DataError(f"{owner}, row {row}: {key} {name!r} is not in {source}, which has {there}")
        if parts[index] is not None:
            raise DataError(f"{owner}, row {row}: {key} {name!r} is named twice")
        parts[index] = part
    return np.array([part or "" for part in parts])


def _read(path: Path, owner: str) -> "pd.DataFrame":
    """Read a table, as the tables of samples are read, with the names of its columns in lower case."""
    if path.is_dir():
        there = f": name {path / TABLE}" if (path / TABLE).is_file() else ""
        raise DataError(f"{owner} is a folder{there}")
    if not path.exists():
        raise DataError(f"{owner} does not exist")
    try:
        frame, notes = read_frame(path)
    except DataError as error:
        raise DataError(f"split.given: {error}") from error
    for note in notes:
        rank_zero_warn(f"split.given: {note}")
    return frame.rename(columns=lambda name: name.strip().lower())


def _texts(cells: "pd.Series") -> list[str]:
    return [str(cell).strip() for cell in cells.astype(object).where(cells.notna(), "")]


def _check_same_data(manifest: Path, owner: str, sha256: str, source: str) -> None:
    try:
        recorded = json.loads(read_text(manifest))["source"]
        name, hashed = recorded["name"], recorded["sha256"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{owner}: {manifest} beside it cannot be read; remove it or mend it") from error
    if hashed != sha256:
        raise DataError(
            f"{owner} belongs to other data: {name} with the hash {hashed[:12]}…, where {source} has {sha256[:12]}…; "
            f"to use it all the same, copy it away from its {MANIFEST}"
        )


def table_of(parts: dict[str, Indices], origins: Mapping[str, Sequence[object]] | None = None) -> str:
    """Return a split as the text of a CSV file: index and part of each sample, and where it comes from.

    Args:
        parts: Indices of each part.
        origins: Further columns, with a value for each sample of the dataset: its file, or its row in a table.
    """
    origins = origins or {}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["index", "part", *origins])
    part_at = {index: part for part, indices in parts.items() for index in indices.tolist()}
    for index, part in sorted(part_at.items()):
        writer.writerow([index, part, *(_no_formula(values[index]) for values in origins.values())])
    return text.getvalue()


def _no_formula(origin: object) -> object:
    """Return a row, or a file's path so that a spreadsheet does not run it, nor does `read_table` mind."""
    return f"./{origin}" if str(origin).startswith(FORMULA_STARTS) else origin
