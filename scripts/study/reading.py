"""The words of `holdout study`, and a study's file, as plain values: a flag wins over the file."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from datamodules.regular_files import HostileFileError, read_text
from models.bounded_yaml import load_yaml
from scripts.cli.command_line import CommandLine, Flag
from scripts.cli.errors import UsageError
from scripts.cli.flags import RECIPE_ENDINGS, did_you_mean, missing_file
from scripts.report.study import STUDY_FILE
from scripts.study.arms import split_words
from scripts.study.options import ARM_NAME, PLAIN, Options
from scripts.study.values import options_of

LARGEST_FILE = 2**20  # bytes
REPEATED = ("arm", "vary", "search", "metric")  # flags that may be given more than once
SWITCHES = ("apart", "asha", "resume")
SINGLE = (
    "name", "seeds", "folds", "sources", "trials", "difference", "studies_dir", "parallel", "threads", "gpus_per_run",
    "retries", "address", "test_checkpoint",
)  # fmt: skip
IN_FILE = ("fit", "arms", "vary", "search", "metrics", *SINGLE, "apart", "asha")


def read_options(words: Sequence[str]) -> Options:
    """Return the study that a command line asks for; its flags win over the file that `--study` names.

    Raises:
        UsageError: A word cannot be used.
    """
    line = CommandLine.parse("study", list(words))
    own: dict[str, Any] = {}
    shared: list[str] = []
    for flag in line.flags:
        key = flag.name.removeprefix("--")
        if flag.name.startswith("--") and key in (*REPEATED, *SWITCHES, *SINGLE, "study"):
            _take(own, key, flag)
        else:
            shared += flag.words
    file = own.pop("study", None)
    if file is None and not shared and own.get("resume") and "name" in own:
        begun = Path(own.get("studies_dir", Options.studies_dir)) / own["name"] / STUDY_FILE
        file = str(begun) if begun.is_file() else None
    values = read_file(Path(file)) if file is not None else {}
    return options_of(_merged(values, own, shared))


def _take(own: dict[str, Any], key: str, flag: Flag) -> None:
    if key in SWITCHES:
        if flag.value not in (None, "true", "false"):
            raise UsageError(f"{flag.name} takes no value")
        own[key] = flag.value != "false"
    elif not flag.value:
        raise UsageError(f"{flag.name} needs a value")
    elif key in REPEATED:
        own.setdefault(key, []).append(flag.value)
    else:
        own[key] = flag.value


def read_file(path: Path) -> dict[str, Any]:
    """Return the content of a study's file.

    Raises:
        UsageError: There is no such file, it is not YAML, or has a key that no study has.
    """
    try:
        content = load_yaml(read_text(path, largest=LARGEST_FILE))
    except HostileFileError as error:
        raise UsageError(f"--study {path} is {error.strerror}") from error
    except OSError as error:
        raise UsageError(missing_file(path)) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"--study {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UsageError(f"--study {path} is not a study: it holds no keys such as fit and arms")
    for key in content:
        if key not in IN_FILE:
            near = did_you_mean(str(key), IN_FILE) or f"; there are {', '.join(IN_FILE)}"
            raise UsageError(f"{path}: a study has no key {key}{near}")
    return content


def _merged(file: dict[str, Any], own: dict[str, Any], shared: list[str]) -> dict[str, Any]:
    """Return the values of a file with those of flags over them."""
    values = dict(file)
    values["fit"] = [*split_words("fit", file.get("fit", "")), *shared]
    values |= {key: value for key, value in own.items() if key not in REPEATED}
    if "arm" in own:
        values["arms"] = dict(_named_arm(text) for text in own["arm"])
        if len(values["arms"]) < len(own["arm"]):
            raise UsageError('--arm: two arms have one name; give others: --arm "NAME=FLAGS"')
    if "vary" in own:
        values["vary"] = {key: value.split(",") for key, value in map(_pair("--vary"), own["vary"])}
    if "search" in own:
        values["search"] = dict(map(_pair("--search"), own["search"]))
    if "metric" in own:
        values["metrics"] = own["metric"]
    return values


def _pair(flag: str) -> Any:
    def pair(text: str) -> tuple[str, str]:
        key, given, value = text.partition("=")
        if not key or not given or not value:
            example = "data.split.train_fraction=0.01,0.1" if flag == "--vary" else "model.optimizer.lr=log:1e-4:1e-1"
            raise UsageError(f"{flag} {text}: give a setting and its values: {flag} {example}")
        return key.removeprefix("--"), value

    return pair


def _named_arm(text: str) -> tuple[str, str]:
    """Return an arm's name and words: of `configs/regularizers/mixup.yaml`, of `NAME`, or of `NAME=WORDS`."""
    name, given, words = text.partition("=")
    if given and ARM_NAME.fullmatch(name) and not name.startswith("-"):
        return name, words
    if text.endswith(RECIPE_ENDINGS):
        if not Path(text).is_file():
            raise UsageError(missing_file(Path(text)))
        return Path(text).stem, f"-c {shlex.quote(text)}"
    if ARM_NAME.fullmatch(text) and not text.startswith("-"):
        if text != PLAIN:
            raise UsageError(f"--arm {text}: is it a file, {text}.yaml? The recipe as it stands is --arm {PLAIN}")
        return text, ""
    raise UsageError(f'--arm {text}: give an overlay, {PLAIN}, or a name and flags: --arm "NAME={text}"')
