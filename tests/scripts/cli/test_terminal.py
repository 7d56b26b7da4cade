"""What a person sees in a terminal of 80 columns while the command works."""

import re
import sys
from pathlib import Path

import pytest

from callbacks import progress_bar
from scripts.main import main
from tests.screen import terminal

FIT = "fit -c configs/digits.yaml --model.network.widths [16] --trainer.max_epochs 2 --trainer.limit_train_batches 9"
BAR = re.compile(r"^epoch [12]/2\b.* \d/9", re.MULTILINE)
LINE = re.compile(r"^epoch [12]/2  train/loss [\d.]+ accuracy [\d.]+  val/loss [\d.]+ accuracy [\d.]+$", re.MULTILINE)


@pytest.fixture(params=["rich", "tqdm"])
def drawn_by(request, monkeypatch: pytest.MonkeyPatch) -> str:
    """Draw every step, by each of the two libraries in turn."""
    monkeypatch.setattr("callbacks.progress_bar.INTERVAL", 0.0)
    if request.param == "tqdm":
        monkeypatch.setattr("callbacks.progress_bar.find_spec", lambda name: None)
    else:
        pytest.importorskip("rich")
    return request.param


def typed(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["holdout", *command.split()])
    main()


@pytest.mark.usefixtures("workplace")
def test_the_lines_stay_on_the_screen_and_the_bars_go(drawn_by: str, monkeypatch) -> None:
    with terminal() as seen:
        typed(FIT, monkeypatch)
    bars = [BAR.findall(text) for text in seen]
    assert {bar[0].split()[1].rstrip(":") for bar in bars if bar} == {"1/2", "2/2"}  # counted from 1, as in the lines
    assert max(map(len, bars)) == 1
    assert all("v_num" not in text for text in seen)
    assert any("validation" in text for text in seen)
    first = next(text for text, bar in zip(seen, bars, strict=True) if bar)
    assert [line.split()[0] for line in first.splitlines()] == ["data", "seed", "model", "run", "epoch"]
    second = next(text for text, bar in zip(seen, bars, strict=True) if bar and bar[0].startswith("epoch 2/2"))
    assert len(LINE.findall(second)) == 1  # the line of the first epoch is above the bar of the second
    left = seen[-1]
    assert len(LINE.findall(left)) == 2
    assert not BAR.search(left)
    assert "validation" not in left
    assert "█" not in left
    assert "━" not in left
    assert all(len(line) > 8 for line in left.splitlines() if line), left  # the terminal has broken no line in two
    with terminal() as seen:
        typed("test --ckpt_path runs/digits/version_0 --data.eval_batch_size 50", monkeypatch)
    assert any(re.search(r"^test\b.* 3/8", text, re.MULTILINE) for text in seen)
    assert not re.search(r"^test\b.* \d/8", seen[-1], re.MULTILINE)


@pytest.mark.usefixtures("workplace")
def test_output_in_a_file_holds_the_lines_and_the_terminal_the_bars(drawn_by: str, monkeypatch, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log, terminal(log) as seen:
        typed(FIT, monkeypatch)
    assert any(BAR.search(text) for text in seen)
    assert not any(LINE.search(text) for text in seen)
    assert seen[-1] == ""
    text = (tmp_path / "log").read_text()
    assert len(LINE.findall(text)) == 2
    assert "\r" not in text
    assert "\x1b" not in text
    assert text.splitlines()[-1].startswith("test it")


@pytest.mark.usefixtures("workplace", "drawn_by")
def test_a_warning_is_not_written_into_the_bar(monkeypatch) -> None:
    def warn(*_: object) -> None:
        print("warning: heed this", file=sys.stderr)
        print("and this")

    monkeypatch.setattr("callbacks.SilentFailures.on_train_batch_end", warn, raising=False)
    with terminal() as seen:
        typed(f"{FIT} --trainer.max_epochs 1", monkeypatch)
    told = seen[-1].splitlines()
    assert told.count("warning: heed this") == told.count("and this") == 9
    assert not BAR.search(seen[-1])


@pytest.mark.usefixtures("workplace", "drawn_by")
def test_a_fault_leaves_no_bar_behind(monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("it failed")

    monkeypatch.setattr("callbacks.SilentFailures.on_train_epoch_end", fail, raising=False)
    with terminal() as seen, pytest.raises(SystemExit):
        typed(FIT, monkeypatch)
    assert any(BAR.search(text) for text in seen)
    assert "\nholdout: error: " in seen[-1]
    assert not BAR.search(seen[-1])


def test_a_bar_is_drawn_a_few_times_a_second_at_most(monkeypatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(progress_bar.TqdmBars, "show", lambda self, name, done, total: drawn.append(done))
    monkeypatch.setattr(progress_bar, "INTERVAL", 1 / 8)
    now = [0.0]
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: now[0])
    bar = progress_bar.TerminalProgressBar()
    bar._trainer = type("T", (), {"is_global_zero": True})()
    for step in range(1024):
        now[0] = step / 1024
        bar._show("epoch 1", step, 1024)
    assert drawn == [*range(0, 1024, 128)]
