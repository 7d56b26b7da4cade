"""The targets in an array: class names, class numbers, one-hot classes, yes/no labels or numbers to predict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datamodules.errors import DataError
from datamodules.samples import UNLABELLED
from datamodules.sequences.npz_values import Arranged, FormError
from datamodules.sequences.recorded import Array
from datamodules.tables.targets import MAX_NUMBERED_CLASSES


@dataclass(frozen=True)
class Origin:
    """What messages call an array of targets.

    Attributes:
        owner: The file, or the class that the array was given to.
        name: The array.
        sample: What one sample is.
        as_classes: How a user says that numbers are classes.
        as_numbers: How a user says that they are to be predicted.
    """

    owner: str
    name: str
    sample: str = "sequence"
    as_classes: str = "set data.continuous false"
    as_numbers: str = "set data.continuous true"

    def __str__(self) -> str:
        return f"{self.owner}: {self.name}"


class ArrayTargets(NamedTuple):
    """Targets of samples or of the steps of sequences.

    Attributes:
        values: Labels (n,), int64; yes/no labels (n, L), bool; or numbers (n, outputs), float64.
        class_names: C names of classes or labels; none if they are numbers.
        note: What a user should know, or "".
    """

    values: Array
    class_names: tuple[str, ...]
    note: str = ""


def by_rows(path: str, name: str, targets: Array, arranged: Arranged) -> tuple[Array, bool]:
    """Return targets (n, ...), one for each sequence or one for each true step; and whether they are of steps.

    Raises:
        DataError: There is another number of them, or it cannot be told what they are of.
    """
    count, steps = len(arranged.lengths), len(arranged.steps)
    if targets.ndim in (2, 3) and arranged.rows is not None and targets.shape[:2] == arranged.rows.shape:
        if targets.ndim == 2 and targets.shape[1] > 1 and _is_one_hot(targets):
            raise FormError(
                f"{path}: {name} {targets.shape} may be one-hot classes of sequences or a label for each step; save "
                f"classes as ({count},), or labels of steps as {(*targets.shape, 1)}"
            )
        if targets.shape[1] > 1 or targets.ndim == 3:
            return targets[arranged.rows], True
    if targets.ndim in (1, 2) and len(targets) in (count, steps):
        return targets, len(targets) != count
    raise FormError(
        f"{path}: {name} is {targets.dtype} {targets.shape}; it must hold one target for each of {count:,} sequences, "
        f"or one for each of {steps:,} steps"
    )


def read_targets(
    of: Origin, targets: Array, of_steps: bool, names: Array | None, continuous: bool | None
) -> ArrayTargets:
    """Return what targets mean.

    Args:
        of: The array, for messages.
        targets: (n,) or (n, k).
        of_steps: Whether they are of steps, of which some may have none: -100, NaN or an empty text.
        names: Names of the classes, or None.
        continuous: Whether they are numbers to predict; None decides: floats are, unless they are one-hot.

    Raises:
        DataError: They are none of what this module names, or one is missing.
    """
    if targets.ndim == 2 and targets.shape[1] == 1 and (targets.dtype.kind != "f" or continuous is False):
        targets = targets[:, 0]
    kind = targets.dtype.kind
    if continuous and kind in "US":
        raise DataError(f"{of} holds texts, such as {str(targets.flat[0])!r}, not numbers to predict")
    if kind not in "fiubUS":
        raise DataError(f"{of} is {targets.dtype} {targets.shape}; targets are numbers or texts")
    if targets.ndim == 2 and not continuous and kind not in "US":
        one_hot, labels = _is_one_hot(targets), kind != "f" and not of_steps and set(np.unique(targets)) <= {0, 1}
        given = _class_names(of, names, np.arange(targets.shape[1])) if one_hot or labels else ()
        if given and len(given) != targets.shape[1]:
            raise DataError(f"{of} {targets.shape} has {targets.shape[1]} columns for {len(given)} names")
        if one_hot:
            note = f"{of} {targets.shape} read as one-hot classes"
            return ArrayTargets(targets.argmax(1).astype(np.int64), given, note)
        if labels:
            return ArrayTargets(targets.astype(bool), given)
    if continuous or (continuous is None and kind == "f"):
        found = _numbers(of, targets.astype(np.float64).reshape(len(targets), -1), of_steps, names)
        return found._replace(note="") if continuous else found
    if targets.ndim > 1:
        raise DataError(f"{of} is {targets.dtype} {targets.shape}; classes are (n,), numbers to predict floats")
    return _classes(of, targets, of_steps, names)


def _is_one_hot(targets: Array) -> bool:
    return targets.dtype.kind in "fiub" and set(np.unique(targets)) == {0, 1} and bool((targets.sum(1) == 1).all())


def _numbers(of: Origin, numbers: Array, of_steps: bool, names: Array | None) -> ArrayTargets:
    wrong = ~(np.isfinite(numbers) | (np.isnan(numbers) & of_steps)).all(1)
    if wrong.any():
        kind = "step" if of_steps else of.sample
        shown = numbers[wrong][0].tolist()
        raise DataError(f"{of} of {kind} {int(wrong.argmax())} is {shown}; targets must be finite numbers")
    known = numbers[~np.isnan(numbers)]
    classes = (known == np.round(known)).all() and len(np.unique(known)) <= min(MAX_NUMBERED_CLASSES, len(numbers) // 2)
    note = f"{of} holds floats, taken for numbers to predict; if they are classes, {of.as_classes}"
    return ArrayTargets(numbers, (), note if names is not None or (classes and numbers.shape[1] == 1) else "")


def _classes(of: Origin, targets: Array, of_steps: bool, names: Array | None) -> ArrayTargets:
    if targets.dtype.kind in "US":
        words = _texts(targets)
        return _named(of, words, words != "", of_steps, names)
    if targets.dtype.kind == "f":
        given = ~np.isnan(targets)
        if (targets[given] % 1 != 0).any():
            raise DataError(f"{of} holds {targets[given][targets[given] % 1 != 0][0]}, which is not a class")
        targets = np.where(given, targets, UNLABELLED).astype(np.int64)
    if targets.dtype.kind == "b" and names is None:
        return _named(of, targets.astype(str), np.ones(len(targets), dtype=bool), of_steps, names)
    labels = targets.astype(np.int64)
    given = labels != UNLABELLED
    _check_given(of, given, of_steps)
    found = np.unique(labels[given])
    if names is None and not np.array_equal(found, np.arange(len(found))):
        return _named(of, targets.astype(str), given, of_steps, None)
    classes = _class_names(of, names, found)
    _check_few(of, len(classes), labels, names)
    return ArrayTargets(labels, classes)


def _texts(targets: Array) -> Array:
    words = np.char.decode(targets, "utf-8", "replace") if targets.dtype.kind == "S" else targets
    stripped: Array = np.char.strip(words)
    return stripped


def _named(of: Origin, words: Array, given: Array, of_steps: bool, names: Array | None) -> ArrayTargets:
    """Return classes that have names as labels: in the order of `names`, else of their numbers or of the alphabet."""
    _check_given(of, given, of_steps)
    found = sorted(np.unique(words[given]).tolist(), key=_order(words[given]))  # 1 and 1.0 stay in one order
    classes = tuple(map(str, found)) if names is None else _class_names(of, names, [])
    unknown = next((word for word in found if word not in classes), None)
    if unknown is not None:
        raise DataError(f"{of} holds the class {str(unknown)!r}, which is not one of {', '.join(classes)}")
    _check_few(of, len(classes), words, names)
    places = {word: place for place, word in enumerate(classes)}
    labels = np.full(len(words), UNLABELLED, dtype=np.int64)
    labels[given] = [places[word] for word in words[given].tolist()]
    return ArrayTargets(labels, classes)


def _check_given(of: Origin, given: Array, of_steps: bool) -> None:
    if not given.any() or not (of_steps or given.all()):
        raise DataError(f"{of} of {of.sample} {int(given.argmin())} is missing; every {of.sample} needs a target")


def _order(words: Array) -> type:
    try:
        words.astype(np.float64)
    except ValueError:
        return str
    return float


def _check_few(of: Origin, classes: int, targets: Array, names: Array | None) -> None:
    if names is None and 2 * classes > len(targets) and classes > MAX_NUMBERED_CLASSES:
        raise DataError(
            f"{of.owner}: {classes} different values among {len(targets)} in {of.name} are not classes; if they are "
            f"numbers to predict, {of.as_numbers}"
        )


def _class_names(of: Origin, names: Array | None, numbers: Array | Sequence[int]) -> tuple[str, ...]:
    if names is None:
        return tuple(map(str, numbers))
    if names.ndim != 1 or names.dtype.kind not in "USiu":
        raise DataError(f"{of.owner}: the names of classes are {names.dtype} {names.shape}; they must be texts (C,)")
    classes = tuple(map(str, _texts(names) if names.dtype.kind in "US" else names))
    if len(set(classes)) < len(classes):
        raise DataError(f"{of.owner}: class_names {', '.join(classes)} are not all different")
    return classes
