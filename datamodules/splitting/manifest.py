"""The manifest of a split (`split.json`): the dataset, the arguments and the parts; and whether two manifests agree."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError
from datamodules.splitting.criteria import Criteria
from datamodules.splitting.splits import Split
from datamodules.splitting.subsets import Indices

Manifest = dict[str, Any]


def content_hash(digests: npt.NDArray[np.void], targets: npt.NDArray[Any]) -> str:
    """Return the SHA-256 of a dataset: its samples' digests and targets, in order."""
    single = targets.astype(np.float32) if targets.dtype == np.float64 else targets
    if np.array_equal(single, targets):
        targets = single  # manifests of runs from before targets were in double precision stay valid
    digest = hashlib.sha256(digests.tobytes())
    digest.update(np.ascontiguousarray(targets).tobytes())
    return digest.hexdigest()


def criteria_facts(criteria: Criteria, split: Split, num_samples: int) -> dict[str, Any]:
    """Return what a manifest says of groups, times and samples in no part, as plain values.

    Args:
        criteria: What the split goes by.
        split: The split, with the whole training part.
        num_samples: Number of samples of the dataset.
    """
    facts: dict[str, Any] = {}
    groups, times, parts = criteria.groups, criteria.times, split.parts().items()
    if groups is not None:
        _, firsts, of = np.unique(groups.of, return_index=True, return_inverse=True)
        counts = {part: len(np.unique(groups.of[indices])) for part, indices in parts}
        facts["groups"] = {"count": len(firsts), **counts, "sha256": _hash(firsts[of].astype("<i8"))}
    if times is not None:
        spans = {part: [float(times.of[indices].min()), float(times.of[indices].max())] for part, indices in parts}
        unit = "days since 1970" if times.dates else "the numbers' own"
        facts["times"] = {"unit": unit, **spans, "sha256": _hash(times.of.astype("<f8"))}
    if times is not None or criteria.given is not None:
        facts["left_out"] = num_samples - sum(len(indices) for _, indices in parts)
    return facts


def criteria_words(manifest: Manifest) -> list[str]:
    """Return in words what a split goes by: classes, groups, times or given parts."""
    options, by = manifest["arguments"], []
    if "groups" in manifest:
        names = [_name(options["groups"])] if options["groups"] is not None else []
        names += ["duplicates"] if options["duplicates"] == "group" else []
        by.append(f"grouped by {' and '.join(names)}, {manifest['groups']['count']:,} groups")
    if "times" in manifest:
        unit = " days" if manifest["times"]["unit"].startswith("days") else ""
        by.append(f"by time ({_name(options['by_time'])})")
        by += [f"gap {options['time_gap']:g}{unit}"] if options["time_gap"] else []
    by += [f"given by {_name(options['given'])}"] if options["given"] is not None else []
    by += [f"{manifest['left_out']:,} samples left out"] if manifest.get("left_out") else []
    counted = {"class_counts", "label_counts"} & manifest["parts"]["train"].keys()
    by_class = counted and "left_out" not in manifest
    return ["stratified", *by] if by_class else by


def _name(option: Any) -> str:
    return option if isinstance(option, str) else f"{option['values']:,} values"


def _hash(array: npt.NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def describe_split(
    split: Split,
    *,
    source: str,
    sha256: str,
    arguments: Mapping[str, Any],
    strata: Indices | None,
    names: tuple[str, ...] | None,
    duplicates: Mapping[str, int],
) -> Manifest:
    """Return the manifest of a split, made of plain values for JSON and checkpoints.

    Args:
        split: The split.
        source: Name of the dataset.
        sha256: Hash of its content.
        arguments: Arguments of the split, including the seed.
        strata: Class (or quantile bin) of each sample, or its labels (N, L); None omits the counts.
        names: Class names.
        duplicates: Number of byte-identical samples across each pair of parts.
    """
    parts: dict[str, Any] = {}
    for part, indices in split.parts().items():
        parts[part] = {"size": len(indices), "sha256": _hash(indices.astype("<i8"))}
        if strata is not None and strata.ndim > 1:
            sums = strata[indices].sum(0).tolist()
            parts[part]["label_counts"] = dict(zip(names or map(str, range(len(sums))), sums, strict=True))
        elif strata is not None:
            labels, counts = np.unique(strata[indices], return_counts=True)
            keys = [names[label] if names else str(label) for label in labels]
            parts[part]["class_counts"] = dict(zip(keys, counts.tolist(), strict=True))
    return {
        "source": {"name": source, "samples": sum(len(i) for i in split.parts().values()), "sha256": sha256},
        "arguments": dict(arguments),
        "parts": parts,
        "duplicates": dict(duplicates),
    }


def differences(recorded: Manifest, rebuilt: Manifest) -> list[str]:
    """Return the differences of two manifests in words, causes first; none if split and data are the same."""
    then, now = recorded["source"], rebuilt["source"]
    if then["name"] != now["name"]:
        return [f"the dataset was {then['name']}, now it is {now['name']}"]
    found = []
    if then["sha256"] != now["sha256"]:
        found.append(f"the data of {then['name']} has changed")
    parts = [
        f"{part} ({was['size']} samples then, {rebuilt['parts'][part]['size']} now)"
        for part, was in recorded["parts"].items()
        if was["sha256"] != rebuilt["parts"][part]["sha256"]
    ]
    if found or parts:
        before, after = recorded["arguments"], rebuilt["arguments"]
        changed = [key for key in before if before[key] != after.get(key)]
        found += [f"split.{key} was {before[key]}, now it is {after.get(key)}" for key in changed]
        for fact, option in (("groups", "groups"), ("times", "by_time")):
            one, other = recorded.get(fact), rebuilt.get(fact)
            if one and other and one["sha256"] != other["sha256"] and option not in changed:
                found.append(f"the {fact} ({_name(after[option])}) have changed")
    for option in ("imbalance", "label_noise"):
        before, after = recorded.get(option), rebuilt.get(option)
        if before != after:
            found.append(f"{option} was {_settings(before)}, now it is {_settings(after)}")
    if recorded.get("weights") != rebuilt.get("weights"):
        found.append("the sample weights have changed")
    found += [f"different samples in {', '.join(parts)}"] if parts else []
    before, after = recorded.get("normalization"), rebuilt.get("normalization")
    if not found and before is not None and after is not None and not _close(before, after):
        found.append(f"the normalisation was {before}, now it is {after}")
    return found


def _settings(option: dict[str, Any] | None) -> str:
    if option is None:
        return "none"
    settings = [f"{key} {value}" for key, value in option.items() if key not in ("name", "sha256")]
    return f"{option['name']} ({', '.join(settings)})"


def _close(one: dict[str, list[float]], other: dict[str, list[float]]) -> bool:
    return all(
        len(values) == len(other[name]) and np.allclose(values, other[name], rtol=1e-4, atol=1e-6)
        for name, values in one.items()
    )


def check_same_split(recorded: Manifest, rebuilt: Manifest) -> None:
    """Raise `DataError`, naming the differences, unless the two manifests describe the same split."""
    found = differences(recorded, rebuilt)
    if found:
        raise DataError("this is not the split that the checkpoint was trained and validated on: " + "; ".join(found))
