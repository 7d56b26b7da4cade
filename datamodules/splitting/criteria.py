"""What a split goes by beside classes and sizes: groups, times, or parts that are given."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.errors import DataError
from datamodules.splitting.given import GivenParts, is_table, read_parts, read_table
from datamodules.splitting.groups import Groups, join_identical, read_groups
from datamodules.splitting.options import NAMED, PerSample, SplitOptions
from datamodules.splitting.times import Times, read_times

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Criteria:
    """What is known of each sample that decides its part; None: nothing."""

    groups: Groups | None = None
    times: Times | None = None
    given: GivenParts | None = None


@dataclass(frozen=True)
class Source:
    """A dataset, as far as texts in `SplitOptions` refer to it.

    Attributes:
        name: Its name.
        values: Returns the value of each sample, (N,), under the name of a column or pattern.
        files: Returns the path of each sample's file, N; None if samples are not files.
        digests: Digest of each sample, (N,).
        sha256: Hash of the whole.
    """

    name: str
    values: Callable[[str], Values]
    files: Callable[[], list[str] | None]
    digests: npt.NDArray[np.void]
    sha256: str


def read_criteria(options: SplitOptions, num_samples: int, source: Source | None = None) -> Criteria:
    """Return what a split goes by.

    Args:
        options: The options.
        num_samples: N.
        source: The dataset; without one, options hold values, not names.

    Raises:
        DataError: Values are missing, malformed or not one per sample.
    """

    def values_of(option: str, chosen: PerSample) -> Values:
        if not isinstance(chosen, str):
            values = np.asarray(chosen)
        elif source is None:
            raise DataError(f"split.{option}: {chosen!r} needs a datamodule that knows it; give one value per sample")
        else:
            try:
                values = np.asarray(source.values(chosen))
            except DataError as error:
                raise DataError(f"split.{option}: {error}") from error
        if values.shape != (num_samples,):
            raise DataError(f"split.{option}: {values.shape} values for {num_samples} samples; it needs one for each")
        return values

    groups = None if options.groups is None else read_groups(values_of("groups", options.groups))
    if options.duplicates == "group":
        if source is None:
            raise DataError("split.duplicates: group needs a datamodule, which knows the samples' content")
        groups = join_identical(groups, source.digests)
    times = None if options.by_time is None else read_times(values_of("by_time", options.by_time))
    given = None
    if options.given is not None:
        origin = options.given if isinstance(options.given, str) else "the list"
        try:
            parts = values_of("given", options.given)
        except DataError:
            if source is None or options.given is not origin or not is_table(origin, source.files()):
                raise
            parts = read_table(Path(origin), num_samples, source.files(), source.sha256, source.name)
        else:
            if options.given is origin and Path(origin).is_file():
                rank_zero_warn(f"split.given: {origin!r} is a column, and is used; the file is ./{origin}")
        given = read_parts(parts, origin)
    return Criteria(groups, times, given)


def plain_options(options: SplitOptions) -> dict[str, Any]:
    """Return options as plain values for a manifest: values per sample become their number and hash."""
    plain = asdict(options)
    for name in NAMED:
        if plain[name] is not None and not isinstance(plain[name], str):
            values = np.asarray(plain[name]).astype(str)
            digest = hashlib.sha256("\n".join(values.flat).encode()).hexdigest()
            plain[name] = {"values": len(values), "sha256": digest}
    return plain
