"""The README's commands and snippets, extracted from it and run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
LINES = [line for kind, block in BLOCKS if kind == "bash" for line in block.replace("\\\n", " ").splitlines()]
COMMANDS = [line for line in LINES if line.startswith("holdout")]
SNIPPETS = [block for kind, block in BLOCKS if kind == "python"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_runs_in_the_order_of_the_readme(new_desk):
    desk = new_desk()
    data = ROOT / "data"
    has_mnist = any((data / "MNIST" / "raw").glob("*ubyte*"))
    if has_mnist:
        (desk.folder / "data").symlink_to(data)
    assert len(COMMANDS) > 8
    for command in COMMANDS:
        if "mnist" in command and not has_mnist:
            continue
        done = desk.here(*shlex.split(command)[1:])
        assert "Traceback" not in done.stderr
        assert "warning" not in done.stderr, done.stderr
    assert (desk.folder / "predictions.csv").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_runs(snippet, tmp_path):
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)


def test_files_and_folders_that_the_readme_names_exist():
    named = re.findall(r"`((?:configs|models|datamodules|callbacks|scripts)/[\w/.]+)`", README)
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


def test_the_two_set_up_commands_are_there_for_ci():
    assert len(re.findall(r"^python3 -m venv ", README, flags=re.MULTILINE)) == 2
