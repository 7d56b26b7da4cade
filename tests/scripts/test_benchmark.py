"""What the benchmark calls ours."""

import gc
import json
import math
import os
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from datamodules import MNIST
from datamodules.images.mnist import TEST_IMAGES, TRAIN_IMAGES
from scripts.benchmark import as_plain, lines_of, main, table
from scripts.benchmarks import disturb_label
from scripts.benchmarks.contest import Contest, Outcome, Target, hold
from scripts.benchmarks.mlp_epoch import our_epochs
from scripts.benchmarks.setup import Setup
from scripts.cli.first_process import RUN_FOLDER_VARIABLE


def test_what_is_timed_is_the_command_itself(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    images = torch.randint(256, (300, 28, 28), dtype=torch.uint8)
    files = {TRAIN_IMAGES: (images[:200], torch.arange(200) % 10), TEST_IMAGES: (images[200:], torch.arange(100) % 10)}
    monkeypatch.setattr(MNIST, "prepare_data", lambda self: None)
    monkeypatch.setattr(MNIST, "_read", lambda self, images, labels: files[images])
    monkeypatch.setattr(MNIST, "published_digests", {})
    timer = our_epochs(Setup("elsewhere", Path("timed")), 2)
    assert len(timer.epochs) == len(timer.training) == 2
    assert all(whole > part > 0 for whole, part in zip(timer.epochs, timer.training, strict=True))
    (folder,) = Path("timed").glob("*/version_0")
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"config.yaml", "split.json", "summary.json", "checkpoints/best.ckpt", "checkpoints/last.ckpt"} <= left
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert settings["data"]["init_args"]["batch_size"] == 64
    assert settings["model"]["init_args"]["optimizer"]["class_path"] == "torch.optim.SGD"
    assert capfd.readouterr().out == ""
    assert RUN_FOLDER_VARIABLE not in os.environ, "the next round is a run of its own"


def test_a_table_says_of_each_target_whether_it_was_met() -> None:
    targets = [Target("ours", "theirs", 0.5), Target("ours", None, 3, share=0.9)]
    contest = Contest("a step", "s", {"ours": lambda n: float(n + 1), "theirs": lambda _: 8.0}, targets)
    outcome = replace(hold(contest, 5), busiest=None)  # whatever else the machine does
    lines = table({"contests": [as_plain(outcome)]}).splitlines()
    assert lines[2:] == [
        "| a step | ours ÷ theirs ≤ 0.5 | 0.375 (0.125 to 0.625) | met |",
        "| a step | ours ≤ 3 in 90 % of the rounds | 3 (1 to 5) | missed |",
    ]


def test_nothing_of_a_contest_stays_in_memory() -> None:
    class Part:
        def __init__(self) -> None:
            self.itself = self

    kept: list[Part] = []
    made: list[weakref.ref[Part]] = []

    def measure(_: int) -> float:
        kept[:] = [Part()]
        made.append(weakref.ref(kept[0]))
        return 1.0

    hold(Contest("a step", "s", {"ours": measure}, []), 2)
    kept.clear()
    gc.collect()
    assert len(made) > 2
    assert not any(part() for part in made)


def test_what_is_never_reached_is_said_so_in_strict_json() -> None:
    contest = Contest("to 99 %", "s", {"ours": lambda _: math.inf}, [Target("ours", None, 10)])
    outcome = replace(hold(contest, 3), busiest=None)
    written = json.dumps({"contests": [as_plain(outcome)]}, allow_nan=False)
    assert table(json.loads(written)).splitlines()[2] == "| to 99 % | ours ≤ 10 | never | missed |"


@pytest.mark.parametrize("content", [None, "{", "[]", '{"contests": [{}]}'])
def test_a_table_of_nothing_is_one_line(tmp_path, monkeypatch, capsys, content) -> None:
    path = tmp_path / "figures.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(sys, "argv", ["benchmark", "--table", str(path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert f"--table {path} holds no figures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rounds", "0"], "--rounds 0 is less than 1"),
        (["--accelerator", "gpu"], "--accelerator gpu: there is none here"),
        (["--suite", "set_up", "--data_dir", "nowhere"], "nothing was measured"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path, monkeypatch, capsys, words, said) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["benchmark", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"benchmark: error: {said}\n"
    assert not (tmp_path / "benchmark.json").exists()


def test_an_interrupt_leaves_the_figures_of_the_contests_before(tmp_path, monkeypatch, capsys) -> None:
    def interrupt(_: int) -> float:
        raise KeyboardInterrupt

    done = Contest("a step", "s", {"ours": lambda _: 1.0})
    monkeypatch.setattr(disturb_label, "contests", lambda _: [done, Contest("another", "s", {"ours": interrupt})])
    words = ["--suite", "disturb_label", "--output", str(tmp_path / "figures.json")]
    monkeypatch.setattr(sys, "argv", ["benchmark", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "benchmark: interrupted\n"
    written = json.loads((tmp_path / "figures.json").read_text())
    assert [contest["title"] for contest in written["contests"]] == ["a step"]


def test_a_verdict_beside_other_work_says_so() -> None:
    outcome = Outcome(Contest("a step", "s", {}, [Target("ours", None, 2)]), {"ours": [1.0]}, ("other", 0.5))
    assert "met, not clean" in lines_of(outcome)[2]
    assert table({"contests": [as_plain(outcome)]}).endswith("| met, not clean |")


def test_the_readme_shows_what_was_measured() -> None:
    root = Path(__file__).parents[2]
    assert table(json.loads((root / "scripts/benchmarks/results.json").read_text())) in (root / "README.md").read_text()
