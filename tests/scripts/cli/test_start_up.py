"""The start-up cache: the same answers as without it, and no torch."""

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from scripts.cli import start_up_cache
from scripts.cli.flags import check_flags, suggest_flag
from scripts.cli.jobs import CLASSES, JOBS
from scripts.cli.start_up import asked
from scripts.cli.start_up_cache import StartUpCache, cache_file
from scripts.main import main
from tests.scripts.test_main import run_without_torch

RECIPE = "fit -c configs/digits.yaml "
QUESTIONS = [
    "fit --help",
    "predict -h",
    "fit --model.help",
    "fit --model.network.help MLP",
    RECIPE + "--trainer.max_epoch 3",
    RECIPE + "--trainer.max_epoch=3",
    RECIPE + "--early_stopping.patient 3",
    RECIPE + "--lr 0.1",
    "test --ckpt_pth best",
]
Ask = Callable[[str], tuple[str, str]]


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ask:
    """Ask a question; return what is printed to standard output and standard error."""

    def ask_once(command: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["holdout", *shlex.split(command)])
        with pytest.raises(SystemExit):
            main()
        out, err = capfd.readouterr()
        return out, err

    return ask_once


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_warm_cache_gives_the_same_answer_without_torch(ask: Ask, cache_home: Path, command: str) -> None:
    cold = ask(command)
    done = run_without_torch(*shlex.split(command), XDG_CACHE_HOME=str(cache_home))
    assert (done.stdout, done.stderr) == cold
    assert done.returncode == (0 if done.stdout else 2)


def spoil(path: Path, how: str) -> None:
    """Make a cache file unusable."""
    held = json.loads(path.read_text())
    changed = {
        "another version": held | {"state": "0" * 64},
        "pages that are no text": held | {"pages": {"fit": ["rm"]}},
        "flags that are no list": held | {"known": {"fit": "--model"}, "below": {"fit": []}},
        "jobs without flags below": held | {"below": {}},
        "another form": [held],
        "missing keys": {"state": held["state"]},
    }
    contents = {"garbage": b"\x00\xff{", "empty": b"", "deep": b"[" * 100_000}
    path.write_bytes(contents.get(how) or json.dumps(changed.get(how, "")).encode())


@pytest.mark.parametrize(
    "how",
    [
        "another version",
        "pages that are no text",
        "flags that are no list",
        "jobs without flags below",
        "another form",
        "missing keys",
        "garbage",
        "empty",
        "deep",
    ],
)
def test_a_cache_that_cannot_be_used_is_ignored_and_replaced(ask: Ask, how: str) -> None:
    commands = ("fit --help", RECIPE + "--trainer.max_epoch 3")
    cold = [ask(command) for command in commands]
    good = StartUpCache.read()
    spoil(cache_file(), how)
    assert StartUpCache.read() == StartUpCache()
    assert [ask(command) for command in commands] == cold
    assert StartUpCache.read() == good


def test_a_folder_that_cannot_be_written_does_not_matter(ask: Ask, cache_home: Path) -> None:
    cold = ask("fit --help")
    cache_file().unlink()
    cache_file().parent.rmdir()
    cache_file().parent.write_text("a file where the folder would be")
    assert ask("fit --help") == cold
    assert [path.name for path in cache_home.iterdir()] == ["holdout"]


def test_nothing_but_the_file_is_left(ask: Ask) -> None:
    ask("fit --help")
    assert list(cache_file().parent.iterdir()) == [cache_file()]


def test_a_changed_source_file_makes_the_cache_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    source = tmp_path / "models" / "net.py"
    source.write_text("x = 1\n")
    monkeypatch.setattr(start_up_cache, "ROOT", tmp_path)
    before = start_up_cache.state()
    assert start_up_cache.state() == before
    os.utime(source, ns=(0, 0))
    touched = start_up_cache.state()
    source.write_text("x = 12\n")
    os.utime(source, ns=(0, 0))
    assert len({before, touched, start_up_cache.state()}) == 3


@pytest.mark.parametrize("name", ["torch", "lightning", "jsonargparse"])
def test_another_version_of_a_library_makes_the_cache_old(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = start_up_cache.state()
    found = start_up_cache._version
    monkeypatch.setattr(start_up_cache, "_version", lambda library: "0" if library == name else found(library))
    assert start_up_cache.state() != before


@pytest.mark.parametrize("home", ["", "relative/folder"])
def test_without_a_folder_for_caches_it_lies_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    assert cache_file().parent == Path("~/.cache/holdout").expanduser()


@pytest.mark.parametrize(
    "job", [name for name, job in JOBS.items() if CLASSES[-1] in job.options and job.checkpoint_help]
)
def test_the_flags_are_those_that_the_parser_takes(ask: Ask, job: str) -> None:
    printed = yaml.safe_load(ask(f"{job} -c configs/digits.yaml --print_config")[0])
    known = {flag.removeprefix("--") for flag in StartUpCache.read().known[job]}
    below = {flag for flag in known if flag.endswith(".*")}
    assert below >= {"model.*", "data.*"}
    not_printed = {"-h", "-c", "help", "config", "print_config", "ckpt_path"} | below
    unused = {"early_stopping", "checkpoint", "compile"}  # of a training alone
    of_training = {flag for flag in known if flag.split(".")[0] in unused}
    assert of_training >= {*unused, "early_stopping.patience", "checkpoint.monitor"}
    trainer = {f"trainer.{key}" for key in printed["trainer"]}
    assert known - not_printed - of_training == (printed.keys() | trainer) - unused
    assert not_printed <= known


@pytest.mark.parametrize(
    "words",
    [
        "-c a.yaml --trainer.max_epochs 3 --trainer.callbacks+ EMA --trainer.callbacks.decay=0.9",
        "--model Classifier --model.nonsense 3 --data.nonsense.deep=4 --config=b.yaml -cb.yaml",
        "--early_stopping null --checkpoint.init_args.monitor val/loss --trainer.logger.class_path X",
        "--print_config --print_config=skip_unset -x --data.mean -1 word",
    ],
)
def test_flags_that_are_known_or_the_parser_s_to_judge(words: str) -> None:
    from scripts.cli.class_help import known_flags

    check_flags(words.split(), known_flags(JOBS["fit"]), [])


@pytest.mark.parametrize(
    ("flag", "closest"),
    [
        ("--seed", "--seed_everything"),
        ("--trainer.epochs", "--trainer.max_epochs"),
        ("--epochs", "--trainer.max_epochs"),
        ("--lr", "--model.optimizer.lr"),
        ("--optimizer.lr", "--model.optimizer.lr"),
        ("--batch_size", "--data.batch_size"),
        ("--dropout", "--model.network.dropout"),
        ("--trainr.max_epochs", "--trainer.max_epochs"),
        ("--ckpt", "--ckpt_path"),
        ("--patience", "--early_stopping.patience"),
        ("--callbacks", "--trainer.callbacks"),
    ],
)
def test_the_closest_flag(flag: str, closest: str) -> None:
    from scripts.cli.class_help import flags_below, known_flags

    assert suggest_flag(flag, [*known_flags(JOBS["fit"]), *flags_below(JOBS["fit"])]) == f"; did you mean {closest}?"


def test_a_flag_that_is_close_to_none() -> None:
    assert suggest_flag("--quux", ["--name", "--trainer.max_epochs"]) == ""


@pytest.mark.parametrize(
    ("words", "question"),
    [
        ("-c a.yaml --help", ("", None)),
        ("--model.help", ("model", None)),
        ("--model.help -c a.yaml", ("model", None)),
        ("--model.help= MLP", ("model", None)),
        ("--model.network.help=MLP", ("model.network", "MLP")),
        ("--model.init_args.regularizers+.help MixUp", ("model.regularizers", "MixUp")),
        ("-c a.yaml --name help", None),
    ],
)
def test_what_is_asked(words: str, question: tuple[str, str | None] | None) -> None:
    assert asked(words.split()) == question
