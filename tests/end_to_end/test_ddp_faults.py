"""Two processes of which one or both are stopped, killed, or never meet: the job ends, says why, and goes on."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import torch

TWO = ("--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy")
SHORT_STEPS = ("--data.batch_size", "8")
EPOCHS = 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def processes_in(folder: Path) -> dict[int, int]:
    """Return rank -> process id of those of `holdout` that run in a folder."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment, words = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
            if (process / "cwd").readlink() == folder and b"scripts.main" in words:
                rank = re.search(rb"LOCAL_RANK=(\d)", environment)
                found[int(rank[1]) if rank else 0] = int(process.name)
        except OSError:  # it has ended, or is another user's
            pass
    return found


def both_processes(folder: Path) -> dict[int, int]:
    deadline = time.monotonic() + 100
    while len(found := processes_in(folder)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def wait_for_epoch(process: subprocess.Popen, number: int) -> None:
    while not process.stdout.readline().startswith(f"epoch {number}/"):
        assert process.poll() is None


def ended(process: subprocess.Popen, folder: Path, seconds: float) -> str:
    """Return what a job printed as errors; it and what it started are gone within some seconds."""
    began = time.monotonic()
    _, errors = process.communicate(timeout=100)
    assert time.monotonic() - began < seconds
    while left := processes_in(folder):
        assert time.monotonic() - began < seconds, left
    assert "Traceback" not in errors
    return errors


def arguments(desk, strategy: str = "ddp", epochs: int = EPOCHS) -> tuple[str, ...]:
    return ("fit", *desk.digits(epochs), *SHORT_STEPS, *TWO, strategy)


def weights(desk) -> dict[str, torch.Tensor]:
    path = desk.folder / "runs" / "digits" / "version_0" / "checkpoints" / "last.ckpt"
    return torch.load(path, weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def uninterrupted(new_desk):
    desk = new_desk()
    desk.run(*arguments(desk))
    return weights(desk)


def test_a_signal_to_any_rank_saves_and_ends_all_and_the_run_goes_on_exactly(new_desk, uninterrupted) -> None:
    desk = new_desk()
    for epoch, ranks in ((1, (0, 1)), (3, (1,))):
        process = desk.start(*arguments(desk), "--ckpt_path", "auto")
        wait_for_epoch(process, epoch)
        found = both_processes(desk.folder)
        for rank in ranks:
            os.kill(found[rank], signal.SIGTERM)
        assert ended(process, desk.folder, seconds=20) == ""
        assert process.returncode == 143
    desk.run(*arguments(desk), "--ckpt_path", "last")
    assert all(torch.equal(value, uninterrupted[name]) for name, value in weights(desk).items())


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("when", ["starting", "training"])
def test_a_killed_rank_ends_the_job_with_one_line_that_names_it(new_desk, rank, when) -> None:
    desk = new_desk()
    process = desk.start(*arguments(desk, epochs=500))
    if when == "training":
        wait_for_epoch(process, 1)
    found = both_processes(desk.folder)
    os.kill(found[rank], signal.SIGKILL)
    errors = ended(process, desk.folder, seconds=60 if when == "starting" else 20)
    assert process.returncode not in (0, None)
    assert len(errors.splitlines()) == 1
    assert f"holdout: error: rank {rank} (process {found[rank]}) was killed" in errors
    said = "go on with: holdout fit --ckpt_path runs/digits/version_0/checkpoints/last.ckpt" in errors
    assert said == (when == "training")


def test_a_port_that_is_taken_is_named_and_leaves_no_process(new_desk, monkeypatch) -> None:
    desk = new_desk()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("MASTER_PORT", str(port))
        errors = ended(desk.start(*arguments(desk)), desk.folder, seconds=90)
    assert errors.splitlines() == [
        f"holdout: error: port {port} (MASTER_PORT) is taken by another process: unset it, or give a port that is free"
    ]
    assert not (desk.folder / "runs").exists() or not any((desk.folder / "runs").iterdir())


FAILS_ON_ONE = """
import os
from lightning import Callback


class Fails(Callback):
    def on_train_batch_end(self, *_):
        if os.environ.get("LOCAL_RANK") == "1":
            raise ValueError("nothing to hold on to")
"""


def test_what_fails_on_one_rank_alone_is_said_with_its_rank(new_desk) -> None:
    desk = new_desk()
    (desk.folder / "own.py").write_text(FAILS_ON_ONE)
    done = desk.run(*arguments(desk), "--trainer.callbacks+", "own.Fails", status=2)
    assert re.search(r"holdout: error: rank 1 \(process \d+\) .*nothing to hold on to", done.stderr)


def test_ranks_with_unequal_numbers_of_validation_batches_wait_for_nobody(new_desk) -> None:
    desk = new_desk()
    desk.here(*arguments(desk, "ddp_fork", epochs=2), "--data.eval_batch_size", "48")  # three batches: two and one
    assert weights(desk)


def test_processes_started_within_the_program_train_to_the_end(new_desk, uninterrupted) -> None:
    desk = new_desk()
    done = desk.run(*arguments(desk, "ddp_spawn"))
    assert done.stdout.count(f"epoch {EPOCHS}/{EPOCHS}") == done.stdout.count("test it") == 1
    assert done.stderr == ""
    assert all(torch.equal(value, uninterrupted[name]) for name, value in weights(desk).items())


def test_a_signal_to_processes_started_within_the_program_saves_and_ends_them(new_desk) -> None:
    desk = new_desk()
    process = desk.start(*arguments(desk, "ddp_fork", epochs=500))
    wait_for_epoch(process, 1)
    process.send_signal(signal.SIGTERM)
    assert ended(process, desk.folder, seconds=20) == ""
    assert process.returncode == 143
    assert weights(desk)
