"""The settings that an arm's words add up to, before anything is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from models import Classifier
from models.init_args import find_class
from scripts.cli.command_line import CommandLine, check_command_line
from scripts.cli.default_recipe import needs_default_recipe, with_default_recipe
from scripts.cli.errors import UsageError
from scripts.cli.invocation import resolve
from scripts.cli.jobs import JOBS
from scripts.cli.parser import parse
from scripts.report.values import inside
from scripts.study.options import Options

MANY = 100  # validations of a run that has no number of epochs


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

    @property
    def validations(self) -> int:
        """How often a run is validated at most, as far as its epochs tell."""
        trainer = self.settings["trainer"]
        epochs, every = trainer["max_epochs"], trainer["check_val_every_n_epoch"]
        return max(epochs // (every or 1), 1) if isinstance(epochs, int) and epochs > 0 else MANY


def resolve_arms(options: Options) -> dict[str, Resolved]:
    """Return the settings of each arm; those of a searched value are the first that is tried.

    Raises:
        UsageError: The words of an arm are wrong, two arms are the same, or a study cannot vary what it is to.
    """
    found: dict[str, Resolved] = {}
    level = [word for key, values in options.vary.items() for word in (f"--{key}", values[0])]
    for arm in options.arms:
        point = [word for key, space in arm.search.items() for word in (f"--{key}", space.example)]
        try:
            found[arm.name] = _resolve([*options.words, *arm.words, *level, *point])
        except UsageError as error:
            where = f"arm {arm.name}: " if len(options.arms) > 1 else ""
            raise UsageError(f"{where}{error}") from error
        _check(arm.name, found[arm.name], options.sources)
        same = next((name for name, other in found.items() if other.settings == found[arm.name].settings), arm.name)
        tested = {one.name: (one.tested, one.calibrated) for one in options.arms}
        if same != arm.name and tested[same] == tested[arm.name]:
            raise UsageError(f"the arms {same} and {arm.name} have the same settings; leave one out")
    return found


def default_metrics(arms: Mapping[str, Resolved]) -> tuple[str, ...]:
    """Return what is compared by default: a classifier's accuracy and loss, else what decides which epoch is best."""
    classes = [find_class(str(inside(arm.settings, "model", "class_path"))) for arm in arms.values()]
    if all(isinstance(cls, type) and issubclass(cls, Classifier) for cls in classes):
        return ("test/accuracy", "test/loss")
    return (f"test/{next(iter(arms.values())).monitor.removeprefix('val/')}",)


def _resolve(words: Sequence[str]) -> Resolved:
    job, line = JOBS["fit"], CommandLine.parse("fit", list(words))
    if needs_default_recipe(line):
        line, _ = with_default_recipe(job, line)
    check_command_line(line)
    invocation = resolve(line)
    parser, config = parse(job, invocation)
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
    devices, nodes = arm.settings["trainer"]["devices"], arm.settings["trainer"]["num_nodes"]
    if devices not in ("auto", 1, "1") and not (isinstance(devices, list) and len(devices) == 1):
        raise UsageError(f"arm {name}: trainer.devices {devices}: a study's runs have one device each; leave it out")
    if nodes != 1:
        raise UsageError(f"arm {name}: trainer.num_nodes {nodes}: a study's runs have one device each; leave it out")


def write_settings(folder: Path, arms: Mapping[str, Resolved]) -> None:
    """Write each arm's settings to a file, or check that they are those that the files hold.

    Raises:
        UsageError: They differ.
    """
    from callbacks.files import write_text

    for name, arm in arms.items():
        path, text = folder / "settings" / f"{name}.yaml", yaml.safe_dump(arm.settings, sort_keys=False)
        if path.is_file() and path.read_text(encoding="utf-8") != text:
            raise UsageError(
                f"the settings of arm {name} are not those of {path}: a recipe, an overlay or the code has changed "
                f"since the study began; give --name for a new one"
            )
        path.parent.mkdir(exist_ok=True)
        write_text(path, text)
