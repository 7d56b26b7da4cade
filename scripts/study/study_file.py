"""A study's own file, `study.yaml`: what it compares, in the form that `--study` reads."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from callbacks.files import write_text
from scripts.cli.errors import UsageError
from scripts.report.study import STUDY_FILE
from scripts.study.options import Arm, Options
from scripts.study.reading import read_file

# What may differ when a study goes on: how it is made, and how its results are read.
FREE = ("parallel", "retries", "gpus_per_run", "metrics", "difference")
SEEDS = "seeds"  # there may be more of them


def to_plain(options: Options) -> dict[str, Any]:
    """Return a study as plain values, the defaults left out."""
    default = Options()
    values: dict[str, Any] = {"fit": shlex.join(options.words)}
    values["arms"] = {arm.name: _words(arm) for arm in options.arms}
    values["vary"] = {key: list(levels) for key, levels in options.vary.items()}
    values["search"] = {
        arm.name: {key: space.text for key, space in arm.search.items()} for arm in options.arms if arm.search
    }
    values["seeds"] = options.seeds
    for name in ("folds", "trials", "asha", "apart", "difference", "threads", "parallel", "retries", "gpus_per_run"):
        if getattr(options, name) != getattr(default, name):
            values[name] = getattr(options, name)
    values["sources"], values["metrics"] = list(options.sources), list(options.metrics)
    return {key: value for key, value in values.items() if value not in ({}, [])}


def _words(arm: Arm) -> str:
    tested = ["--test_checkpoint", "last"] if arm.tested == "last" else []
    return shlex.join([*arm.words, *tested, *(["--calibrate"] if arm.calibrated else [])])


def _command(folder: Path) -> str:
    """Return the command that names a study's file, its folder and its name, which is last."""
    words = ["holdout", "study", "--study", str(folder / STUDY_FILE)]
    words += ["--studies_dir", str(folder.parent)] if folder.parent != Path("studies") else []
    return shlex.join([*words, "--name", folder.name])


def _more_seeds(key: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return key == SEEDS and isinstance(before.get(key), int) and before[key] < now[key]


def write_study(folder: Path, options: Options) -> None:
    """Write a study's file, or check that it is the one that is there.

    Raises:
        UsageError: The study that has begun there compares something else.
    """
    path, values = folder / STUDY_FILE, to_plain(options)
    if path.is_file():
        before = read_file(path)
        for key in dict.fromkeys((*before, *values)):
            if key not in FREE and before.get(key) != values.get(key) and not _more_seeds(key, before, values):
                fewer = "; a study can have more seeds, not fewer" if key == SEEDS else ""
                raise UsageError(
                    f"{path} differs from the command line in {key}{fewer}; go on with what has begun "
                    f"({_command(folder)} --resume), or give --name for a new study"
                )
    head = f"# {_command(folder)}_again\n"
    write_text(path, head + yaml.safe_dump(values, sort_keys=False, width=110))
