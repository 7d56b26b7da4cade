"""`Options` from plain values, as flags and a study's file give them."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.cli.command_line import CommandLine
from scripts.cli.errors import UsageError
from scripts.cli.flags import CONFIG
from scripts.study.arms import DECIDED, arms_of, check_key, tested_checkpoint
from scripts.study.options import MOST_SEEDS, Options
from scripts.study.sources import DEFAULT_SOURCES, check_sources

INSTEAD = {"--runs_dir": "--studies_dir FOLDER", "--ckpt_path": "--resume"}


def options_of(values: Mapping[str, Any]) -> Options:
    """Return the study that plain values describe.

    Raises:
        UsageError: A value cannot be used.
    """
    shared, tested = tuple(values["fit"]), tested_checkpoint(values.get("test_checkpoint", "best"))
    _check_shared(shared)
    arms = arms_of(values, tested)
    sources = _names(values, "sources", DEFAULT_SOURCES)
    check_sources(sources)
    for arm in arms:
        for key in arm.search:
            check_key("--search", key, sources)
    trials = _whole(values, "trials", 1, 0)
    if bool(trials) != any(arm.search for arm in arms):
        raise UsageError("--search and --trials go together: --search model.optimizer.lr=log:1e-4:1e-1 --trials 20")
    address, name = str(values.get("address", "")), str(values.get("name", ""))
    if name and (Path(name).name != name or name in (".", "..")):
        raise UsageError(f"--name {name}: a study's name is one folder, without slashes")
    return Options(
        name=name,
        words=shared,
        arms=arms,
        vary=_vary(values.get("vary") or {}, sources),
        seeds=_seeds(values),
        folds=_whole(values, "folds", 2, 0) or None,
        sources=sources,
        apart=_switch(values, "apart"),
        trials=trials,
        asha=_switch(values, "asha"),
        metrics=_names(values, "metrics", ()),
        difference=_number(values, "difference", None),
        studies_dir=Path(str(values.get("studies_dir", "studies"))),
        parallel=_whole(values, "parallel", 1, 0) or None,
        threads=_whole(values, "threads", 1, 1),
        gpus_per_run=_gpus(values),
        retries=_whole(values, "retries", 0, 2),
        address=address,
        resume=_switch(values, "resume"),
    )


def _check_shared(words: Sequence[str]) -> None:
    flags = CommandLine.parse("study", list(words)).flags
    for flag in flags:
        if flag.name in DECIDED:
            instead = INSTEAD.get(flag.name)
            raise UsageError(f"{flag.name}: a study decides it for each run" + (f"; use {instead}" if instead else ""))
    if not any(flag.name in CONFIG or flag.name.startswith("--data") for flag in flags):
        raise UsageError("study needs a recipe: holdout study -c configs/digits.yaml --arm plain --arm OVERLAY")


def _word(value: Any) -> str:
    """Return a value of a study's file as a word of the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _vary(values: Any, sources: Sequence[str]) -> dict[str, tuple[str, ...]]:
    if not isinstance(values, dict):
        raise UsageError("vary: give each setting its values, as data.split.train_fraction: [0.01, 0.1]")
    found = {}
    for key, each in values.items():
        levels = tuple(_word(value) for value in (each if isinstance(each, list) else [each]))
        if "" in levels or len(set(levels)) < len(levels):
            raise UsageError(f"--vary {key}={','.join(levels)}: a value is empty or given twice")
        check_key("--vary", str(key), sources)
        found[str(key)] = levels
    return found


def _switch(values: Mapping[str, Any], key: str) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"{key}: {value!r} is neither true nor false")
    return value


def _names(values: Mapping[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = values.get(key, default)
    if not isinstance(value, str | list | tuple):
        raise UsageError(f"--{key} {value!r}: give names")
    return tuple(value.split(",") if isinstance(value, str) else map(str, value))


def _whole(values: Mapping[str, Any], key: str, least: int, default: int) -> int:
    if values.get(key) is None:
        return default
    text = str(values[key])
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < least:
        raise UsageError(f"--{key} {text} is not a whole number of {least} or more")
    return int(text)


def _seeds(values: Mapping[str, Any]) -> int:
    seeds = _whole(values, "seeds", 1, 1 if values.get("folds") else 5)
    if seeds > MOST_SEEDS:
        raise UsageError(f"--seeds {seeds}: {MOST_SEEDS} are the most")
    return seeds


def _gpus(values: Mapping[str, Any]) -> float | None:
    if str(values.get("gpus_per_run")) == "0":
        return 0.0
    found = _number(values, "gpus_per_run", None)
    if found is not None and found > 1:
        raise UsageError(
            f"--gpus_per_run {values['gpus_per_run']}: a study's runs have one device each; give 1 or less"
        )
    return found


def _number(values: Mapping[str, Any], key: str, default: float | None) -> float | None:
    if values.get(key) is None:
        return default
    try:
        value = float(values[key])
    except (TypeError, ValueError) as error:
        raise UsageError(f"--{key} {values[key]} is not a number") from error
    if not 0 < value < float("inf"):
        raise UsageError(f"--{key} {values[key]} is not above 0")
    return value
