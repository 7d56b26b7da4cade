from pathlib import Path

import pytest
from matplotlib.image import imread

from callbacks import Curves, EarlyStopping, History, curves
from callbacks.curves import draw_curves

ROWS = [
    {"epoch": 0, "train/loss": 2.0, "val/loss": 1.5, "train/accuracy": 0.5},
    {"epoch": 1, "train/loss": 1.0, "val/loss": 1.2, "train/accuracy": 0.7},
    {"epoch": 2, "train/loss": 0.5, "train/accuracy": 0.9},
]


def test_a_figure_is_written_when_training_ends(fit, tmp_path) -> None:
    fit(History(), Curves(), epochs=2)
    path: Path = tmp_path / "figures" / "curves.png"
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    height, width, _ = imread(path).shape
    assert height > width, "two panels below each other: side by side they cannot be read in a thumbnail"


@pytest.mark.parametrize(("epochs", "drawn"), [(15, False), (16, True)])
def test_of_a_long_run_the_first_fifteen_epochs_are_drawn_too(fit, tmp_path, monkeypatch, epochs, drawn) -> None:
    shown = []
    monkeypatch.setattr(curves, "draw_curves", lambda *arguments: shown.append(arguments) or draw_curves(*arguments))
    fit(History(), Curves(), epochs=epochs, limit_train_batches=2)
    assert (tmp_path / "figures" / "curves_start.png").exists() is drawn
    assert [len(rows) for rows, *_ in shown] == [epochs, 15][: 1 + drawn]


def test_an_early_stop_is_marked_as_one(fit, monkeypatch) -> None:
    ends = []
    monkeypatch.setattr(curves, "draw_curves", lambda *arguments: ends.append(arguments[-1]) or draw_curves(*arguments))
    fit(History(), Curves(), EarlyStopping(patience=1), epochs=5, lr=0.0)
    fit(History(), Curves(), EarlyStopping(patience=9), epochs=1)
    assert ends == ["stopped early", "end of training"]


@pytest.mark.parametrize("without", ["rows", "metrics"])
def test_where_there_is_nothing_to_draw_nothing_is_drawn(fit, tmp_path, without) -> None:
    callbacks = [Curves(metrics=["mse"] if without == "metrics" else None)]
    fit(*callbacks, epochs=0 if without == "rows" else 1)
    assert not (tmp_path / "figures").exists()


def test_each_panel_shows_training_against_validation_over_epochs() -> None:
    labels = {"loss": "cross entropy"}
    loss, accuracy = draw_curves(ROWS, ["loss", "accuracy"], best=2, title="digits/version_0", labels=labels).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in loss.lines}
    assert lines["training"] == [[1, 2.0], [2, 1.0], [3, 0.5]]
    assert lines["validation"] == [[1, 1.5], [2, 1.2]]
    assert [x for x, _ in lines["best: epoch 2"]] == [2, 2]
    assert [x for x, _ in lines["end of training: epoch 3"]] == [3, 3]
    assert {line.get_label() for line in accuracy.lines} == {"training", "best: epoch 2", "end of training: epoch 3"}
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("cross entropy", "accuracy")


def test_no_best_epoch_no_mark() -> None:
    (loss,) = draw_curves(ROWS, ["loss"], best=None, title="").axes
    assert not any("best" in line.get_label() for line in loss.lines)


def test_a_validation_within_an_epoch_stands_between_epochs() -> None:
    rows = [ROWS[0], {"epoch": 1, "epochs_done": 1.5, "val/loss": 1.1}, ROWS[1]]
    (loss,) = draw_curves(rows, ["loss"], best=1.5, title="").axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in loss.lines}
    assert lines["validation"] == [[1, 1.5], [1.5, 1.1], [2, 1.2]]
    assert [x for x, _ in lines["best: epoch 1.5"]] == [1.5, 1.5]


def test_the_curves_of_a_run_mark_the_validation_that_the_checkpoint_keeps(fit, monkeypatch) -> None:
    drawn = []
    monkeypatch.setattr(curves, "draw_curves", lambda *arguments: drawn.append(arguments) or draw_curves(*arguments))
    history = History()
    fit(history, Curves(), epochs=3, lr=4.0, val_check_interval=3)
    (rows, _, best, *_) = drawn[0]
    assert len(rows) == 12, "three validations in each epoch, and its end"
    assert best == history.best("val/loss", "min")["epochs_done"]
