"""What the page says of one run."""

import json
from pathlib import Path

import pytest
from PIL import Image

from scripts.report.notices import notices
from scripts.report.run import read_run
from tests.scripts.report.pages import read_page, settings, split, summary, write_run

CURVES = {"train/loss": [0.9, 0.5, 0.2], "val/loss": [0.8, 0.5, 0.6], "val/accuracy": [0.5, 0.8, 0.7]}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    metrics = {"test/loss": 0.55, "test/accuracy": 0.75, "test/class_accuracy/cat": 0.7, "test/own_metric": 12345.6}
    test = {"checkpoint": "runs/pets/version_0/checkpoints/best.ckpt", "evaluations": 1, "metrics": metrics}
    files = {"config": settings(), "summary": summary(), "split": split(), "test": test}
    return write_run(tmp_path / "pets" / "version_0", CURVES, **files)


def change(folder: Path, name: str, **values: object) -> None:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_metrics_of_the_best_and_the_last_epoch_and_of_the_test_part(run: Path) -> None:
    found = read_page(run)
    assert found.title == "pets/version_0 · Holdout"
    heads = ["train, best epoch 2", "val, best epoch 2", "gap", "train, last epoch 3", "val, last epoch 3", "test"]
    assert found.row("metric") == heads
    assert found.row("loss") == ["0.2500", "0.5000", "+0.2500", "0.2500", "0.6000", "0.5500"]
    assert found.row("own_metric")[-1] == "1.235e+04"
    assert found.row("cat") == ["40", "5", "5", "0.7000"]
    assert "val/accuracy 0.8000 of 10 samples has a standard error of 0.1265" in found.text
    assert found.notices == {"warning": [], "note": []}
    assert found.tags.count("svg") == 2


def test_how_the_run_was_made(run: Path) -> None:
    text = read_page(run).text
    for said in ("holdout fit -c r.yaml", "0123abc", "torch 2.14", "MLP(dropout=0, widths=[8])", "d" * 64, "b" * 64):
        assert said in text
    assert (run / "config.yaml").read_text() in text


WARNINGS = [
    ("test", {"evaluations": 3}, "evaluated 3 times"),
    ("summary", {"best_is_last": True}, "the best epoch is the last"),
    ("summary", {"warnings": ["val/loss has not moved"]}, "val/loss has not moved"),
    ("summary", {"last": {"epoch": 2, "val/f1": float("nan")}}, "NaN or infinite: val/f1 of the last epoch"),
    ("split", {"duplicates": {"train/val": 7, "val/test": 0}}, "across parts: 7 of train in val"),
    ("split", {"parts": {"train": {"class_counts": {"cat": 90, "dog": 10}}}}, "cat has 90 training samples, class dog"),
    ("split", {"parts": {"train": {"class_counts": {"cat": 9, "dog": 9}}, "val": {"class_counts": {"cat": 9}}}},
     "the val part has no sample of class dog"),
]  # fmt: skip
NOTES = [
    ("summary", {"stopped": "early: val/loss has not improved for 10 epochs"}, "stopped early"),
    ("summary", {"command": "holdout fit --ckpt_path=last"}, "resumed"),
    ("summary", {"git_commit": "0123abc+changes"}, "no commit"),
    ("split", {"label_noise": {"name": "SymmetricNoise", "wrong_labels": 1234}}, "1,234 training labels are wrong"),
    ("test", {"checkpoint": "runs/pets/version_0/checkpoints/last.ckpt"}, "last.ckpt, not of this run's best.ckpt"),
]


@pytest.mark.parametrize(("file", "values", "words"), WARNINGS)
def test_what_makes_its_numbers_doubtful(run: Path, file: str, values: dict, words: str) -> None:
    change(run, file, **values)
    assert any(kind == "warning" and words in line for kind, line in notices(read_run(run)))


@pytest.mark.parametrize(("file", "values", "words"), NOTES)
def test_what_one_should_know(run: Path, file: str, values: dict, words: str) -> None:
    change(run, file, **values)
    assert any(kind == "note" and words in line for kind, line in notices(read_run(run)))


def test_an_error_that_ended_training_is_said(run: Path) -> None:
    (run / "traceback.txt").write_text("Traceback:\n  a line\nRuntimeError: too late\n")
    assert notices(read_run(run))[0].words == "an error ended training: RuntimeError: too late"
    (run / "failure.txt").write_text("in epoch 3: the loss is NaN\n")
    assert notices(read_run(run))[0].words == "an error ended training: in epoch 3: the loss is NaN"


def test_nan_in_a_curve_is_named_with_its_epoch(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a" / "version_0", {"val/loss": [0.5, float("nan"), 0.4]}, summary=summary())
    assert "val/loss from epoch 2" in " ".join(read_page(run).notices["warning"])


def test_a_run_that_has_not_ended_shows_what_it_has(tmp_path: Path) -> None:
    run = write_run(tmp_path / "pets" / "version_0", CURVES, config=settings(), split=split())
    found = read_page(run)
    assert any("no summary.json" in line for line in found.notices["warning"])
    assert found.row("loss") == ["0.5000", "0.5000", "0.2000", "0.6000"]
    assert "3 (not ended)" in found.text
    assert "The test part has not been evaluated" in found.text


def test_a_best_epoch_that_nothing_tells_is_not_guessed(tmp_path: Path) -> None:
    config = settings() | {"checkpoint": {"monitor": "val/own", "mode": None}}
    run = write_run(tmp_path / "pets" / "version_0", {"val/own": [1.0, 2.0]}, config=config)
    assert read_page(run).row("own") == ["2.0000"]


@pytest.mark.parametrize("name", ["summary.json", "split.json", "test.json", "config.yaml", "events", "figures/a.png"])
def test_a_half_written_file_is_named_and_the_rest_shown(run: Path, name: str) -> None:
    (run / "figures").mkdir()
    Image.effect_noise((64, 64), 50).save(run / "figures" / "a.png")
    path = next(run.glob("events*")) if name == "events" else run / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.7)] if name != "config.yaml" else content[:20] + b"\n- [")
    found = read_page(run)
    assert any(path.name in line for line in found.notices["warning"])
    assert found.title == "pets/version_0 · Holdout"
    assert found.tags.count("img") == (name != "figures/a.png")


def test_an_empty_folder_is_a_page_that_says_so(tmp_path: Path) -> None:
    found = read_page(tmp_path)
    missing = ["config.yaml", "summary.json", "split.json"]
    assert [line.split(":")[0].strip() for line in found.notices["warning"]] == [
        f"there is no {name}" for name in missing
    ]


def test_the_test_of_a_stock_module_is_one_of_the_test_part(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a" / "version_0")
    (run / "test.json").write_text(json.dumps({"metrics": {"test_loss": 0.25, "test/class_accuracy/test_set": 1}}))
    assert read_run(run).test_metrics == {"test/loss": 0.25, "test/class_accuracy/test_set": 1}
