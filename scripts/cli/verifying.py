"""The job `verify`: is a run what it says? A stretch of it is trained again and compared bit for bit."""

import os
import random
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import lightning as L
import torch

from callbacks import load_checkpoint
from callbacks.environment import git_commit, versions
from callbacks.files import display_path
from callbacks.printing import say
from models.bounded_yaml import load_yaml
from scripts.cli.checkpoint_config import read_run_recipe
from scripts.cli.errors import UsageError
from scripts.cli.failures import with_debug_hint
from scripts.cli.jobs import JOBS, Job
from scripts.cli.ledger import RUNS
from scripts.cli.runs import find_checkpoint, names_of_runs, run_folder_of, runs_as_words
from scripts.cli.training import one_line_errors
from scripts.cli.training import run as run_job
from scripts.report.folder import RunFolder
from scripts.run_differences import checkpoint_differences, summary_differences

WHOLE = "--whole"
LAST = "last.ckpt"
MOST_SHOWN = 5  # differences


@dataclass(frozen=True)
class Stretch:
    """A stretch of training from one checkpoint of a run to a later one.

    Attributes:
        start: The checkpoint that it begins with; None for the beginning of training.
        end: The checkpoint that it ends with.
    """

    start: Path | None
    end: Path


class StopAfter(L.Callback):
    """Keeps a copy of a checkpoint once training is past its step, and ends training.

    Args:
        step: The step.
        name: Name of the checkpoint's file.
        kept: Where the copy goes.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self, step: int, name: str, kept: Path) -> None:
        self.step, self.name, self.kept = step, name, kept

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Keep the copy after the first step beyond."""
        if trainer.global_step > self.step and not trainer.should_stop:
            source = Path(trainer.default_root_dir) / "checkpoints" / self.name
            self.kept.write_bytes(source.read_bytes() if source.is_file() else b"")
            trainer.should_stop = True


def run(job: Job, words: list[str]) -> None:
    """Train a stretch of a finished run again, compare, and print what was found.

    Raises:
        UsageError: The run does not exist, has not finished, or differs; the message is one line.
    """
    whole = WHOLE in words
    (name,) = names_of_runs(job, [word for word in words if word != WHOLE], 1)
    with one_line_errors(with_debug_hint):
        folder = _folder(name)
        summary = RunFolder(folder).json("summary.json")
        _check_finished(folder, summary)
        stretches = [Stretch(None, folder / "checkpoints" / LAST)] if whole else stretches_of(folder, summary)
        stretch = random.choice(stretches)  # noqa: S311  no secret depends on it
        lines = [*_environment(summary), *_of_gpus(folder, stretch, summary)]
        say(f"training {_words(stretch)} of {display_path(folder)} again", *lines)
        _compare(folder, stretch, summary)


def _folder(name: str) -> Path:
    with runs_as_words():
        checkpoint = find_checkpoint(name, RUNS, None, "last")
    folder = run_folder_of(checkpoint) if checkpoint is not None else None
    if folder is None:
        raise UsageError(f"{name} lies in no run: a run keeps its checkpoints beside its config.yaml")
    return folder


def _check_finished(folder: Path, summary: Mapping[str, Any]) -> None:
    if not summary:
        raise UsageError(
            f"{folder} has no summary.json: if its training has not ended, go on with "
            f"holdout fit --ckpt_path {shlex.quote(str(folder))}"
        )
    if not (folder / "checkpoints" / LAST).is_file():
        raise UsageError(f"{folder} has no {LAST} to compare with")


def stretches_of(folder: Path, summary: Mapping[str, Any]) -> list[Stretch]:
    """Return the stretches between a run's checkpoints, in order.

    Only the last can be trained again on several devices: the others end before the training does.
    """
    steps: dict[int, Path] = {}
    for path in sorted((folder / "checkpoints").glob("*.ckpt"), key=lambda path: path.name == LAST):
        steps[int(load_checkpoint(path)["global_step"])] = path
    ordered = [steps[step] for step in sorted(steps)]
    found = [Stretch(start, end) for start, end in zip([None, *ordered], ordered, strict=False)]
    on_one = str(summary.get("device", "1")).startswith("1 ")
    return found if on_one else found[-1:]


def _words(stretch: Stretch) -> str:
    if stretch.start is None and stretch.end.name == LAST:
        return "the whole"
    start = "the beginning" if stretch.start is None else stretch.start.name
    return f"the stretch from {start} to {stretch.end.name}"


def _environment(summary: Mapping[str, Any]) -> list[str]:
    """Return a line on each thing that may change the last bits."""
    then, now = summary.get("versions"), versions()
    then = then if isinstance(then, dict) else {}
    lines: list[str] = []
    changed = [f"{name} {then[name]}, now {now[name]}" for name in now if then.get(name, now[name]) != now[name]]
    device = str(summary.get("device"))
    if "cuda" in device and not torch.cuda.is_available():
        changed.append(f"{device}, now a CPU")
    if changed:
        lines.append(f"  the run had {'; '.join(changed)}: that may compute other bits")
    if summary.get("git_commit") != git_commit():
        lines.append(f"  the run was trained by commit {summary.get('git_commit')}, this is {git_commit()}")
    return lines


def _of_gpus(folder: Path, stretch: Stretch, summary: Mapping[str, Any]) -> list[str]:
    """Return a line if a GPU may have added up in another order each time."""
    trainer = load_yaml(read_run_recipe(folder / "config.yaml", stretch.end)).get("trainer") or {}
    if "cuda" not in str(summary.get("device")) or trainer.get("deterministic") is True:
        return []
    return ["  GPUs give the same bits again only with --trainer.deterministic true, which this run was not given"]


def _compare(folder: Path, stretch: Stretch, summary: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as desk:
        again = train_again(folder, stretch, summary, Path(desk))
        pairs = _pairs(stretch, again)
        for path, other in pairs:
            _refuse(path, checkpoint_differences(path, other))
        if stretch.end.name == LAST:
            _refuse(folder, summary_differences(summary, RunFolder(again.parents[1]).json("summary.json")))
    content = load_checkpoint(stretch.end)
    values = sum(value.numel() for value in content["state_dict"].values())
    names = " and ".join(display_path(path) for path, _ in pairs)
    say(
        f"verified    {names} {'is' if len(pairs) == 1 else 'are'} bit for bit what training again gives: "
        f"{values:,} weights and buffers, the optimizer's and the random state, and the metrics of every epoch; its "
        f"test is not part of this"
    )


def _pairs(stretch: Stretch, again: Path) -> list[tuple[Path, Path]]:
    """Return each checkpoint of the run that the stretch wrote, with its like from training again."""
    if stretch.end.name != LAST:
        return [(stretch.end, again)]
    there = sorted(stretch.end.parent.glob("*.ckpt"), key=lambda path: path.name != LAST)
    pairs = [(path, again.with_name(path.name)) for path in there]
    written = [pair for pair in pairs if pair[1].is_file()]
    if stretch.start is None and len(written) < len(pairs):
        missing = next(path for path, other in pairs if not other.is_file())
        raise UsageError(f"{display_path(missing)} is none that training again writes")
    return written


def _refuse(path: Path, differences: Sequence[str]) -> None:
    if differences:
        more = f"; and {len(differences) - MOST_SHOWN} more" if len(differences) > MOST_SHOWN else ""
        shown = "; ".join(differences[:MOST_SHOWN])
        raise UsageError(f"{display_path(path)} is not what training again gives: {shown}{more}")


def train_again(folder: Path, stretch: Stretch, summary: Mapping[str, Any], desk: Path) -> Path:
    """Train a stretch again in another folder; return the checkpoint that it ends with.

    Raises:
        UsageError: Training fails, or ends elsewhere.
    """
    words = ["--runs_dir", str(desk), "--name", folder.absolute().parent.name, "--trainer.logger", "null"]
    if stretch.start is None:
        recipe = desk / "config.yaml"
        recipe.write_text(read_run_recipe(folder / "config.yaml", stretch.end), encoding="utf-8")
        words = ["-c", str(recipe), *words]
        if isinstance(summary.get("precision"), str):  # what "auto" came to may come to another today
            words += ["--trainer.precision", summary["precision"]]
            words += ["--trainer.channels_last", str(summary.get("channels_last") is True).lower()]
    else:
        words = ["--ckpt_path", str(stretch.start), *words]
    stops, kept = [], desk / "kept.ckpt"
    if stretch.end.name != LAST:
        stops.append(StopAfter(int(load_checkpoint(stretch.end)["global_step"]), stretch.end.name, kept))
    _set_threads(summary)
    sys.argv = [sys.argv[0], "fit", *words]  # what the processes of a run on several devices are started with
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        run_job(JOBS["fit"], words, *stops)
    path = kept if stops else next(desk.glob(f"*/version_*/checkpoints/{LAST}"), kept)
    if not path.is_file() or not path.stat().st_size:
        raise UsageError(f"training again wrote no {stretch.end.name} at that step: the run differs from its recipe")
    return path


def _set_threads(summary: Mapping[str, Any]) -> None:
    """Use as many threads as the run: another number adds up in another order."""
    threads = summary.get("threads")
    if isinstance(threads, int) and 0 < threads <= 1024:
        torch.set_num_threads(threads)
