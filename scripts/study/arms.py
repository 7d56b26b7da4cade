"""The arms of a study, from plain values."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.cli.command_line import CommandLine
from scripts.cli.errors import UsageError
from scripts.cli.flags import RECIPE_ENDINGS, did_you_mean
from scripts.study.options import ARM_NAME, PLAIN, Arm
from scripts.study.search_space import read_space
from scripts.study.sources import SOURCES

TESTED, CALIBRATED = "--test_checkpoint", "--calibrate"
DECIDED = ("--name", "--runs_dir", "--ckpt_path", "--seed_everything", "--initialization_seed", "--print_config")


def check_key(flag: str, key: str, sources: Sequence[str]) -> None:
    """Check that a setting may be varied or searched.

    Args:
        flag: Who asks, "--vary" or "--search".
        key: The setting.
        sources: What the study's seeds change.

    Raises:
        UsageError: The study decides it for each run.
    """
    decided = {name.removeprefix("--") for name in DECIDED} | {SOURCES[source] for source in sources}
    decided |= {"trainer.devices", "trainer.num_nodes", "data.split.fold", "data.split.folds"}
    if key in decided:
        raise UsageError(f"{flag} {key}: a study decides it for each run (--seeds, --folds, --sources)")


def arms_of(values: Mapping[str, Any], tested: str) -> tuple[Arm, ...]:
    """Return the arms that plain values describe.

    Args:
        values: The values; "arms" are words by name, "search" holds spaces by setting, by "ARM:SETTING", or by arm.
        tested: The checkpoint that is tested unless an arm says otherwise.

    Raises:
        UsageError: An arm or a space cannot be used.
    """
    written = values.get("arms") or {PLAIN: ""}
    if not isinstance(written, dict):
        raise UsageError("arms: give each a name and its words, as plain: ''")
    spaces = values.get("search") or {}
    if not isinstance(spaces, dict):
        raise UsageError("search: give a space for each setting, as model.optimizer.lr: log:1e-4:1e-1")
    of_arms = {name: space for name, space in spaces.items() if isinstance(space, dict)}
    of_all = {key: str(space) for key, space in spaces.items() if key not in of_arms}
    unknown = [name for name in of_arms if name not in written]
    of_one = {key: space for key, space in of_all.items() if key.partition(":")[1]}
    unknown += [key.partition(":")[0] for key in of_one if key.partition(":")[0] not in written]
    if unknown:
        raise UsageError(f"search: there is no arm {unknown[0]}{did_you_mean(unknown[0], map(str, written))}")
    arms = []
    for name, words in written.items():
        if not ARM_NAME.fullmatch(str(name)):
            raise UsageError(f"arm {name}: a name is letters, digits and + . _ -")
        own = {key: space for key, space in of_all.items() if key not in of_one}
        own |= {key.partition(":")[2]: space for key, space in of_one.items() if key.partition(":")[0] == name}
        own |= {key: str(space) for key, space in (of_arms.get(name) or {}).items()}
        arms.append(_arm(str(name), words, tested, own))
    return tuple(arms)


def _arm(name: str, words: Any, tested: str, spaces: Mapping[str, str]) -> Arm:
    line = CommandLine.parse("study", list(split_words(f"arm {name}", words or "")))
    kept: list[str] = []
    calibrated = False
    for flag in line.flags:
        if flag.name == TESTED:
            tested = tested_checkpoint(flag.value)
        elif flag.name == CALIBRATED:
            calibrated = True
        elif flag.name in DECIDED:
            raise UsageError(f"arm {name}: a study decides {flag.name} for each run")
        elif flag.name == "" and str(flag.value).endswith(RECIPE_ENDINGS):
            kept += ["-c", str(flag.value)]
        else:
            kept += flag.words
    return Arm(name, tuple(kept), tested, calibrated, {key: read_space(key, space) for key, space in spaces.items()})


def split_words(key: str, text: Any) -> list[str]:
    """Return the words of a text, as a shell splits it.

    Raises:
        UsageError: A quotation does not end; the message names the key.
    """
    if isinstance(text, list):
        return [str(word) for word in text]
    try:
        return shlex.split(str(text))
    except ValueError as error:
        raise UsageError(f"{key}: {text!r}: {error}") from error


def tested_checkpoint(value: Any) -> str:
    """Return which checkpoint is tested, "best" or "last".

    Raises:
        UsageError: It is neither.
    """
    if value not in ("best", "last"):
        raise UsageError(f"{TESTED} {value}: give best or last")
    return str(value)
