"""Training on several machines, which here are processes on one: by torchrun, and by a SLURM that is made of paper."""

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.run_differences import checkpoint_differences
from tests.end_to_end.conftest import ROOT, finish

pytestmark = pytest.mark.slow
CPU = ("--trainer.accelerator", "cpu", "--trainer.devices", "1")
SRUN = """#!PYTHON
import os, signal, subprocess, sys, time
from pathlib import Path

tasks = []
for rank in range(2):
    place = {"PROCID": rank, "LOCALID": 0, "NODEID": rank, "NTASKS": 2, "NTASKS_PER_NODE": 1}
    place["JOB_NODELIST"] = "127.0.0.1"
    variables = {f"SLURM_{name}": str(value) for name, value in place.items()}
    tasks.append(subprocess.Popen(sys.argv[1:], env=os.environ | variables))
first = not Path("requeued").exists()
while first and tasks[0].poll() is None and not list(Path("runs").glob("*/*/checkpoints/last.ckpt")):
    time.sleep(0.05)
if first:
    for task in tasks:
        task.send_signal(signal.SIGUSR1)
sys.exit(max(task.wait() for task in tasks))
"""
SCONTROL = '#!/bin/bash\n[ "$1" = requeue ] && echo "$2" > requeued\n'


def commands_in(name: str) -> str:
    """Return the commands in the head of an overlay, as a shell would read them."""
    lines = (ROOT / "configs/trainer" / name).read_text().splitlines()
    return "\n".join(line.removeprefix("#   ") for line in lines if line.startswith("#   "))


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    folders = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": folders} | more


@pytest.fixture(scope="module")
def on_one(new_desk) -> Path:
    """The last checkpoint of a run on two devices of one machine, which is not interrupted."""
    desk = new_desk()
    desk.run(
        "fit", *desk.digits(12), "--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"
    )
    return desk.folder / "runs/digits/version_0/checkpoints/last.ckpt"


def test_two_machines_train_what_two_devices_of_one_do(on_one, new_desk) -> None:
    desk = new_desk()
    command = commands_in("nodes.yaml").replace("\\\n", " ").replace("HOST", "127.0.0.1").replace("29500", free_port())
    words = shlex.split(command.replace("nproc_per_node 4", "nproc_per_node 1"))
    recipe = words.index("configs/cifar10_resnet18.yaml")
    words = [*words[: recipe - 1], *desk.digits(12), *words[recipe + 1 :], *CPU]
    nodes = []
    for rank in range(2):
        words[words.index("--node_rank") + 1] = str(rank)
        nodes.append(
            subprocess.Popen(
                words, cwd=desk.folder, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        )
    said = [finish(node).stdout for node in nodes]
    assert "best epoch" in said[0]
    assert [path.name for path in (desk.folder / "runs/digits").iterdir()] == ["version_0"]
    assert checkpoint_differences(on_one, desk.folder / "runs/digits/version_0/checkpoints/last.ckpt") == []


def test_a_job_that_slurm_requeues_ends_with_the_same_bits(on_one, new_desk) -> None:
    desk = new_desk()
    tools = desk.folder / "tools"
    tools.mkdir()
    for name, text in (("srun", SRUN.replace("PYTHON", sys.executable)), ("scontrol", SCONTROL)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    recipe = shlex.join([*desk.digits(12), *CPU])
    script = commands_in("slurm.yaml").replace("-c configs/cifar10_resnet18.yaml", recipe)
    script = re.sub(r"(-c configs/trainer/slurm.yaml) ", rf"\1 {shlex.join(CPU)} ", script)
    job = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "holdout", "SLURM_NNODES": "2"}
    job["PATH"] = f"{tools}{os.pathsep}{environment()['PATH']}"
    for status in (143, 0):
        process = subprocess.Popen(
            ["bash", "-c", script], cwd=desk.folder, env=environment(**job), text=True, stdout=-1, stderr=-1
        )
        finish(process, status)
        assert (desk.folder / "requeued").read_text() == "4711\n"
    assert [path.name for path in (desk.folder / "runs/digits").iterdir()] == ["version_0"]
    assert checkpoint_differences(on_one, desk.folder / "runs/digits/version_0/checkpoints/last.ckpt") == []


def test_the_overlay_for_divided_weights_says_what_it_needs(desk) -> None:
    said = desk.here("fit", *desk.digits(1), "-c", "configs/trainer/fsdp.yaml", status=2).stderr
    assert "torch finds no gpu on this machine" in said
