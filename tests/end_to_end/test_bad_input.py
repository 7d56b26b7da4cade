"""Whatever a user gets wrong is answered by one line that names it, and nothing new is on disk."""

import os
import shlex
from pathlib import Path

import pytest
import torch
from bad_inputs import KINDS, TYPED, cases, rows
from misused_code import OWN

FIT = ("fit", "-c", "configs/digits.yaml", "--model.network.widths", "[8]", "--trainer.max_epochs", "1")
ALL = [case for kind in KINDS for case in cases(kind)]


@pytest.fixture(scope="module")
def desk(new_desk):
    """A folder with a run, a file of one's own with faults, and folders whose names are not text."""
    desk = new_desk()
    (desk.folder / "misused.py").write_text(OWN.lstrip("\n"))
    os.mkfifo(desk.folder / "pipe")
    for folder, classes in (("bytes", (b"one", b"tw\xff")), ("bytes_in", (b"one", b"two"))):
        for name in classes:
            (desk.folder / folder / os.fsdecode(name)).mkdir(parents=True)
    (desk.folder / "bytes_in" / "one" / os.fsdecode(b"\xff.png")).touch()
    desk.here(*FIT, "--name", "trained")
    return desk


def words_of(command: str) -> list[str]:
    words = shlex.split(command)
    return [*FIT, *words] if command.startswith("--") else words


def on_disk(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of writing of all files and folders; what Python caches and `configs` do not count."""
    found = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in ("__pycache__", "configs")]
        for name in (*folders, *files):
            path = Path(root) / name
            stat = path.lstat()
            found[str(path)] = (0, 0) if name in folders else (stat.st_size, stat.st_mtime_ns)
    return found


def check_refusal(done, said) -> None:
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 3, done.stderr
    assert lines[-1].startswith("holdout: error: ")
    assert "Traceback" not in done.stdout + done.stderr
    assert all(part in lines[-1] for part in said), lines[-1]


def test_there_are_many() -> None:
    assert len(dict(ALL)) == len(ALL) >= 150
    assert {command for kind in KINDS for command, *_ in rows(kind)} >= set(TYPED)


@pytest.mark.parametrize(("command", "said"), ALL, ids=[command[:60] for command, _ in ALL])
def test_a_mistake_is_named_in_one_line(desk, command, said) -> None:
    before = on_disk(desk.folder)
    check_refusal(desk.here(*words_of(command), status=2), said)
    assert on_disk(desk.folder) == before


@pytest.mark.parametrize("command", [command for command in TYPED if command in dict(ALL)])
def test_a_mistake_typed_for_real(desk, command) -> None:
    before = on_disk(desk.folder)
    check_refusal(desk.run(*words_of(command), status=2), dict(ALL)[command])
    assert on_disk(desk.folder) == before


@pytest.mark.parametrize(
    "flags", [("--name", "b\udcff"), ("--runs_dir", "r\udcff"), ("--name", "a\nb"), ("--name", "a\0b")], ids=repr
)
def test_a_name_that_is_not_text(desk, flags) -> None:
    before = on_disk(desk.folder)
    check_refusal(desk.here(*FIT, *flags, status=2), [])
    assert on_disk(desk.folder) == before


def changed(desk, change) -> str:
    checkpoint = torch.load(desk.folder / "runs/trained/version_0/checkpoints/best.ckpt", weights_only=True)
    change(checkpoint)
    torch.save(checkpoint, desk.folder / "changed.ckpt")
    return "changed.ckpt"


PARTS = ["epoch", "global_step", "pytorch-lightning_version", "state_dict", "loops", "callbacks", "optimizer_states"]


@pytest.mark.parametrize("part", [*PARTS, "lr_schedulers", "hyper_parameters", "split", "device_states", "Digits"])
def test_a_checkpoint_with_a_part_of_the_wrong_type(desk, part) -> None:
    path = changed(desk, lambda checkpoint: checkpoint.update({part: "x"}))
    before = on_disk(desk.folder)
    check_refusal(desk.here(*FIT, "--ckpt_path", path, "--trainer.max_epochs", "2", status=2), ["changed.ckpt"])
    assert on_disk(desk.folder) == before


@pytest.mark.parametrize("part", [part for part in PARTS if part != "pytorch-lightning_version"])
def test_a_checkpoint_that_lacks_a_part(desk, part) -> None:
    path = changed(desk, lambda checkpoint: checkpoint.pop(part))
    before = on_disk(desk.folder)
    check_refusal(desk.here(*FIT, "--ckpt_path", path, "--trainer.max_epochs", "2", status=2), [part, "changed.ckpt"])
    assert on_disk(desk.folder) == before


@pytest.mark.parametrize(
    "loops", [{}, {"fit_loop": {}}, {"fit_loop": []}, {"fit_loop": {"epoch_progress": {}}}], ids=str
)
def test_a_checkpoint_that_does_not_say_how_far_it_got(desk, loops) -> None:
    path = changed(desk, lambda checkpoint: checkpoint.update(loops=loops))
    before = on_disk(desk.folder)
    check_refusal(
        desk.here(*FIT, "--ckpt_path", path, "--trainer.max_epochs", "2", status=2), ["loops", "changed.ckpt"]
    )
    assert on_disk(desk.folder) == before


def test_a_checkpoint_of_an_old_version_of_lightning(desk) -> None:
    def to_old(checkpoint):
        for part in ("loops", "callbacks", "hyper_parameters", "holdout_config", "split"):
            del checkpoint[part]
        checkpoint |= {"pytorch-lightning_version": "0.7.6", "checkpoint_callback_best": 0.5}

    path = changed(desk, to_old)
    before = on_disk(desk.folder)
    resumed = desk.here(*FIT, "--ckpt_path", path, "--trainer.max_epochs", "2", status=2)
    check_refusal(resumed, ["changed.ckpt cannot be resumed", "loops"])
    check_refusal(desk.here("test", "--ckpt_path", path, status=2), ["changed.ckpt has no recipe"])
    assert on_disk(desk.folder) == before


def test_a_callback_whose_state_no_checkpoint_can_be_read_with(desk) -> None:
    done = desk.here(*FIT, "--trainer.callbacks", "[misused.Keeping]", status=2)
    check_refusal(done, ["Keeping", "object"])
    assert not list(desk.folder.glob("runs/digits/*/checkpoints/*"))


def test_an_error_after_the_first_step_keeps_its_traceback(desk) -> None:
    done = desk.here(*FIT, "--name", "late", "--trainer.callbacks", "[misused.Late]", status=2)
    check_refusal(done, ["Late.on_train_epoch_end: RuntimeError: too late", "runs/late/version_0/traceback.txt"])
    assert "RuntimeError: too late" in (desk.folder / "runs/late/version_0/traceback.txt").read_text()


def test_the_traceback_is_shown_where_it_is_asked_for(desk, monkeypatch) -> None:
    monkeypatch.setenv("HOLDOUT_DEBUG", "1")
    with pytest.raises(KeyError, match="missing"):
        desk.here(*FIT, "--trainer.callbacks", "[misused.Failing]", status=2)


@pytest.mark.parametrize(
    "flags",
    [
        ("--trainer.barebones", "true"),
        ("--trainer.callbacks", "[TQDMProgressBar]"),
        (
            "--trainer.callbacks",
            "[{class_path: lightning.pytorch.callbacks.Timer, init_args: {duration: 00:01:00:00}}]",
        ),
        ("--trainer.overfit_batches", "0.1"),
        ("--trainer.overfit_batches", "2"),
    ],
    ids=lambda flags: flags[1][:40],
)
def test_what_must_run(desk, flags) -> None:
    desk.here(*FIT, "--name", "running", *flags)
