import os
from pathlib import Path

import pytest
import torch
import yaml

from callbacks import CheckpointError
from scripts.cli.checkpoint_config import CONFIG_KEY
from scripts.cli.command_line import CommandLine
from scripts.cli.errors import UsageError
from scripts.cli.first_process import RUN_FOLDER_VARIABLE
from scripts.cli.invocation import Invocation, resolve

CONFIG = {
    "model": {"class_path": "models.Classifier"},
    "data": {"class_path": "datamodules.Digits"},
    "trainer": {"max_epochs": 7},
}


def resolved(*words: str) -> Invocation:
    return resolve(CommandLine.parse(words[0], list(words[1:])))


def make_checkpoint(folder: str, name: str = "last.ckpt") -> str:
    path = Path(folder) / "checkpoints" / name
    path.parent.mkdir(parents=True)
    torch.save({"state_dict": {}, CONFIG_KEY: yaml.safe_dump(CONFIG)}, path)
    (Path(folder) / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return str(path)


def test_a_first_fit_stays_as_it_was_typed() -> None:
    arguments = ["-c", "configs/digits.yaml", "--trainer.max_epochs", "3"]
    completed = resolved("fit", *arguments)
    assert completed.arguments == arguments
    assert completed.recipes == {"configs/digits.yaml": Path("configs/digits.yaml").read_text()}
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
    assert resolved("fit", "--config=configs/digits.yaml", *extra).name == name


def test_last_becomes_the_newest_runs_file_and_its_folder_goes_on() -> None:
    path = make_checkpoint("elsewhere/digits/version_3")
    completed = resolved("fit", "-c", "configs/digits.yaml", "--runs_dir", "elsewhere", "--ckpt_path", "last")
    assert completed.checkpoint == Path(path)
    assert completed.arguments == ["-c", "configs/digits.yaml", "--runs_dir", "elsewhere"]
    assert os.environ[RUN_FOLDER_VARIABLE] == "elsewhere/digits/version_3"


def test_a_fit_without_a_recipe_goes_on_with_the_runs_own_and_flags_win() -> None:
    path = make_checkpoint("runs/digits/version_3")
    completed = resolved("fit", "--ckpt_path", path, "--trainer.max_epochs", "9")
    assert completed.arguments == ["--config=runs/digits/version_3/config.yaml", "--trainer.max_epochs", "9"]
    assert yaml.safe_load(completed.recipes["runs/digits/version_3/config.yaml"]) == CONFIG
    assert completed.checkpoint == Path(path)
    assert completed.name == "digits"


@pytest.mark.parametrize("job", ["validate", "test", "predict"])
@pytest.mark.parametrize("copied", [False, True], ids=["in its run folder", "copied elsewhere"])
def test_an_evaluation_takes_the_recipe_out_of_the_checkpoint_and_flags_win(job: str, copied: bool) -> None:
    path = make_checkpoint("runs/digits/version_3")
    if copied:
        path = str(Path(path).rename("copy.ckpt"))
    completed = resolved(job, "--ckpt_path", path, "--data.eval_batch_size", "9")
    assert completed.arguments == [f"--config={path}", "--data.eval_batch_size", "9"]
    assert yaml.safe_load(completed.recipes[path]) == {"model": CONFIG["model"], "data": CONFIG["data"]}
    assert completed.name == ("run" if copied else "digits")
    assert RUN_FOLDER_VARIABLE not in os.environ


def test_a_recipe_that_is_given_takes_the_place_of_the_checkpoints() -> None:
    path = make_checkpoint("runs/digits/version_3", "best.ckpt")
    completed = resolved("test", "-c", "configs/digits.yaml", "--ckpt_path", "best")
    assert completed.arguments == ["-c", "configs/digits.yaml"]
    assert completed.checkpoint == Path(path)


def test_a_run_found_by_name_needs_no_recipe() -> None:
    path = make_checkpoint("runs/digits/version_3", "best.ckpt")
    completed = resolved("test", "--name", "digits", "--ckpt_path", "best")
    assert completed.checkpoint == Path(path)
    assert "datamodules.Digits" in completed.recipes[path]


def test_a_fit_from_a_checkpoint_outside_a_run_is_a_run_of_its_own_by_the_recipe_inside() -> None:
    path = Path(make_checkpoint("runs/digits/version_3")).rename("copy.ckpt")
    from_inside = resolved("fit", "--ckpt_path", str(path))
    assert from_inside.arguments == ["--config=copy.ckpt"]
    assert "datamodules.Digits" in from_inside.recipes["copy.ckpt"]
    assert resolved("fit", "-c", "configs/digits.yaml", "--ckpt_path", str(path)).checkpoint == path
    assert RUN_FOLDER_VARIABLE not in os.environ, "a run of its own"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match=r"copy.ckpt has no recipe .*; give one with -c"):
        resolved("fit", "--ckpt_path", str(path))


@pytest.mark.parametrize("job", ["validate", "test", "predict"])
def test_an_evaluation_needs_a_checkpoint(job: str) -> None:
    with pytest.raises(UsageError, match=f"{job} needs a checkpoint"):
        resolved(job, "-c", "configs/digits.yaml")


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "--help"],
        ["test", "-h"],
        ["fit", "--print_config"],
        ["test", "--print_config=skip_unset"],
        ["fit", "--model.help", "models.Classifier"],
    ],
)
def test_a_question_needs_neither_recipe_nor_checkpoint(arguments: list[str]) -> None:
    assert resolved(*arguments).arguments == arguments[1:]


@pytest.mark.parametrize(("job", "kept"), [("test", "best.ckpt"), ("fit", "last.ckpt")])
def test_a_run_folder_means_its_best_checkpoint_or_to_resume_its_last(job: str, kept: str) -> None:
    path = make_checkpoint("runs/digits/version_3", kept)
    assert resolved(job, "--ckpt_path", "runs/digits/version_3").checkpoint == Path(path)
