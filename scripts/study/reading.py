"""The words of `holdout study`, and a study's file, read into `Options`."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from datamodules.regular_files import HostileFileError, read_text
from models.bounded_yaml import load_yaml
from scripts.cli.command_line import CommandLine, Flag
from scripts.cli.errors import UsageError
from scripts.cli.flags import CONFIG, RECIPE_ENDINGS, did_you_mean, missing_file
from scripts.study.options import ARM_NAME, PLAIN, Arm, Options
from scripts.study.search_space import read_space
from scripts.study.sources import DEFAULT_SOURCES, check_sources

LARGEST_FILE = 2**20  # bytes
TESTED, CALIBRATED = "--test_checkpoint", "--calibrate"
REPEATED = ("arm", "vary", "search", "metric")  # flags that may be given more than once
SWITCHES = ("apart", "asha", "resume")
SINGLE = (
    "name", "seeds", "folds", "sources", "trials", "difference", "studies_dir", "parallel", "threads", "gpus_per_run",
    "retries", "address", "test_checkpoint",
)  # fmt: skip
IN_FILE = ("fit", "arms", "vary", "search", "metrics", *SINGLE, "apart", "asha")
DECIDED = ("--name", "--runs_dir", "--ckpt_path", "--seed_everything", "--initialization_seed", "--print_config")
INSTEAD = {"--runs_dir": "--studies_dir FOLDER", "--ckpt_path": "--resume"}


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
    values = read_file(Path(file)) if file is not None else {}
    return _options(_merged(values, own, shared))


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
            raise UsageError(f"{path}: a study has no {key}{did_you_mean(str(key), IN_FILE)}")
    return content


def _merged(file: dict[str, Any], own: dict[str, Any], shared: list[str]) -> dict[str, Any]:
    """Return the values of a file with those of flags over them."""
    values = dict(file)
    values["fit"] = [*_words("fit", file.get("fit", "")), *shared]
    values |= {key: value for key, value in own.items() if key not in REPEATED}
    if "arm" in own:
        values["arms"] = dict(_named_arm(text) for text in own["arm"])
        if len(values["arms"]) < len(own["arm"]):
            raise UsageError("--arm: two arms have one name; give others: --arm NAME=WORDS")
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


def _options(values: Mapping[str, Any]) -> Options:
    shared, tested = tuple(values["fit"]), _tested(values.get("test_checkpoint", "best"))
    _check_shared(shared)
    arms = _arms(values, tested)
    sources = values.get("sources", DEFAULT_SOURCES)
    sources = tuple(sources.split(",") if isinstance(sources, str) else map(str, sources))
    check_sources(sources)
    trials = _whole(values, "trials", 1, 0)
    if bool(trials) != any(arm.search for arm in arms):
        raise UsageError("--search and --trials go together: --search model.optimizer.lr=log:1e-4:1e-1 --trials 20")
    metrics = values.get("metrics", ())
    address, name = str(values.get("address", "")), str(values.get("name", ""))
    if name and (Path(name).name != name or name in (".", "..")):
        raise UsageError(f"--name {name}: a study's name is one folder, without slashes")
    return Options(
        name=name,
        words=shared,
        arms=arms,
        vary=_vary(values.get("vary") or {}),
        seeds=_whole(values, "seeds", 1, 1 if values.get("folds") else 5),
        folds=_whole(values, "folds", 2, 0) or None,
        sources=sources,
        apart=_switch(values, "apart"),
        trials=trials,
        asha=_switch(values, "asha"),
        metrics=(metrics,) if isinstance(metrics, str) else tuple(map(str, metrics)),
        difference=_number(values, "difference", None),
        studies_dir=Path(str(values.get("studies_dir", "studies"))),
        parallel=_whole(values, "parallel", 1, 0) or None,
        threads=_whole(values, "threads", 1, 1),
        gpus_per_run=_number(values, "gpus_per_run", None),
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


def _arms(values: Mapping[str, Any], tested: str) -> tuple[Arm, ...]:
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
    line = CommandLine.parse("study", list(_words(f"arm {name}", words or "")))
    kept: list[str] = []
    calibrated = False
    for flag in line.flags:
        if flag.name == TESTED:
            tested = _tested(flag.value)
        elif flag.name == CALIBRATED:
            calibrated = True
        elif flag.name in DECIDED:
            raise UsageError(f"arm {name}: a study decides {flag.name} for each run")
        elif flag.name == "" and str(flag.value).endswith(RECIPE_ENDINGS):
            kept += ["-c", str(flag.value)]
        else:
            kept += flag.words
    return Arm(name, tuple(kept), tested, calibrated, {key: read_space(key, space) for key, space in spaces.items()})


def _words(key: str, text: Any) -> list[str]:
    if isinstance(text, list):
        return [str(word) for word in text]
    try:
        return shlex.split(str(text))
    except ValueError as error:
        raise UsageError(f"{key}: {text!r}: {error}") from error


def _vary(values: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(values, dict):
        raise UsageError("vary: give each setting its values, as data.split.train_fraction: [0.01, 0.1]")
    found = {}
    for key, each in values.items():
        levels = tuple(map(str, each)) if isinstance(each, list) else (str(each),)
        if "" in levels or len(set(levels)) < len(levels):
            raise UsageError(f"--vary {key}={','.join(levels)}: a value is empty or given twice")
        found[str(key)] = levels
    return found


def _tested(value: Any) -> str:
    if value not in ("best", "last"):
        raise UsageError(f"{TESTED} {value}: give best or last")
    return str(value)


def _switch(values: Mapping[str, Any], key: str) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"{key}: {value!r} is neither true nor false")
    return value


def _whole(values: Mapping[str, Any], key: str, least: int, default: int) -> int:
    if values.get(key) is None:
        return default
    text = str(values[key])
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < least:
        raise UsageError(f"--{key} {text} is not a whole number of {least} or more")
    return int(text)


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
