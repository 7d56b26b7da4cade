"""A command line, taken apart."""

from pathlib import Path

import pytest

from scripts.cli.command_line import CommandLine
from scripts.cli.errors import UsageError


def pairs(*words: str) -> list[tuple[str, str | None]]:
    return [(flag.name, flag.value) for flag in CommandLine.parse("fit", list(words)).flags]


def test_flags_keep_their_order_and_their_words() -> None:
    words = ["-cconfigs/digits.yaml", "--name=mine", "--model.network.dropout", "-1e-3", "lone", "--print_config", "x"]
    line = CommandLine.parse("fit", words)
    assert [word for flag in line.flags for word in flag.words] == words
    assert [(flag.name, flag.value) for flag in line.flags] == [
        ("-c", "configs/digits.yaml"),
        ("--name", "mine"),
        ("--model.network.dropout", "-1e-3"),
        ("", "lone"),
        ("--print_config", None),
        ("", "x"),
    ]


def test_the_last_value_of_a_flag_counts_and_null_is_none() -> None:
    line = CommandLine.parse("fit", ["--name", "a", "--name", "b", "--ckpt_path", "null"])
    assert line.values == {"--name": "b", "--ckpt_path": None}


def test_a_recipe_is_read_once_and_knows_which_classes_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = "configs/regularizers/disturb_label.yaml"
    reads: list[str] = []
    read_text = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, **kw: reads.append(str(path)) or read_text(path, **kw))
    line = CommandLine.parse("fit", ["-c", "configs/digits.yaml", "--config", overlay, "-c", overlay])
    assert reads == ["configs/digits.yaml", overlay]
    assert [recipe.classes for recipe in line.recipes.values()] == [{"model", "data"}, set()]


@pytest.mark.parametrize("flag", ["-h", "--help", "--model.help", "--data.help=Digits"])
def test_a_question_needs_no_recipe(flag: str) -> None:
    line = CommandLine.parse("fit", ["-c", "nowhere.yaml", flag])
    assert line.asks_help
    assert line.recipes == {}


def test_a_recipe_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no file configs/digit\.yaml; did you mean configs/digits\.yaml\?"):
        pairs("-c", "configs/digit.yaml")
