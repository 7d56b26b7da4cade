"""Run folders: `<runs_dir>/<name>/version_N`, and the checkpoints in them."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn

from callbacks.checkpoint_io import CheckpointError, check_whole
from scripts.cli.errors import UsageError
from scripts.cli.failures import TRACEBACK_FILE
from scripts.cli.first_process import RUN_FOLDER_VARIABLE
from scripts.cli.jobs import Job
from scripts.cli.run_lock import is_locked

_made_folders: list[Path] = []  # above this process's run folder, innermost first


def versions(folder: Path) -> list[int]:
    """Return the numbers of the runs in `<runs_dir>/<name>`, ascending."""
    entries = folder.iterdir() if folder.is_dir() else ()
    numbers = [re.fullmatch(r"version_(\d+)", entry.name) for entry in entries if entry.is_dir()]
    return sorted(int(number[1]) for number in numbers if number)


def new_run_folder(runs_dir: Path, name: str) -> Path:
    """Make the folder of a new run; return the same one in every process of the run, and in no other run.

    Processes started by torchrun or srun cannot be told which folder the first one made. They write nothing, so they
    get a path that no run has.
    """
    chosen = os.environ.get(RUN_FOLDER_VARIABLE)
    if chosen is not None:
        return Path(chosen)
    if getattr(rank_zero_only, "rank", 0) != 0:  # from RANK or SLURM_PROCID
        return runs_dir / name / "version_of_the_first_process"
    missing = [parent for parent in (runs_dir / name, *(runs_dir / name).parents) if not parent.exists()]
    while True:
        existing = versions(runs_dir / name)
        folder = runs_dir / name / f"version_{existing[-1] + 1 if existing else 0}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:  # another run was faster
            continue
        except OSError as error:
            raise UsageError(f"--runs_dir {runs_dir}: cannot make {folder} ({error.strerror})") from error
        os.environ[RUN_FOLDER_VARIABLE] = str(folder)
        _made_folders[:] = missing
        return folder


def remove_empty_run() -> None:
    """Remove the folder of this process's run if it kept nothing, and those above that were made for it.

    `config.yaml` is there from the start of training to an early end; a run that failed after its first step holds the
    traceback.
    """
    chosen = os.environ.pop(RUN_FOLDER_VARIABLE, None)
    if chosen is None or any((Path(chosen) / kept).is_file() for kept in ("config.yaml", TRACEBACK_FILE)):
        return
    shutil.rmtree(chosen, ignore_errors=True)
    with suppress(OSError):  # other runs are in it
        for made in _made_folders:
            made.rmdir()


def folder_to_start_again(runs_dir: Path, name: str) -> Path | None:
    """Return the folder of a newest run that was killed before it kept anything, if no process trains in it."""
    numbers = versions(runs_dir / name)
    folder = runs_dir / name / f"version_{numbers[-1]}" if numbers else None
    if folder is None or any((folder / "checkpoints").glob("*.ckpt")) or (folder / "summary.json").exists():
        return None
    if link_in(folder) is not None:
        return None
    return None if is_locked(folder) else folder


def find_checkpoint(checkpoint: str, runs_dir: Path, name: str | None, in_folder: str = "best") -> Path | None:
    """Return the file that `--ckpt_path` means; a `last.ckpt` may be missing where its run has another checkpoint.

    Args:
        checkpoint: A file, a run's folder, "last" or "best": that of the newest run of a recipe, or "auto": the last,
            if there is one.
        runs_dir: Folder of all runs.
        name: The recipe's name.
        in_folder: Which of a run folder's checkpoints is meant: "best" or "last".

    Returns:
        The file; None if "auto" finds nothing to go on from.

    Raises:
        UsageError: There is no such file or run.
    """
    if checkpoint not in ("last", "best", "auto"):
        if "://" in checkpoint:
            raise UsageError(f"--ckpt_path {checkpoint} is an address; copy the checkpoint to this machine first")
        return _file_or_run(Path(checkpoint), in_folder)
    if name is None:
        raise UsageError(f"--ckpt_path {checkpoint} means the newest run of a recipe: name it with -c, or give a path")
    folder, file = runs_dir / name, "best.ckpt" if checkpoint == "best" else "last.ckpt"
    paths = [folder / f"version_{number}" / "checkpoints" / file for number in versions(folder)]
    kept = [path for path in paths if _is_there(path)]
    if checkpoint == "auto":
        return paths[-1] if kept and kept[-1] == paths[-1] else None
    if not kept:
        raise UsageError(f"--ckpt_path {checkpoint}: no run in {folder} has a {file}; leave it out to start one")
    if kept[-1] != paths[-1]:
        raise UsageError(
            f"--ckpt_path {checkpoint}: the newest run, {paths[-1].parents[1]}, has no {file}; "
            f"the newest that has one: --ckpt_path {kept[-1]}"
        )
    return kept[-1]


def names_of_runs(job: Job, words: Sequence[str], count: Literal[1, 2]) -> list[str]:
    """Return the words of a job that takes nothing but one run, or two.

    Raises:
        UsageError: A word is a flag, or there are more or fewer.
    """
    unknown = next((word for word in words if word.startswith("-")), None)
    if unknown is not None:
        raise UsageError(f"unknown argument {unknown}; usage: {job.usage}")
    if len(words) != count:
        raise UsageError(f"which {'run' if count == 1 else 'two runs'}? {job.usage}")
    return list(words)


@contextmanager
def runs_as_words() -> Iterator[None]:
    """Leave `--ckpt_path` out of messages, for jobs whose runs are words of their own.

    Raises:
        UsageError: As in the block, reworded.
    """
    try:
        yield
    except UsageError as error:
        raise UsageError(str(error).replace("--ckpt_path ", "")) from error


def _file_or_run(path: Path, in_folder: str) -> Path:
    if not path.is_dir():
        if not _is_there(path):
            raise UsageError(f"--ckpt_path {path}: no such file")
        return path
    inside = path / "checkpoints" / f"{in_folder}.ckpt"
    if not _is_there(inside):
        below = versions(path)
        meant = f"; did you mean --ckpt_path {path / f'version_{below[-1]}'}?" if below else ""
        raise UsageError(f"--ckpt_path {path} is a folder without checkpoints/{in_folder}.ckpt{meant}")
    return inside


def _is_there(path: Path) -> bool:
    in_run = path.name == "last.ckpt" and path.parent.name == "checkpoints"
    return path.is_file() or (in_run and any(path.parent.glob("*.ckpt")))


def newest_whole(last: Path) -> Path:
    """Return a run's `last.ckpt`; if that is missing or damaged, say so and return its newest checkpoint that is whole.

    Raises:
        CheckpointError: No checkpoint of the run is whole.
    """
    try:
        check_whole(last)
    except CheckpointError as error:
        others = sorted(last.parent.glob("*.ckpt"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        found = next((path for path in others if path != last and _is_whole(path)), None)
        if found is None:
            raise CheckpointError(f"{error}; its run has no other checkpoint") from error
        rank_zero_warn(f"{error}; {found} is used in its place")
        return found
    return last


def _is_whole(path: Path) -> bool:
    try:
        check_whole(path)
    except CheckpointError:
        return False
    return True


def run_folder_of(checkpoint: Path) -> Path | None:
    """Return the run folder that a checkpoint lies in, None if it lies elsewhere."""
    folder = checkpoint.parent.parent
    inside = checkpoint.parent.name == "checkpoints" and (folder / "config.yaml").is_file()
    return folder if inside else None


def folder_to_resume(checkpoint: Path, name: str, runs_dir: Path | None) -> Path | None:
    """Return the run folder that a run resumed from a checkpoint continues in; None if it needs one of its own.

    Only the latest epoch of a run of the same name continues in its folder: after any other checkpoint, the next
    epochs would overwrite those that the folder holds already.

    Args:
        checkpoint: The checkpoint.
        name: Name of the run.
        runs_dir: Folder of all runs, where the user names one.
    """
    folder = run_folder_of(checkpoint)
    if folder is None:
        return None
    reason = _reason_to_leave(checkpoint, folder.absolute(), name, runs_dir)
    if reason:
        rank_zero_warn(f"the run goes on from {checkpoint} in a folder of its own: {reason}")
    return None if reason else folder


def may_write(folder: Path | None) -> bool:
    """Return whether results may be written into a run's folder; False without one."""
    return folder is not None and not reason_not_to_write(folder)


def reason_not_to_write(folder: Path) -> str:
    """Return why nothing may be written into a run's folder, "" if it may."""
    if not os.access(folder, os.W_OK):
        return "is read-only"
    return "holds a link, which may lead out of it" if link_in(folder) is not None else ""


def link_in(folder: Path) -> Path | None:
    """Return a link in a run's folder: what is written to it would land in another place.

    W&B makes one in the folder of each run of its own, which nothing writes to once that has ended.
    """
    links = (path for path in folder.rglob("*") if path.is_symlink())
    return next((path for path in links if path.relative_to(folder).parts[:-3] != ("wandb",)), None)


def _reason_to_leave(checkpoint: Path, folder: Path, name: str, runs_dir: Path | None) -> str:
    if checkpoint.name != "last.ckpt":
        return "only last.ckpt continues its run"
    if folder.parent.name != name:
        return f"it is called {name}"
    link = link_in(folder)
    if link is not None:
        return f"{link} is a link"
    same = runs_dir is None or runs_dir.resolve() == folder.parents[1].resolve()
    return "" if same else f"--runs_dir is {runs_dir}"
