"""Run folders: `<runs_dir>/<name>/version_N`, and the checkpoints in them."""

import os
import re
from pathlib import Path

RUN_FOLDER_VARIABLE = "HOLDOUT_RUN_FOLDER"  # tells the processes that DDP starts which folder the first one chose


class RunError(ValueError):
    """A run or a checkpoint of one is not there; the message names it."""


def versions(folder: Path) -> list[int]:
    """Return the numbers of the runs in `<runs_dir>/<name>`, ascending."""
    entries = folder.iterdir() if folder.is_dir() else ()
    numbers = [re.fullmatch(r"version_(\d+)", entry.name) for entry in entries if entry.is_dir()]
    return sorted(int(number[1]) for number in numbers if number)


def new_run_folder(runs_dir: Path, name: str) -> Path:
    """Make the folder of a new run; return the same one in every process of the run, and in no other run."""
    chosen = os.environ.get(RUN_FOLDER_VARIABLE)
    if chosen is not None:
        return Path(chosen)
    while True:
        existing = versions(runs_dir / name)
        folder = runs_dir / name / f"version_{existing[-1] + 1 if existing else 0}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:  # another run was faster
            continue
        os.environ[RUN_FOLDER_VARIABLE] = str(folder)
        return folder


def find_checkpoint(checkpoint: str, runs_dir: Path, name: str | None) -> Path:
    """Return the file that `--ckpt_path` means: a path, or "last" or "best" of the newest run of a recipe.

    Raises:
        RunError: There is no such file or run.
    """
    if checkpoint not in ("last", "best"):
        path = Path(checkpoint)
        if not path.is_file():
            raise RunError(f"--ckpt_path {checkpoint}: no such file")
        return path
    if name is None:
        raise RunError(f"--ckpt_path {checkpoint} means the newest run of a recipe: name it with -c, or give a path")
    folder = runs_dir / name
    for version in reversed(versions(folder)):
        path = folder / f"version_{version}" / "checkpoints" / f"{checkpoint}.ckpt"
        if path.is_file():
            return path
    raise RunError(f"--ckpt_path {checkpoint}: no run in {folder} has a {checkpoint}.ckpt; leave it out to start one")


def run_folder_of(checkpoint: Path) -> Path | None:
    """Return the run folder that a checkpoint lies in, None if it lies elsewhere."""
    folder = checkpoint.parent.parent
    inside = checkpoint.parent.name == "checkpoints" and (folder / "config.yaml").is_file()
    return folder if inside else None
