"""The ledger of test parts: every reading of one, by which model, so that no choice by test results passes unseen.

`runs/test_ledger.jsonl` has a line of JSON for each reading. It is only ever appended to, under a lock.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datamodules.atomic_write import WriteError
from datamodules.regular_files import HostileFileError, read_text
from scripts.cli.repetitions import PLACES, REPEATED, value_at, without

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LEDGER = "test_ledger.jsonl"
RUNS = Path("runs")  # where it is unless a command names another folder of runs
LARGEST = 2**27  # bytes
CONFIDENCE = 0.95
DATA_DIR = "data.data_dir"  # another place of the same data makes no other model


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
        repetition: Hash of the run's seeds.
        weights: Hash of the network's weights.
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
    seeds = {key: value_at(settings, key) for key in REPEATED}
    model = [without(settings, (*REPEATED, *PLACES, DATA_DIR)), facts or {}]
    return Reading(
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        job=job,
        data=str(source["name"]),
        part=part_of(manifest),
        samples=int(test["size"]),
        model=_hash(json.dumps(model, sort_keys=True, default=str)),
        repetition=_hash(json.dumps(seeds, sort_keys=True, default=str)),
        weights=_hash_of_weights(weights),
        run=run,
    )


def part_of(manifest: Mapping[str, Any]) -> str:
    """Return the hash that stands for the test part of a manifest; "" of a manifest without one."""
    hashes = value_at(manifest, "source.sha256"), value_at(manifest, "parts.test.sha256")
    return _hash(f"{hashes[0]}:{hashes[1]}") if all(isinstance(one, str) for one in hashes) else ""


def append(folder: Path, reading: Reading) -> None:
    """Append a reading to the ledger of a folder of runs.

    Raises:
        WriteError: It cannot be written.
    """
    path = folder / LEDGER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            if fcntl is not None:
                fcntl.lockf(file, fcntl.LOCK_EX)
            line = json.dumps(asdict(reading)).encode() + b"\n"
            size = os.fstat(file).st_size  # a second file object would take the lock with it when it is closed
            if size and os.pread(file, 1, size - 1) != b"\n":  # a process was killed in the middle of a line
                line = b"\n" + line
            while line:
                line = line[os.write(file, line) :]
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise WriteError(path, error) from error


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


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hash_of_weights(weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
