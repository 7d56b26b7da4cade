"""What a training says and keeps when its disk is full, its folder gone, or a file of it damaged."""

import errno
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from callbacks import LastCheckpoint
from scripts.cli.run_lock import locked

LOOKS_AT_PICTURES = True

ROOT = Path(__file__).parents[2]


def last(folder: Path) -> dict:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fail_from(monkeypatch: pytest.MonkeyPatch, call: int, error: OSError) -> None:
    """Let the disk refuse the nth checkpoint, and all that is written later."""
    calls, fsync = [], os.fsync

    def refuse(handle: int) -> None:
        calls.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        if sum(called.find(".ckpt") > 0 for called in calls) >= call:
            raise error
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_costs_one_line_and_no_checkpoint(desk, monkeypatch, code) -> None:
    fail_from(monkeypatch, 4, OSError(code, os.strerror(code)))  # best and last of two epochs
    done = desk.here("fit", *desk.digits(4), "--name", f"full{code}", status=2)
    (line,) = [line for line in done.stderr.splitlines() if line]
    folder = desk.folder / "runs" / f"full{code}" / "version_0"
    assert "last.ckpt cannot be written" in line or "best.ckpt cannot be written" in line
    assert os.strerror(code) in line
    assert f"holdout fit --ckpt_path runs/full{code}/version_0/checkpoints/last.ckpt" in line
    assert last(folder)["epoch"] == 0
    assert not [name for name in files(folder) if ".ckpt." in name or name.endswith(".lock")]


@pytest.mark.slow
def test_a_limit_on_a_files_size_costs_one_line(desk) -> None:
    command = [sys.executable, "-m", "scripts.main", "fit", *desk.digits(2), "--name", "limit"]
    done = subprocess.run(
        command,
        cwd=desk.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)),
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "best.ckpt cannot be written (File too large); no checkpoint was kept" in done.stderr


def test_a_folder_that_is_removed_is_not_made_again(desk, monkeypatch) -> None:
    end = LastCheckpoint.on_train_epoch_end
    folder = desk.folder / "runs" / "removed" / "version_0"

    def remove(self: LastCheckpoint, trainer: object, module: object) -> None:
        end(self, trainer, module)
        shutil.rmtree(folder)

    monkeypatch.setattr(LastCheckpoint, "on_train_epoch_end", remove)
    done = desk.here("fit", *desk.digits(3), "--name", "removed", status=2)
    assert re.fullmatch(
        r"holdout: error: runs/removed/version_0/\S+ cannot be written \(.+\); no checkpoint was kept\n", done.stderr
    )
    assert not folder.exists()


@pytest.mark.parametrize("damage", ["flipped", "empty", "cut", "missing"])
def test_a_last_checkpoint_that_is_damaged_is_said_and_the_best_used(desk, damage) -> None:
    name = f"damaged_{damage}"
    folder = desk.fit(name, epochs=2)
    path = folder / "checkpoints" / "last.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"flipped": content, "empty": b"", "cut": content[: len(content) // 2]}[damage])
    with pytest.warns(UserWarning, match=r"last\.ckpt.*best\.ckpt is used in its place"):
        desk.here("fit", *desk.digits(3), "--name", name, "--ckpt_path", "last")
    assert last(folder)["epoch"] == 2
    assert [run.name for run in folder.parent.iterdir()] == ["version_0"]


def test_one_flipped_bit_in_any_record_is_refused_by_every_job(desk) -> None:
    folder = desk.fit("flipped", epochs=1)
    path = folder / "checkpoints" / "best.ckpt"
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:  # between the records lies padding, which says nothing
        records = sorted(archive.infolist(), key=lambda record: record.file_size)[-12::2]
    for record in records:
        name, extra = struct.unpack_from("<HH", content, record.header_offset + 26)
        changed = bytearray(content)
        changed[record.header_offset + 30 + name + extra + record.file_size // 2] ^= 4
        path.write_bytes(changed)
        assert "is damaged" in desk.here("test", "--ckpt_path", str(path), status=2).stderr


def test_a_run_killed_before_its_summary_gets_it_and_the_curves(desk) -> None:
    whole, killed = desk.fit("summarised", epochs=2), desk.fit("unsummarised", epochs=2)
    (killed / "summary.json").unlink()
    shutil.rmtree(killed / "figures")
    done = desk.here("fit", *desk.digits(2), "--name", "unsummarised", "--ckpt_path", "last")
    assert "best epoch" in done.stdout
    assert (killed / "summary.json").is_file()
    assert files(killed).keys() - files(whole).keys() <= {
        name for name in files(killed) if name.startswith("events.out.tfevents")
    }
    assert (killed / "figures" / "curves.png").is_file()
    again = desk.here("fit", *desk.digits(2), "--name", "unsummarised", "--ckpt_path", "last")
    assert "best epoch" not in again.stdout
    assert "has trained 2 epochs already" in again.stdout


def test_what_a_kill_left_behind_is_removed_at_the_next_start(desk) -> None:
    folder = desk.fit("leftovers", epochs=1)
    for name in ("checkpoints/.best.ckpt.a1b2c3_4", ".config.yaml.00000000", "figures/.curves.png.abcdefgh"):
        (folder / name).touch()
    kept = folder / "checkpoints" / ".mine"
    kept.touch()
    desk.here("fit", *desk.digits(2), "--name", "leftovers", "--ckpt_path", "last")
    assert [name for name in files(folder) if Path(name).name.startswith(".")] == ["checkpoints/.mine"]


def test_auto_starts_and_then_goes_on(new_desk) -> None:
    desk = new_desk()
    flags = (*desk.digits(2), "--ckpt_path", "auto")
    assert "resumed" not in desk.here("fit", *flags).stdout
    assert "resumed after epoch 2" in desk.here("fit", *flags, "--trainer.max_epochs", "3").stdout
    assert [run.name for run in (desk.folder / "runs" / "digits").iterdir()] == ["version_0"]


def test_auto_starts_again_in_the_folder_of_a_run_that_kept_nothing(new_desk) -> None:
    desk = new_desk()
    folder = desk.folder / "runs" / "digits" / "version_0"
    folder.mkdir(parents=True)
    (folder / "split.json").write_text("{}")
    (folder / "events.out.tfevents.1.host.2.0").touch()
    desk.here("fit", *desk.digits(1), "--ckpt_path", "auto")
    assert [run.name for run in folder.parent.iterdir()] == ["version_0"]
    assert len(list(folder.glob("events.*"))) == 1
    desk.here("fit", *desk.digits(1))
    assert len(list(folder.parent.iterdir())) == 2


def test_a_run_has_one_writer(desk) -> None:
    folder = desk.fit("locked", epochs=1)
    holder = "import sys, time\nfrom pathlib import Path\nfrom scripts.cli.run_lock import locked\n"
    holder += "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    command = [sys.executable, "-c", holder, str(folder)]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    flags = ("fit", *desk.digits(2), "--name", "locked", "--ckpt_path", "last")
    before = files(folder)
    refused = desk.here(*flags, status=2)
    assert f"runs/locked/version_0 is being trained in by process {process.pid} on " in refused.stderr
    assert files(folder) == before
    process.kill()
    process.wait()
    assert (folder / ".lock").is_file()
    assert "resumed after epoch 1" in desk.here(*flags).stdout
    assert not (folder / ".lock").exists()


def test_a_folder_is_free_again_when_its_writer_ends(tmp_path) -> None:
    with locked(tmp_path):
        assert (tmp_path / ".lock").is_file()
    assert not list(tmp_path.iterdir())
    with locked(None):
        pass


def test_a_run_in_a_read_only_folder_can_be_tested(desk, monkeypatch) -> None:
    folder = desk.fit("read_only", epochs=1)
    before = files(folder)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "read_only" not in str(path) and access(path, mode))
    done = desk.here("test", "--ckpt_path", str(folder))
    assert "test/accuracy" in done.stdout
    assert "runs/read_only/version_0 is read-only: nothing is written" in done.stdout
    assert files(folder) == before


def test_a_run_folder_in_the_working_folder_is_trained_on_and_tested(new_desk) -> None:
    desk = new_desk()
    shutil.move(desk.fit("moved", "--model.lr_scheduler", "null", epochs=1), desk.folder / "mine")
    done = desk.here("fit", "--ckpt_path", "mine", "--trainer.max_epochs", "2")
    assert "resumed after epoch 1" in done.stdout
    assert "test/accuracy" in desk.here("test", "--ckpt_path", "mine").stdout
