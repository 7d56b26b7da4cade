"""What the parser shows, and what it takes without showing it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import fsspec
import pytest
import yaml

from scripts.cli.errors import UsageError
from scripts.cli.parser import Parser
from scripts.main import main

Answer = Callable[..., str]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Answer:
    """Ask a question of the command line; return what it answers."""

    def ask(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["holdout", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        answered = capfd.readouterr()
        assert stopped.value.code in (0, None), answered.err
        return answered.out

    return ask


@pytest.mark.parametrize("job", ["validate", "test", "predict"])
def test_the_help_of_an_evaluation_leaves_out_what_plays_no_role_there(answer: Answer, job: str) -> None:
    shown = answer(job, "--help")
    assert "--data" in shown
    assert "early_stopping" not in shown
    assert "--checkpoint" not in shown


def test_the_help_of_fit_has_them(answer: Answer) -> None:
    shown = answer("fit", "--help")
    assert "--early_stopping" in shown
    assert "--checkpoint" in shown


def test_an_evaluation_takes_a_recipe_that_holds_them(answer: Answer) -> None:
    shown = answer("test", "-c", "configs/digits.yaml", "--early_stopping.patience", "3", "--print_config")
    assert yaml.safe_load(shown)["data"]["class_path"] == "datamodules.Digits"


def test_where_a_run_went_on_from_is_no_part_of_its_recipe(answer: Answer) -> None:
    shown = answer("fit", "-c", "configs/digits.yaml", "--ckpt_path", "last.ckpt", "--print_config")
    assert "ckpt_path" not in yaml.safe_load(shown)


@pytest.mark.parametrize("flag", ["--trainer.max_epochs=many", "--model.network.dropout=7"])
def test_the_error_behind_a_complaint_can_be_seen(complaint, monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    assert complaint("fit", "-c", "configs/digits.yaml", flag)
    monkeypatch.setenv("HOLDOUT_DEBUG", "1")
    with pytest.raises(UsageError) as raised:
        main()
    assert isinstance(raised.value.__cause__, (TypeError, ValueError))


def test_a_recipe_is_a_file_and_never_fetched(complaint, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise AssertionError("fetched")

    monkeypatch.setattr(fsspec, "open", fetch)
    for address in ("memory://digits.yaml", "s3://bucket/digits.yaml", "http://host/digits.yaml"):
        assert "no file" in complaint("fit", "-c", address)


@dataclass(frozen=True)
class Oven:
    degrees: int = 200
    minutes: int = 40


HOT = Oven(250)


class Bread:
    def __init__(self, oven: Oven = HOT) -> None:
        self.oven = oven


@pytest.mark.filterwarnings("error")
def test_no_flag_is_abbreviated_in_nested_settings_either() -> None:
    parser = Parser()
    parser.add_argument("--bread", type=Bread)
    words = ["--bread", f"{__name__}.Bread", "--bread.oven.minutes", "3"]
    assert parser.parse_args(words).bread.init_args.oven.minutes == 3
    words[2] = "--bread.oven.minut"
    with pytest.raises(UsageError, match=r"Bread has no argument 'oven\.minut'; did you mean oven\.minutes\?"):
        parser.parse_args(words)
