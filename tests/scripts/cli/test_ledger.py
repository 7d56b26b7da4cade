import fcntl
import json
import math
import os
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from datamodules.atomic_write import WriteError
from scripts.cli.ledger import LEDGER, Reading, accuracy_interval, append, new_reading, part_of, read_ledger, use_of

MANIFEST = {"source": {"name": "Digits", "sha256": "d"}, "parts": {"test": {"size": 359, "sha256": "t"}}}
SETTINGS = {
    "seed_everything": 0,
    "model": {"class_path": "models.Classifier", "init_args": {"loss": None}},
    "data": {"init_args": {"split": {"seed": 0, "fold": 0, "val_fraction": 0.1}, "label_noise": None}},
}
READING = Reading("2026-11-26T00:00:00Z", "test", "Digits", "p", 359, "m", "r", "w", "runs/digits/version_0")


def reading(settings: dict, weight: float = 0.0) -> Reading:
    return new_reading("test", MANIFEST, settings, {"weight": torch.tensor(weight)}, "runs/digits/version_0")


def changed(value: object, *path: str) -> dict:
    settings = json.loads(json.dumps(SETTINGS))
    place = settings
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return settings


@pytest.mark.parametrize(
    ("other", "models"),
    [
        ((SETTINGS, 0.0), 1),  # the same model again
        ((changed(1, "seed_everything"), 1.0), 1),  # another seed of it
        ((changed(3, "data", "init_args", "split", "fold"), 1.0), 1),
        ((SETTINGS, 1.0), 2),  # another epoch of the same run
        ((changed({"class_path": "Focal"}, "model", "init_args", "loss"), 0.0), 2),
        ((changed(0.2, "data", "init_args", "split", "val_fraction"), 0.0), 2),
    ],
)
def test_models_to_choose_from_are_counted_and_their_seeds_are_not(other: tuple, models: int) -> None:
    readings = [reading(SETTINGS), reading(*other)]
    used = use_of(readings, part_of(MANIFEST))
    assert (used.readings, used.models) == (2, models)
    assert used.confidence == pytest.approx(1 - 0.05 / models)


def test_another_test_part_has_an_account_of_its_own() -> None:
    assert part_of(MANIFEST) != part_of({**MANIFEST, "source": {"name": "Digits", "sha256": "e"}})
    assert use_of([READING], "another").models == 0
    assert part_of({}) == ""


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=12))
def test_more_readings_never_mean_fewer_models(entries: list[tuple[int, int, int]]) -> None:
    readings = [replace(READING, model=str(m), repetition=str(r), weights=str(w)) for m, r, w in entries]
    counts = [use_of(readings[:number], "p").models for number in range(len(readings) + 1)]
    assert counts == sorted(counts)
    assert counts[-1] <= len(readings)


def _append_fifty(folder: Path, number: int) -> None:
    for count in range(50):
        append(folder, replace(READING, weights=f"{number}-{count}", run="x" * 3000))


def test_readings_of_many_processes_at_once_are_all_there(tmp_path) -> None:
    started = [get_context("fork").Process(target=_append_fifty, args=(tmp_path, number)) for number in range(4)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    found = read_ledger(tmp_path)
    assert len({one.weights for one in found}) == len(found) == 200


def test_the_ledger_is_locked_until_the_line_is_written(tmp_path, monkeypatch) -> None:
    append(tmp_path, READING)
    real, others = os.write, []

    def write(file: int, line: bytes) -> int:
        child = os.fork()  # a lock keeps other processes out, not this one
        if not child:
            with (tmp_path / LEDGER).open("a") as again:
                try:
                    fcntl.lockf(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    os._exit(1)
            os._exit(0)
        others.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return real(file, line)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        append(tmp_path, READING)
    assert others == [1]
    assert read_ledger(tmp_path) == [READING, READING]


def test_lines_that_are_no_readings_are_passed_over(tmp_path) -> None:
    append(tmp_path, READING)
    with (tmp_path / LEDGER).open("a") as file:
        file.write("torn\n[]\n{}\n" + "[" * 100_000 + "\n" + json.dumps({"samples": "many"}) + "\n")
        file.write(json.dumps(asdict(READING) | {"samples": math.inf}) + "\n" + '{"time": "half')
    append(tmp_path, READING)
    assert read_ledger(tmp_path) == [READING, READING]


def test_a_calibrated_model_is_another_one() -> None:
    weights = {"weight": torch.zeros(1)}
    plain = new_reading("test", MANIFEST, SETTINGS, weights, "runs/digits/version_0")
    calibrated = new_reading("test", MANIFEST, SETTINGS, weights, "runs/digits/version_0", {"temperature": 1.5})
    assert use_of([plain, calibrated], part_of(MANIFEST)).models == 2


def test_no_ledger_is_an_empty_one_and_a_link_is_none(tmp_path) -> None:
    assert read_ledger(tmp_path / "nowhere") == []
    target = tmp_path / "elsewhere"
    target.write_text("kept")
    (tmp_path / LEDGER).symlink_to(target)
    with pytest.raises(WriteError):
        append(tmp_path, READING)
    assert target.read_text() == "kept"


@pytest.mark.parametrize(("right", "samples", "confidence"), [(350, 359, 0.95), (9700, 10000, 0.99), (0, 20, 0.95)])
def test_an_accuracys_interval_is_wilsons(right: int, samples: int, confidence: float) -> None:
    expected = proportion_confint(right, samples, 1 - confidence, method="wilson")
    assert accuracy_interval(right / samples, samples, confidence) == pytest.approx(expected, abs=1e-9)
