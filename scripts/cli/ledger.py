"""The ledger of test parts: every reading of one, by which model, so that no choice by test results passes unseen.

`runs/test_ledger.jsonl` has a line of JSON for each reading. It is only ever appended to, under a lock.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datamodules.atomic_write import WriteError
from datamodules.regular_files import HostileFileError, read_text

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LEDGER = "test_ledger.jsonl"
RUNS = Path("runs")  # where it is unless a command names another folder of runs
LARGEST = 2**27  # bytes
CONFIDENCE = 0.95
# Settings in which runs of one model may differ: they are repetitions, not candidates to choose from.
REPETITIONS = (
    ("seed_everything",), ("initialization_seed",), ("name",), ("runs_dir",), ("data", "init_args", "data_dir"),
    ("data", "init_args", "split", "seed"), ("data", "init_args", "split", "fold"),
    ("data", "init_args", "label_noise", "init_args", "noise_seed"),
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """A reading of a test part.

    Attributes:
        time: When, in UTC, as 2026-01-31T12:00:00Z.
        job: The job that read it.
        data: Name of the dataset.
        part: Hash of the dataset's content and of the samples in its test part.
        samples: Number of those samples.
        model: Hash of the settings that made the model, but for its seeds.
        repetition: Hash of its seeds.
        weights: Hash of its weights.
        run: The checkpoint, or the weights, that was measured.
    """

    time: str
    job: str
    data: str
    part: str
    samples: int
    model: str
    repetition: str
    weights: str
    run: str


def new_reading(
    job: str,
    manifest: Mapping[str, Any],
    settings: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    run: str,
    facts: Mapping[str, Any] | None = None,
) -> Reading:
    """Return a reading that happens now.

    Args:
        job: The job.
        manifest: Manifest of the split.
        settings: The settings that made the model, as plain values.
        weights: Its state dict.
        run: Where it comes from.
        facts: What else makes its predictions what they are: a calibration, views of each sample.
    """
    source, test = manifest["source"], manifest["parts"]["test"]
    seeds = {".".join(path): _at(settings, path) for path in REPETITIONS}
    return Reading(
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        job=job,
        data=str(source["name"]),
        part=part_of(manifest),
        samples=int(test["size"]),
        model=_hash(json.dumps([_without(settings, REPETITIONS), facts or {}], sort_keys=True, default=str)),
        repetition=_hash(json.dumps(seeds, sort_keys=True, default=str)),
        weights=_hash_of_weights(weights),
        run=run,
    )


def part_of(manifest: Mapping[str, Any]) -> str:
    """Return the hash that stands for the test part of a manifest; "" of a manifest without one."""
    hashes = _at(manifest, ("source", "sha256")), _at(manifest, ("parts", "test", "sha256"))
    return _hash(f"{hashes[0]}:{hashes[1]}") if all(isinstance(one, str) for one in hashes) else ""


def append(folder: Path, reading: Reading) -> None:
    """Append a reading to the ledger of a folder of runs.

    Raises:
        WriteError: It cannot be written.
    """
    path = folder / LEDGER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            if fcntl is not None:
                fcntl.lockf(file, fcntl.LOCK_EX)
            line = json.dumps(asdict(reading)).encode() + b"\n"
            if not _ends_a_line(path):  # a process was killed in the middle of one
                line = b"\n" + line
            while line:
                line = line[os.write(file, line) :]
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise WriteError(path, error) from error


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - 1, 0))
        return file.read(1) in (b"", b"\n")


def read_ledger(folder: Path) -> list[Reading]:
    """Return the readings in the ledger of a folder of runs; lines that are none are passed over."""
    try:
        lines = read_text(folder / LEDGER, largest=LARGEST).splitlines()
    except (OSError, HostileFileError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        try:
            content = json.loads(line)
            found.append(Reading(**{field.name: field.type(content[field.name]) for field in fields(Reading)}))  # type: ignore[operator]
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            continue
    return found


@dataclass(frozen=True)
class Use:
    """How a test part has been used.

    Attributes:
        readings: How often it was read.
        models: Among how many models its results may have chosen. Seeds of one model are not counted, other weights of
            the same model and seed, as those of another epoch, are.
    """

    readings: int
    models: int

    @property
    def confidence(self) -> float:
        """Coverage of each model's interval, if all of them are to hold at once in 95 % of cases (Bonferroni)."""
        return 1 - (1 - CONFIDENCE) / max(self.models, 1)


def use_of(readings: Iterable[Reading], part: str) -> Use:
    """Return how a test part has been used."""
    weights: dict[str, dict[str, set[str]]] = {}
    count = 0
    for reading in readings:
        if reading.part == part:
            count += 1
            weights.setdefault(reading.model, {}).setdefault(reading.repetition, set()).add(reading.weights)
    return Use(count, sum(max(map(len, of_model.values())) for of_model in weights.values()))


def accuracy_interval(accuracy: float, samples: int, confidence: float) -> tuple[float, float]:
    """Return Wilson's interval of an accuracy measured on independent samples."""
    from scipy.stats import binomtest  # takes a moment to import

    found = binomtest(round(accuracy * samples), samples).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def _without(settings: Any, paths: Sequence[tuple[str, ...]]) -> Any:
    if not isinstance(settings, Mapping):
        return settings
    below = {key: [path[1:] for path in paths if path[0] == key] for key in settings}
    return {key: _without(value, below[key]) for key, value in settings.items() if () not in below[key]}


def _at(settings: Any, path: Sequence[str]) -> Any:
    for key in path:
        settings = settings.get(key) if isinstance(settings, Mapping) else None
    return settings


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hash_of_weights(weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
