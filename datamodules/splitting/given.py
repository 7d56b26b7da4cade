"""Splits that somebody has made already: the part of each sample from a column, or from a file such as `split.csv`."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError
from datamodules.regular_files import read_text
from datamodules.splitting.groups import missing_values
from datamodules.splitting.subsets import Indices

SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validate", "validation", "dev", "devel", "development", "eval"),
    "test": ("test", "testing"),
}
PART_OF = {spelling: part for part, spellings in SPELLINGS.items() for spelling in spellings}
TABLE = "split.csv"
MANIFEST = "split.json"


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
        values: The part of each sample, (N,), in a spelling of `SPELLINGS`, in any case; None or empty: no part.
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
        part = PART_OF.get(str(spelling).strip().lower())
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


def is_table(text: str) -> bool:
    """Return whether `split.given` names a file, not a column."""
    return text.lower().endswith(".csv") or Path(text).is_file()


def read_table(path: Path, num_samples: int, files: list[str] | None, sha256: str, source: str) -> npt.NDArray[Any]:
    """Return the part of each sample that a CSV file names, (N,), "" for samples that it does not name.

    Args:
        path: The file; it has the columns index and part, or file and part, and any others.
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
    header, rows = _read(path, owner)
    if "part" not in header or not {"index", "file"} & set(header):
        raise DataError(f"{owner} has the columns {', '.join(header)}; it must have index and part, or file and part")
    key = "file" if "file" in header and (files is not None or "index" not in header) else "index"
    if key == "file" and files is None:
        raise DataError(f"{owner} names files; the samples of {source} are not files: give their index, from 0")
    place = {name: number for number, name in enumerate(files or [])}
    parts: list[str | None] = [None] * num_samples
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(f"{owner}, line {line}: {len(row)} values, but {len(header)} columns")
        name, part = row[header.index(key)].strip(), row[header.index("part")].strip()
        if key == "index":
            index = int(name) if name.isascii() and name.isdigit() else None
            known = index is not None and index < num_samples
        else:
            index = place.get(name.replace("\\", "/").removeprefix("./"))
            known = index is not None
        if not known or index is None:
            there = f"indices 0 to {num_samples - 1}" if key == "index" else "no such file"
            raise DataError(f"{owner}, line {line}: {key} {name!r} is not in {source}, which has {there}")
        if parts[index] is not None:
            raise DataError(f"{owner}, line {line}: {key} {name!r} is named twice")
        parts[index] = part
    return np.array([part or "" for part in parts])


def _read(path: Path, owner: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        text = read_text(path, "utf-8-sig")
        first = text.split("\n", 1)[0]
        reader = csv.reader(io.StringIO(text), delimiter=";" if ";" in first and "," not in first else ",")
        rows = [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError as error:
        raise DataError(f"{owner} does not exist") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{owner} cannot be read as a CSV file ({error})") from error
    if len(rows) < 2:
        raise DataError(f"{owner} has no rows below a header")
    return [name.strip().lower() for name in rows[0][1]], rows[1:]


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


def table_of(parts: dict[str, Indices], files: list[str] | None) -> str:
    """Return a split as the text of a CSV file: index and part of each sample, and its file if samples are files.

    Args:
        parts: Indices of each part.
        files: Path of each sample's file.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["index", "part"] if files is None else ["index", "part", "file"])
    names = np.concatenate([np.full(len(indices), part) for part, indices in parts.items()])
    indices = np.concatenate(list(parts.values()))
    for place in np.argsort(indices, kind="stable"):
        index = int(indices[place])
        writer.writerow([index, names[place]] if files is None else [index, names[place], _no_formula(files[index])])
    return text.getvalue()


def _no_formula(file: str) -> str:
    """Return a file's path so that a spreadsheet does not run it, nor does `read_table` mind."""
    return f"./{file}" if file.startswith(("=", "+", "-", "@", "\t")) else file
