import os
from pathlib import Path

import pytest
import torch
import yaml

from scripts.cli.arguments import complete
from scripts.cli.checkpoint_config import CONFIG_KEY
from scripts.cli.runs import RUN_FOLDER_VARIABLE, UsageError

CONFIG = {
    "model": {"class_path": "models.Classifier"},
    "data": {"class_path": "datamodules.Digits"},
    "trainer": {"max_epochs": 7},
}


def make_checkpoint(folder: str, name: str = "last.ckpt") -> str:
    path = Path(folder) / "checkpoints" / name
    path.parent.mkdir(parents=True)
    torch.save({"state_dict": {}, CONFIG_KEY: yaml.safe_dump(CONFIG)}, path)
    (Path(folder) / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return str(path)


def test_a_first_fit_stays_as_it_was_typed() -> None:
    arguments = ["fit", "-c", "configs/digits.yaml", "--trainer.max_epochs", "3"]
    completed = complete(arguments)
    assert completed.arguments == arguments
    assert (completed.name, completed.runs_dir, completed.checkpoint) == ("digits", Path("runs"), None)


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ([], "digits"),
        (["-c", "configs/trainer/cpu.yaml"], "digits"),
        (["--name", "mine"], "mine"),
        (["--name=mine"], "mine"),
    ],
)
def test_a_run_is_called_after_its_first_recipe_unless_named(extra: list[str], name: str) -> None:
    assert complete(["fit", "--config=configs/digits.yaml", *extra]).name == name


def test_last_becomes_the_newest_runs_file_and_its_folder_goes_on() -> None:
    path = make_checkpoint("elsewhere/digits/version_3")
    completed = complete(["fit", "-c", "configs/digits.yaml", "--runs_dir", "elsewhere", "--ckpt_path", "last"])
    assert completed.checkpoint == Path(path)
    assert completed.arguments[-2:] == ["--ckpt_path", path]
    assert os.environ[RUN_FOLDER_VARIABLE] == "elsewhere/digits/version_3"


def test_a_fit_without_a_recipe_goes_on_with_the_runs_own_and_flags_win() -> None:
    path = make_checkpoint("runs/digits/version_3")
    completed = complete(["fit", "--ckpt_path", path, "--trainer.max_epochs", "9"])
    assert completed.arguments[:3] == ["fit", "--config", "runs/digits/version_3/config.yaml"]
    assert completed.arguments[3:7] == ["--ckpt_path", path, "--trainer.max_epochs", "9"]
    assert completed.name == "digits"


@pytest.mark.parametrize("subcommand", ["validate", "test", "predict"])
@pytest.mark.parametrize("copied", [False, True], ids=["in its run folder", "copied elsewhere"])
def test_an_evaluation_takes_the_recipe_out_of_the_checkpoint_and_flags_win(subcommand: str, copied: bool) -> None:
    path = make_checkpoint("runs/digits/version_3")
    if copied:
        path = str(Path(path).rename("copy.ckpt"))
    completed = complete([subcommand, "--ckpt_path", path, "--data.eval_batch_size", "9"])
    assert completed.arguments[:2] == [subcommand, "--config"]
    assert yaml.safe_load(completed.arguments[2]) == {"model": CONFIG["model"], "data": CONFIG["data"]}
    assert completed.arguments[3:7] == ["--ckpt_path", path, "--data.eval_batch_size", "9"]
    assert completed.name == ("run" if copied else "digits")
    assert RUN_FOLDER_VARIABLE not in os.environ


def test_a_recipe_that_is_given_takes_the_place_of_the_checkpoints() -> None:
    path = make_checkpoint("runs/digits/version_3", "best.ckpt")
    completed = complete(["test", "-c", "configs/digits.yaml", "--ckpt_path", "best"])
    assert completed.arguments.count("--config") + completed.arguments.count("-c") == 1
    assert completed.checkpoint == Path(path)


def test_a_run_found_by_name_needs_no_recipe() -> None:
    path = make_checkpoint("runs/digits/version_3", "best.ckpt")
    completed = complete(["test", "--name", "digits", "--ckpt_path", "best"])
    assert completed.checkpoint == Path(path)
    assert "datamodules.Digits" in completed.arguments[2]


def test_a_fit_from_a_checkpoint_outside_a_run_needs_a_recipe() -> None:
    path = Path(make_checkpoint("runs/digits/version_3")).rename("copy.ckpt")
    with pytest.raises(UsageError, match=r"needs a recipe.*configs/digits\.yaml"):
        complete(["fit", "--ckpt_path", str(path)])
    assert complete(["fit", "-c", "configs/digits.yaml", "--ckpt_path", str(path)]).checkpoint == path
    assert RUN_FOLDER_VARIABLE not in os.environ, "a run of its own"


@pytest.mark.parametrize("subcommand", ["validate", "test", "predict"])
def test_an_evaluation_needs_a_checkpoint(subcommand: str) -> None:
    with pytest.raises(UsageError, match=f"{subcommand} needs a checkpoint"):
        complete([subcommand, "-c", "configs/digits.yaml"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["fit", "--help"],
        ["test", "-h"],
        ["fit", "--print_config"],
        ["test", "--print_config=skip_unset"],
        [],
    ],
)
def test_a_question_needs_neither_recipe_nor_checkpoint(arguments: list[str]) -> None:
    assert complete(arguments).arguments == arguments
