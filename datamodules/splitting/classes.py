"""Names and counts of classes, in the messages of a split that cannot be."""

import numpy as np

from datamodules.errors import DataError
from datamodules.splitting.subsets import Indices

ClassNames = tuple[str, ...] | None


def class_label(label: np.int64, names: ClassNames) -> str:
    """Return a class as messages name it."""
    return repr(names[label]) if names is not None and 0 <= label < len(names) else str(label)


def check_counts(labels: Indices, least: int, purpose: str, names: ClassNames) -> None:
    """Raise `DataError` if a class has fewer than `least` samples.

    Args:
        labels: Class of each sample, (n,).
        least: Number of samples that each class needs.
        purpose: What it needs them for.
        names: Names of the classes.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if len(counts) and counts.min() < least:
        smallest = int(counts.argmin())
        label, count = class_label(classes[smallest], names), counts[smallest]
        raise DataError(f"class {label} has {count} sample{'' if count == 1 else 's'}; it needs {least} {purpose}")
