"""The runs that words of the command line name: run folders, checkpoints, and folders of all runs of a name."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from callbacks.event_log import EVENT_FILES
from callbacks.files import display_path
from scripts.cli.errors import UsageError
from scripts.cli.flags import did_you_mean
from scripts.cli.runs import versions
from scripts.report.study import is_study, runs_of

PIECES = ("config.yaml", "summary.json", "split.json", "test.json", EVENT_FILES)


def find_runs(names: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Return the folders of the runs that are named, each once, in order, and a line for each that is left out.

    Raises:
        UsageError: A name stands for no run.
    """
    found: dict[Path, Path] = {}
    left_out: list[str] = []
    for name in names:
        for folder in _runs_of(Path(name), left_out):
            found.setdefault(folder.resolve(), folder)
    return list(found.values()), left_out


def _runs_of(path: Path, left_out: list[str]) -> list[Path]:
    if path.is_file():
        return [_run_of_file(path)]
    if not path.is_dir():
        near = [str(entry) for entry in path.parent.iterdir() if entry.is_dir()] if path.parent.is_dir() else []
        raise UsageError(f"{path}: no such run, folder or checkpoint{did_you_mean(str(path), near)}")
    if is_study(path) and (begun := runs_of(path)):
        return begun
    if _is_run(path):
        return [path]
    runs = [path / f"version_{number}" for number in versions(path)]
    whole = [run for run in runs if not run.is_symlink() and _is_run(run)]
    left_out += [
        f"{display_path(run)}: {'a link, which is not followed' if run.is_symlink() else 'it holds nothing of a run'}"
        for run in runs
        if run not in whole
    ]
    if whole:
        return whole
    inside = [str(entry) for entry in sorted(path.iterdir()) if entry.is_dir() and versions(entry)]
    hint = f"; did you mean {' '.join(inside[:3])}{' ...' if len(inside) > 3 else ''}?" if inside else ""
    raise UsageError(f"{path} is not a run, and holds none (version_0 with a config.yaml){hint}")


def _run_of_file(path: Path) -> Path:
    folder = path.parent.parent
    if path.suffix != ".ckpt":
        hint = f"; name its folder: {display_path(path.parent)}" if _is_run(path.parent) else ""
        raise UsageError(f"{path} is a file, not a run{hint}")
    if path.parent.name != "checkpoints" or not _is_run(folder):
        raise UsageError(f"{path} lies in no run: a run keeps it in checkpoints/, beside its config.yaml")
    return folder


def _is_run(folder: Path) -> bool:
    return any(any(folder.glob(piece)) for piece in PIECES)


def default_output(folders: Sequence[Path], studies: Sequence[Path] = ()) -> Path:
    """Return the file for a report: in the folder of the run or study; of several, in the folder that all lie in.

    That is the working folder where they lie elsewhere.
    """
    if len(studies) == 1 and all(folder.is_relative_to(studies[0]) for folder in folders):
        return studies[0] / "report.html"
    if len(folders) == 1:
        return folders[0] / "report.html"
    shared = _shared(folder.absolute().parent for folder in folders)
    return Path(display_path(shared if shared.is_relative_to(Path.cwd()) else Path.cwd())) / "report.html"


def _shared(folders: Iterable[Path]) -> Path:
    try:
        return Path(os.path.commonpath([*folders]))
    except ValueError:  # on different drives
        return Path.cwd()
