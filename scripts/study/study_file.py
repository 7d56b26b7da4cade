"""A study's own file, `study.yaml`: what it compares, in the form that `--study` reads."""

import shlex
from pathlib import Path
from typing import Any

import yaml

from callbacks.files import write_text
from scripts.cli.errors import UsageError
from scripts.report.study import STUDY_FILE
from scripts.study.options import Arm, Options

FREE = ("parallel", "retries", "gpus_per_run")  # what may differ when a study goes on


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


def write_study(folder: Path, options: Options) -> None:
    """Write a study's file, or check that it is the one that is there.

    Raises:
        UsageError: The study that has begun there compares something else.
    """
    path, values = folder / STUDY_FILE, to_plain(options)
    if path.is_file():
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key in dict.fromkeys((*before, *values)):
            if key not in FREE and before.get(key) != values.get(key):
                raise UsageError(
                    f"{path} has {key} {before.get(key)!r}, the command line {values.get(key)!r}; go on with what has "
                    f"begun (--study {path} --resume), or give --name for a new study"
                )
    head = f"# holdout study --study {path} --name {folder.name}\n"
    write_text(path, head + yaml.safe_dump(values, sort_keys=False, width=110))
