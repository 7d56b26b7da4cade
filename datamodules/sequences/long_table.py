"""Sequences in a long table: a row for each step, a column that says which sequence it belongs to."""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.errors import DataError
from datamodules.samples import UNLABELLED
from datamodules.sequences.columns import check_column, plain_numbers, read_columns, read_feature, read_target, texts
from datamodules.sequences.recorded import Array, Recorded
from datamodules.tables.columns import cleaned, read_column

if TYPE_CHECKING:
    import pandas as pd

TIMES = ("time", "t", "timestamp", "step", "timestep", "time_step", "date", "datetime", "frame")


def read_long_table(
    path: Path,
    target: str,
    sequence: str,
    time: str | None = None,
    features: Sequence[str] | None = None,
    continuous: bool | None = None,
    others: Collection[str] = (),
    weights: str | None = None,
) -> Recorded:
    """Read a long table.

    Args:
        path: A CSV or Parquet file with a header.
        target: Name of the target column. If all rows of each sequence hold the same value, targets are of sequences,
            else of steps; an empty cell is a step without a target.
        sequence: Name of the column that says which sequence a row belongs to.
        time: Name of the column, of numbers or dates, that orders the rows of a sequence; None keeps their order.
        features: Names of the columns to use; default: all but those named here, which must hold numbers.
        continuous: Whether the target is a number to predict; None decides by its values.
        others: Columns that are not features by default: those that the split uses.
        weights: Name of the column of sequences' weights, the same in all rows of a sequence.

    Raises:
        DataError: A column does not exist, or a value is missing or not a number.
    """
    frame = read_columns(path)
    for option, name in (("target", target), ("sequence", sequence), ("time", time), ("weights", weights)):
        if name is not None:
            check_column(path, frame, name, option)
    order, lengths = in_sequences(path, frame, sequence, time)
    if len(lengths) < 3:
        raise DataError(
            f"{path} holds {len(lengths)} sequence(s), by its column {sequence!r}; a training, a validation and a test "
            "part need three (data.sequence names the column)"
        )
    if features is None:
        used = [name for name in frame.columns if name not in (target, sequence, time, weights, *others)]
        used = _without_counters(path, frame, used)
    else:
        used = list(features)
        for name in used:
            check_column(path, frame, name, "features")
        wrong = next((name for name in (target, sequence, weights) if name in used), None)
        if wrong is not None:
            raise DataError(f"features: {wrong!r} is not a feature")
    if not used:
        raise DataError(f"{path} has no column beside {', '.join(frame.columns)}: no features")
    values = np.stack([read_feature(path, frame[name]) for name in used], axis=1)
    if time is None:
        _warn_of_order(path, used, values[order], lengths)
    found = read_target(path, frame[target], continuous, texts(frame[sequence]))
    targets, of_steps = _of_sequences(path, target, found.values[order], lengths)
    column = partial(_value_of_sequences, path, frame, texts(frame[sequence]))
    return Recorded(
        str(path),
        values[order],
        lengths,
        targets,
        of_steps,
        found.class_names,
        [f"{name!r}" for name in used],
        column=column,
        columns=tuple(used),
    )


def _value_of_sequences(path: Path, frame: "pd.DataFrame", keys: Array, name: str) -> Array:
    """Return the value of a column for each sequence, (N,), in the order in which they appear.

    Raises:
        DataError: There is no such column, or it changes within a sequence.
    """
    check_column(path, frame, name, "split")
    groups = frame.groupby(keys, sort=False)[name]
    several = groups.nunique(dropna=False) > 1
    if several.any():
        raise DataError(f"{path}: the column {name!r} changes within the sequence {several.idxmax()!r}")
    return cleaned(groups.first())


def _without_counters(path: Path, frame: "pd.DataFrame", names: list[str]) -> list[str]:
    """Return the columns without those that count the rows of the table, as pandas writes them; warn of each."""
    import pandas as pd

    kept = []
    for name in names:
        unnamed = name == "" or name.startswith("Unnamed:")
        numbers = pd.to_numeric(frame[name], errors="coerce") if frame[name].dtype.kind in "Oiuf" else None
        if unnamed or (numbers is not None and bool((numbers.diff().iloc[1:] == 1).all())):
            what = "has no name" if unnamed else "counts the rows of the table"
            rank_zero_warn(f"{path}: the column {name!r} {what} and is left out (data.features can name it)")
        else:
            kept.append(name)
    return kept


def _warn_of_order(path: Path, names: list[str], values: Array, lengths: Array) -> None:
    """Warn of a column that is called as times are, and whose values are not in order within their sequences."""
    within = np.ones(len(values) - 1, dtype=bool)
    within[np.cumsum(lengths)[:-1] - 1] = False
    for number, name in enumerate(names):
        if name.lower() in TIMES and (np.diff(values[:, number])[within] < 0).any():
            rank_zero_warn(
                f"{path}: steps keep the order of the file, in which the column {name!r} goes up and down within a "
                f"sequence; data.time {name} puts them into its order"
            )


def in_sequences(path: Path, frame: "pd.DataFrame", sequence: str, time: str | None) -> tuple[Array, Array]:
    """Return the rows in the order of sequences, which come as they appear, and of time; and the lengths.

    Args:
        path: The table, for messages.
        frame: The table.
        sequence: Name of the column that says which sequence a row belongs to.
        time: Name of the column that orders the rows of a sequence; None keeps their order.

    Raises:
        DataError: A row belongs to no sequence, or its time is neither a number nor a date.
    """
    import pandas as pd

    keys = texts(frame[sequence])
    if (keys == "").any():
        row = int(np.flatnonzero(keys == "")[0]) + 2
        raise DataError(f"{path}, row {row}, column {sequence!r}: the sequence is missing")
    codes, _ = pd.factorize(keys)
    times = np.zeros(len(codes)) if time is None else _times(path, frame[time])
    order = np.lexsort((times, codes))
    together = (np.diff(codes[order]) == 0) & (np.diff(times[order]) == 0)
    if time is not None and together.any():
        rows = order[int(np.flatnonzero(together)[0])] + 2
        rank_zero_warn(
            f"{path}: {int(together.sum()):,} rows have the time of another row of their sequence, row {rows} for one; "
            "they keep the order of the file"
        )
    return order, np.bincount(codes)


def _times(path: Path, column: "pd.Series") -> Array:
    plain = plain_numbers(column)
    if plain is not None:
        return plain
    found = read_column(str(path), str(column.name), column)
    if found.kind == "category" or found.gaps.any():
        wrong = found.gaps if found.gaps.any() else np.ones(len(column), dtype=bool)
        row = int(np.flatnonzero(wrong)[0])
        value = texts(column.iloc[[row]])[0]
        raise DataError(f"{path}, row {row + 2}, column {found.name!r}: {value!r} is neither a number nor a date")
    return np.asarray(found.values, dtype=np.float64)


def _of_sequences(path: Path, target: str, values: Array, lengths: Array) -> tuple[Array, bool]:
    """Return one target for each sequence if that is all there is, else one for each step; and whether it is of steps.

    Raises:
        DataError: A sequence has no target at all.
    """
    missing = values == UNLABELLED if values.dtype == np.int64 else np.isnan(values).any(1)
    starts = np.cumsum(lengths) - lengths
    empty = np.add.reduceat(~missing, starts) == 0
    if empty.any():
        number = int(np.flatnonzero(empty)[0])
        raise DataError(f"{path}: sequence {number + 1} of {len(lengths)} has no value in the column {target!r}")
    firsts = values[starts]
    if missing.any() or (values != np.repeat(firsts, lengths, axis=0)).any():
        return values, True
    return firsts, False
