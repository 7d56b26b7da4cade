"""A command line, taken apart; words in the wrong place, flags without a value, recipes that are none."""

import shlex
from pathlib import Path

import pytest
import torch
import yaml

from scripts.cli.command_line import CommandLine, check_command_line
from scripts.cli.errors import UsageError

DIGITS = "-c configs/digits.yaml"
OVERLAY = "configs/regularizers/disturb_label.yaml"
RECIPE = Path("recipe.yaml")


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
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *given: reads.append(str(path)) or opened(path, *given))
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


def check(command: str) -> None:
    job, *words = shlex.split(command)
    check_command_line(CommandLine.parse(job, words))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"fit -c {OVERLAY} {DIGITS}", [OVERLAY, "overlay", f"{DIGITS} -c {OVERLAY}"]),
        (f"fit -c {OVERLAY}", [OVERLAY, "overlay", "no model class", f"-c RECIPE -c {OVERLAY}"]),
        (f"fit --config={OVERLAY} --config configs/digits.yaml", [OVERLAY, "overlay", DIGITS]),
        (f"fit --model.init_args.optimizer.lr 0.1 {DIGITS}", ["--model.init_args.optimizer.lr", DIGITS, "after"]),
        (f"fit --data.batch_size=9 {DIGITS}", ["--data.batch_size", DIGITS, "after"]),
        (f"fit --trainer.max_epochs 3 {DIGITS}", ["--trainer.max_epochs", DIGITS, "after"]),
        ("fit -c configs/trainer/cpu.yaml", ["recipe", "model and data", "first -c"]),
        (f"fit -c configs/trainer/debug.yaml {DIGITS}", ["-c configs/trainer/debug.yaml", DIGITS, "after the recipe"]),
    ],
)
def test_the_recipe_comes_first(complaint, command, said) -> None:
    message = complaint(*shlex.split(command))
    assert all(part in message for part in said), message


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("fit configs/digits.yaml", "did you mean -c configs/digits.yaml?"),
        (f"fit {DIGITS} {OVERLAY}", f"did you mean -c {OVERLAY}?"),
        ("test runs/a/checkpoints/best.ckpt", "did you mean --ckpt_path runs/a/checkpoints/best.ckpt?"),
        (f"fit {DIGITS} data.batch_size=3", "begins with two dashes"),
        (
            f"fit {DIGITS} --trainer.callbacks=[{{class_path: ModelCheckpoint}}]",
            "of --trainer.callbacks in quotes",
        ),
        (f"fit {DIGITS} --model.network.widths [8, 9]", "of --model.network.widths in quotes"),
        ("configs/digits.yaml", "did you mean holdout fit -c configs/digits.yaml?"),
        ("best.ckpt", "did you mean holdout test --ckpt_path best.ckpt?"),
        (DIGITS, "did you mean holdout fit -c configs/digits.yaml?"),
        (f"{DIGITS} --ckpt_path best test", "did you mean holdout test -c configs/digits.yaml --ckpt_path best?"),
    ],
)
def test_a_word_in_the_wrong_place(complaint, command, said) -> None:
    assert said in complaint(*shlex.split(command))


@pytest.mark.parametrize("flag", ["--early_stopping.monitor", "--model.network", "--ckpt_path", "--name"])
@pytest.mark.parametrize("after", [[], ["--trainer.max_epochs", "3"]], ids=["at the end", "before another"])
def test_a_flag_without_a_value_is_named_in_full(complaint, flag, after) -> None:
    assert f"{flag} needs a value" in complaint("fit", *DIGITS.split(), flag, *after)


@pytest.mark.parametrize("words", [["-c"], ["-c", ""], ["--config="]])
def test_no_recipe_after_the_flag_that_takes_one(complaint, words) -> None:
    assert f"{words[0].rstrip('=')} needs a value" in complaint("fit", *words)


def test_a_folder_is_no_recipe_and_one_in_it_is_named(complaint) -> None:
    message = complaint("fit", "-c", "configs")
    assert "configs is a folder" in message
    assert "such as configs/" in message


@pytest.mark.parametrize(
    ("name", "said"), [("best.ckpt", "did you mean --ckpt_path best.ckpt?"), ("cat.png", "not a text file")]
)
def test_a_file_that_holds_no_text_is_no_recipe(complaint, name, said) -> None:
    torch.save({"state_dict": {}, "weights": torch.arange(300.0)}, name)
    message = complaint("fit", "-c", name)
    assert f"{name} is not a recipe" in message
    assert said in message


def test_a_file_that_is_not_yaml_is_named_with_the_line(complaint) -> None:
    RECIPE.write_text("model: x\ndata: y: z\n")
    message = complaint("fit", *DIGITS.split(), "-c", str(RECIPE))
    assert "recipe.yaml is not YAML" in message
    assert "line 2" in message


@pytest.mark.parametrize("subcommand", ["fit", "test"])
def test_a_recipe_says_nothing_of_a_checkpoint_to_go_on_from(complaint, subcommand) -> None:
    RECIPE.write_text(Path("configs/digits.yaml").read_text() + "ckpt_path: elsewhere/last.ckpt\n")
    message = complaint(subcommand, "-c", str(RECIPE))
    assert "recipe.yaml: ckpt_path" in message
    assert "on the command line: --ckpt_path elsewhere/last.ckpt" in message


@pytest.mark.parametrize(
    "command",
    [
        f"fit --name mine --runs_dir there --ckpt_path last {DIGITS} -c {OVERLAY} --data.batch_size 3",
        f"fit --seed_everything 3 {DIGITS}",
        f"fit --checkpoint null {DIGITS} --early_stopping null",
        f"fit {DIGITS} --model.network.dropout -1 --model.network.dropout -1e-3 --trainer.devices=2",
        "fit -cconfigs/digits.yaml --print_config --data.batch_size 3",
        f"fit --model Classifier --model.network MLP --data Digits -c {OVERLAY}",
        "fit configs/digits.yaml --help",
        "test --ckpt_path best.ckpt --data.batch_size 3",
        "fit --data.help datamodules.Digits",
    ],
)
def test_a_command_line_in_order(command) -> None:
    check(command)


def test_a_recipe_may_be_split_over_files_whichever_comes_first() -> None:
    recipe = yaml.safe_load(Path("configs/digits.yaml").read_text())
    parts = []
    for key in recipe:
        parts += ["-c", f"{key}.yaml"]
        Path(f"{key}.yaml").write_text(yaml.safe_dump({key: recipe[key]}))
    check(shlex.join(["fit", *parts]))
    check(shlex.join(["fit", *reversed([f"-c{path}" for path in parts[1::2]])]))


def test_checkpoint_and_name_are_the_flags_wherever_they_stand() -> None:
    RECIPE.write_text(Path("configs/digits.yaml").read_text() + "name: digits\nckpt_path: last.ckpt\n")
    check(f"fit --ckpt_path other.ckpt --name mine -c {RECIPE}")


@pytest.mark.parametrize("flag", ["--trainer.accelerator cpu", "--trainer.devices=1", "--early_stopping.min_delta 0.1"])
def test_a_flag_that_the_recipe_leaves_alone_may_come_first(flag) -> None:
    check(f"fit {flag} {DIGITS}")


def test_an_overlay_alone_goes_with_a_checkpoint() -> None:
    check(f"test -c {OVERLAY} --ckpt_path best.ckpt")


@pytest.mark.parametrize("flag", ["--name", "--runs_dir", "--ckpt_path", "--output"])
def test_an_empty_name_is_not_taken_for_none(complaint, flag: str) -> None:
    job = "predict" if flag == "--output" else "fit"
    assert complaint(job, *DIGITS.split(), flag, "") == f"{flag} is empty; give a value, or leave it out"


@pytest.mark.parametrize(
    ("overlay", "key"), [("trainr: {max_epochs: 3}", "trainr.max_epochs"), ("trainer: {epochs: 3}", "trainer.epochs")]
)
def test_an_unknown_key_is_blamed_on_the_file_that_holds_it(complaint, overlay: str, key: str) -> None:
    Path("overlay.yaml").write_text(overlay)
    said = complaint("fit", *DIGITS.split(), "-c", "overlay.yaml")
    assert said.startswith(f"overlay.yaml: unknown key {key!r}")
