"""The settings that an arm's words add up to, before anything is trained."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import Namespace

from callbacks.files import write_text
from models import Classifier
from models.init_args import find_class
from scripts.cli.errors import UsageError
from scripts.cli.flags import did_you_mean
from scripts.cli.jobs import JOBS
from scripts.cli.measured_step import step_kind
from scripts.cli.parser import Parser
from scripts.cli.session import build_objects
from scripts.cli.trainer import on_several_devices
from scripts.cli.training import USER_ERRORS, read_settings
from scripts.report.values import inside
from scripts.study.design import flags, level_words, levels
from scripts.study.options import Arm, Options

PARTS = ("test", "val", "train", "gap", "memorization")


@dataclass(frozen=True)
class Resolved:
    """An arm's settings.

    Attributes:
        name: The recipe's name.
        settings: All settings of its runs, but for those that a study decides.
        seeds: The recipe's seed of each source that it has.
    """

    name: str
    settings: dict[str, Any]
    seeds: dict[str, int]

    @property
    def monitor(self) -> str:
        """The metric that decides which epoch is the best."""
        return str(inside(self.settings, "checkpoint", "monitor") or "val/loss")


def resolve_arms(options: Options) -> dict[str, Resolved]:
    """Return the settings of each arm, at the first level and with the first value of what is searched.

    Raises:
        UsageError: A word is wrong, at whichever level; two arms are the same, or have other seeds; or a study cannot
            vary what it is to.
    """
    found: dict[str, Resolved] = {}
    first = {key: values[0] for key, values in options.vary.items()}
    for key, values in options.vary.items():
        for value in values:
            _check_level(options, first | {key: value}, key)
    for arm in options.arms:
        own = _of_arm(arm, options, first)
        found[arm.name] = own
        _check(arm.name, own, options.sources)
        baseline = next(iter(found.values()))
        of_data, of_first = (str(inside(each.settings, "data", "class_path")) for each in (own, baseline))
        if of_data != of_first:
            raise UsageError(
                f"arm {arm.name} has the data {of_data}, {options.arms[0].name} has {of_first}: their runs would be no "
                f"pairs"
            )
        if own.seeds != baseline.seeds and set(own.seeds) == set(baseline.seeds):
            raise UsageError(
                f"arm {arm.name} has other seeds than {options.arms[0].name}: their runs would be no pairs"
            )
        same = next((name for name, other in found.items() if other.settings == own.settings), arm.name)
        tested = {one.name: (one.tested, one.calibrated) for one in options.arms}
        if same != arm.name and tested[same] == tested[arm.name]:
            raise UsageError(f"the arms {same} and {arm.name} have the same settings; leave one out")
    return found


def _check_level(options: Options, level: Mapping[str, str], key: str) -> None:
    """Check the value of a setting that is varied, with the first arm's words."""
    try:
        _resolve([*options.words, *options.arms[0].words, *flags(level)])
    except UsageError as error:
        if key not in str(error):
            raise
        raise UsageError(f"--vary {key}={level[key]}: {error}") from error


def _of_arm(arm: Arm, options: Options, level: Mapping[str, str]) -> Resolved:
    """Return an arm's settings at a level; every value of its search that can be named is tried, the first is kept."""
    searched = list(arm.search.items())
    points = [{key: space.examples[0] for key, space in searched}]
    points += [points[0] | {key: value} for key, space in searched for value in space.examples[1:]]
    try:
        settings = [_resolve([*options.words, *arm.words, *flags(level), *flags(point)]) for point in points]
    except UsageError as error:
        where = f"arm {arm.name}: " if len(options.arms) > 1 else ""
        raise UsageError(f"{where}{error}") from error
    return settings[0]


def check_runs(options: Options) -> None:
    """Build data and model of each arm at each level, so that what cannot be trained is found before all training.

    Raises:
        UsageError: A class refuses its arguments, or the data are not there.
    """
    held: tuple[Any, Any] = (None, None)  # the last data, which the next arm may share
    for level, arm in itertools.product(levels(options), options.arms):
        examples = {key: space.examples[0] for key, space in arm.search.items()}
        try:
            _, parser, config, data = read_settings(
                JOBS["fit"], [*options.words, *arm.words, *flags(level), *flags(examples)]
            )
            settings = config.get("data")
            built = _built(parser, config, held[1] if settings == held[0] else data)
            held = settings, built.data
            if config.trainer.precision == "auto":
                torch.set_num_threads(options.threads)  # as in the runs, which measure nothing beside each other then
                step_kind(JOBS["fit"], None, built, config.trainer.as_dict())
        except (UsageError, *USER_ERRORS) as error:
            where = [*[f"arm {arm.name}"] * (len(options.arms) > 1), *level_words(level)]
            raise UsageError(f"{', '.join(where)}: {error}" if where else str(error)) from error


def _built(parser: Parser, config: Namespace, data: Any) -> Namespace:
    try:
        return build_objects(parser, config, data)
    except (ValueError, TypeError) as error:
        parser.error(str(error), error)


def default_metrics(arms: Mapping[str, Resolved]) -> tuple[str, ...]:
    """Return what is compared by default: a classifier's accuracy and loss, else what decides which epoch is best."""
    classes = [find_class(str(inside(arm.settings, "model", "class_path"))) for arm in arms.values()]
    if all(isinstance(cls, type) and issubclass(cls, Classifier) for cls in classes):
        return ("test/accuracy", "test/loss")
    return (f"test/{next(iter(arms.values())).monitor.removeprefix('val/')}",)


def check_metrics(options: Options) -> None:
    """Check the metrics that a study is to compare, as far as their names tell.

    Raises:
        UsageError: One is of no part, or the first is not measured in validation, by which a search chooses.
    """
    for metric in options.metrics:
        part, _, name = metric.partition("/")
        if part not in PARTS or not name:
            near = did_you_mean(part, PARTS) if name else f"; for example test/{metric}"
            raise UsageError(f"--metric {metric}: begin with one of {', '.join(f'{one}/' for one in PARTS)}{near}")
    if options.trials and options.metrics[0].partition("/")[0] not in ("test", "val"):
        raise UsageError(
            f"--metric {options.metrics[0]}: a search chooses by validation; name a metric of the test first"
        )


def _resolve(words: Sequence[str]) -> Resolved:
    invocation, parser, config, _ = read_settings(JOBS["fit"], list(words))
    settings: dict[str, Any] = yaml.safe_load(parser.dump(config, skip_unset=False))
    seed = settings["seed_everything"]
    if seed is False:
        raise UsageError("seed_everything: false leaves a study nothing to pair runs by; give a number")
    own = settings["initialization_seed"]
    seeds = {"initialization": seed if own is None else own, "order": seed}
    split, noise = inside(settings, "data", "init_args", "split"), inside(settings, "data", "init_args", "label_noise")
    if isinstance(split, dict):
        seeds["split"] = int(split["seed"])
    if isinstance(noise, dict):
        seeds["label_noise"] = int((noise.get("init_args") or {}).get("noise_seed", 0))
    return Resolved(invocation.name, settings, seeds)


def _check(name: str, arm: Resolved, sources: Sequence[str]) -> None:
    missing = next((source for source in sources if source not in arm.seeds), None)
    if missing is not None:
        need = "data.label_noise" if missing == "label_noise" else "a split of this project's"
        raise UsageError(f"arm {name}: --sources {missing} needs {need}")
    trainer = arm.settings["trainer"]
    for key, several in (("devices", on_several_devices(trainer["devices"])), ("num_nodes", trainer["num_nodes"] != 1)):
        if several:
            raise UsageError(
                f"arm {name}: trainer.{key} {trainer[key]}: a study's runs have one device each; leave it out"
            )
    for key in ("fast_dev_run", "barebones"):
        if trainer[key]:
            raise UsageError(f"arm {name}: trainer.{key} keeps nothing that a study could compare; leave it out")
    if trainer["limit_test_batches"] not in (None, 1.0):
        raise UsageError(f"arm {name}: trainer.limit_test_batches: a study tests on the whole test part; leave it out")
    if arm.settings["checkpoint"] is None or trainer["enable_checkpointing"] is False:
        raise UsageError(
            f"arm {name}: a study tests a checkpoint; leave --checkpoint and enable_checkpointing as they are"
        )


def write_settings(folder: Path, arms: Mapping[str, Resolved]) -> None:
    """Write each arm's settings to a file, or check that they are those that the files hold.

    Raises:
        UsageError: They differ.
    """
    for name, arm in arms.items():
        path, text = folder / "settings" / f"{name}.yaml", yaml.safe_dump(arm.settings, sort_keys=False)
        if path.is_file() and path.read_bytes() != text.encode():
            raise UsageError(
                f"the settings of arm {name} are not those of {path}: a recipe, an overlay or the code has changed "
                f"since the study began; give --name for a new one"
            )
        path.parent.mkdir(exist_ok=True)
        write_text(path, text)
