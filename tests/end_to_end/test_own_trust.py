"""A run on classes of one's own is trusted by its user's key and by no other; a stranger's run imports nothing."""

import contextlib
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from callbacks import load_checkpoint
from models import Classifier
from models.init_args import HYPER_PARAMETERS
from models.own_runs import SIGNED_KEY
from scripts.cli.checkpoint_config import CONFIG_KEY

OWN = """
from torch import nn

open("imported", "a").write("x")


class Net(nn.Sequential):
    def __init__(self, input_shape, num_classes, width: int = 8):
        super().__init__(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, num_classes))
"""
FIT = ["fit", "-c", "configs/digits.yaml", "--trainer.max_epochs", "1", "--model.network", "owned.Net"]
FOREIGN = {"class_path": "foreign.Net", "init_args": {}}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(autouse=True)
def home(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this user have a key."""
    monkeypatch.setenv("XDG_STATE_HOME", str(state))


@pytest.fixture(scope="module")
def trained(new_desk, state: Path):
    """A desk beside `owned.py`, and what training with its network printed."""
    desk = new_desk()
    (desk.folder / "owned.py").write_text(OWN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        return desk, desk.here(*FIT).stdout


@pytest.fixture
def desk(trained) -> Iterator:
    """The desk, in a process that has not imported `owned` yet."""
    forget("owned")
    before = list(sys.path)
    sys.path[:] = [path for path in sys.path if "desk" not in path]
    yield trained[0]
    sys.path[:] = before
    forget("owned")


def forget(module: str) -> None:
    sys.modules.pop(module, None)


def copy_of(desk, tmp_path: Path) -> Path:
    """Return the checkpoint of a copy of the run."""
    folder = shutil.copytree(desk.folder / "runs" / "digits" / "version_0", tmp_path / "runs" / "digits" / "version_0")
    return folder / "checkpoints" / "best.ckpt"


def edit(path: Path, change) -> None:
    content = load_checkpoint(path)
    change(content)
    torch.save(content, path)


def refused(desk, checkpoint: Path, name: str = "owned.Net") -> None:
    """Check that no job and no method imports what a checkpoint names; each says so in one line."""
    imported = (desk.folder / "imported").read_text()
    for job in ("test", "validate", "predict", "fit"):
        said = desk.here(job, "--ckpt_path", str(checkpoint), status=2).stderr
        assert f"names {name} at model." in said
        assert "-c " in said
        assert said.count("\n") == 1
        forget("owned")
    with contextlib.chdir(desk.folder), pytest.raises(ImportError, match=f"names {name}"):
        Classifier.load_from_checkpoint(checkpoint)
    assert (desk.folder / "imported").read_text() == imported


def test_the_printed_line_works_and_no_job_needs_a_recipe(desk, trained) -> None:
    checkpoint = "runs/digits/version_0/checkpoints/best.ckpt"
    command = shlex.split(trained[1].splitlines()[-1].removeprefix("test it     holdout "))
    assert command == ["test", "--ckpt_path", "runs/digits/version_0"]
    for job in ("test", "validate", "predict"):
        forget("owned")
        assert checkpoint in desk.here(job, "--ckpt_path", checkpoint).stdout or job == "predict"
    forget("owned")
    with contextlib.chdir(desk.folder):
        sys.path.append(str(desk.folder))
        assert type(Classifier.load_from_checkpoint(checkpoint).network).__name__ == "Net"
    forget("owned")
    desk.here("fit", *FIT[1:], "--name", "more")
    forget("owned")
    done = desk.here("fit", "--ckpt_path", "runs/more/version_0", "--trainer.max_epochs", "2").stdout
    assert "resumed after epoch 1" in done


@pytest.mark.slow
def test_a_process_of_its_own_finds_the_file_in_the_working_folder(desk) -> None:
    assert "test/accuracy" in desk.run("test", "--ckpt_path", "runs/digits/version_0").stdout


def test_the_key_is_the_users_alone_and_in_no_run(desk, state) -> None:
    key = state / "holdout" / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    held = key.read_bytes()
    assert [path.name for path in key.parent.iterdir()] == ["key"]
    for file in (desk.folder / "runs").rglob("*"):
        assert not file.is_file() or (held not in file.read_bytes() and held.hex().encode() not in file.read_bytes())


def test_on_another_machine_the_recipe_is_asked_for(desk, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    refused(desk, Path("runs/digits/version_0/checkpoints/best.ckpt"))
    desk.here(*FIT, "--name", "theirs")  # which makes that user's key
    refused(desk, Path("runs/digits/version_0/checkpoints/best.ckpt"))


def test_without_a_home_to_write_in_the_printed_line_names_the_recipe(desk, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    line = desk.here(*FIT, "--name", "homeless").stdout.splitlines()[-1]
    checkpoint = "runs/homeless/version_0/checkpoints/best.ckpt"
    assert line == "test it     holdout test -c runs/homeless/version_0/config.yaml --ckpt_path runs/homeless/version_0"
    assert SIGNED_KEY not in load_checkpoint(desk.folder / checkpoint)
    assert "test/accuracy" in desk.here(*shlex.split(line)[3:]).stdout


def test_a_key_that_others_can_read_counts_for_nothing(desk, state) -> None:
    key = state / "holdout" / "key"
    key.chmod(0o644)
    try:
        refused(desk, Path("runs/digits/version_0/checkpoints/best.ckpt"))
    finally:
        key.chmod(0o600)


def test_a_copy_of_the_run_elsewhere_is_the_users_own_still(desk, tmp_path) -> None:
    assert "test/accuracy" in desk.here("test", "--ckpt_path", str(copy_of(desk, tmp_path))).stdout


def with_network(config: dict):
    def change(content: dict) -> None:
        recipe = yaml.safe_load(content[CONFIG_KEY])
        recipe["model"]["init_args"]["network"] = config
        content[CONFIG_KEY] = yaml.safe_dump(recipe)
        content[HYPER_PARAMETERS]["network"] = config

    return change


def test_another_class_than_the_signed_one_is_not_imported(desk, tmp_path) -> None:
    checkpoint = copy_of(desk, tmp_path)
    edit(checkpoint, with_network(FOREIGN))
    config = checkpoint.parents[1] / "config.yaml"
    settings = yaml.safe_load(config.read_text())
    settings["model"]["init_args"]["network"] = FOREIGN
    config.write_text(yaml.safe_dump(settings))
    refused(desk, checkpoint, "foreign.Net")


def test_the_signed_class_at_another_place_is_not_imported(desk, tmp_path) -> None:
    checkpoint = copy_of(desk, tmp_path)

    def change(content: dict) -> None:
        recipe = yaml.safe_load(content[CONFIG_KEY])
        recipe["model"]["init_args"]["loss"] = {"class_path": "owned.Net"}
        content[CONFIG_KEY] = yaml.safe_dump(recipe)

    edit(checkpoint, change)
    said = desk.here("test", "--ckpt_path", str(checkpoint), status=2).stderr
    assert "names owned.Net at model.init_args.loss.class_path" in said


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held["names"].append(["model.init_args.loss.class_path", "foreign.Net"]),
        lambda held: held.update(signature="0" * 64),
        lambda held: held.update(signature="ä"),
        lambda held: held.update(signature=None),
        lambda held: held.update(names=[["a"], 3]),
        lambda held: held.clear(),
    ],
)
def test_a_changed_signature_counts_for_nothing(desk, tmp_path, change) -> None:
    checkpoint = copy_of(desk, tmp_path)
    edit(checkpoint, lambda content: change(content[SIGNED_KEY]))
    said = desk.here("test", "--ckpt_path", str(checkpoint), status=2).stderr
    assert "names owned.Net" in said


def test_a_strangers_module_of_the_same_name_is_not_imported(desk, tmp_path) -> None:
    """The user's own checkpoint, sent back beside another `owned.py`."""
    checkpoint, canary = copy_of(desk, tmp_path), tmp_path / "canary"
    (tmp_path / "owned.py").write_text(f"open({str(canary)!r}, 'w')\n{OWN}")
    (tmp_path / "configs").symlink_to(desk.folder / "configs")
    there = type(desk).__new__(type(desk))
    there.folder = tmp_path
    said = there.here("test", "--ckpt_path", str(checkpoint), status=2).stderr
    assert "names owned.Net" in said
    with contextlib.chdir(tmp_path), pytest.raises(ImportError, match=r"names owned\.Net"):
        Classifier.load_from_checkpoint(checkpoint)
    assert not canary.exists()


def test_a_run_of_classes_of_ours_needs_no_key(desk, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "unused"))
    folder = desk.folder / desk.fit("ours", epochs=1)
    assert SIGNED_KEY not in load_checkpoint(folder / "checkpoints" / "best.ckpt")
    assert not (tmp_path / "unused").exists()
