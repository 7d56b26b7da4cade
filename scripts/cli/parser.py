"""The parser of one job: its arguments, their links from data to model, and one-line errors."""

import argparse
import copy
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NoReturn, get_args, get_origin

import lightning as L
import yaml
from jsonargparse import ActionConfigFile, Namespace, set_loader, set_parsing_settings  # type: ignore[attr-defined]
from jsonargparse._loaders_dumpers import yaml_load
from jsonargparse._typehints import ActionTypeHint
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.cli import LightningArgumentParser
from typing_extensions import override

import models.losses
import models.networks
import models.regularizers  # noqa: F401  short class names resolve among imported modules
from callbacks import Checkpoint, EarlyStopping
from models.bounded_yaml import load_yaml
from models.init_args import find_class
from models.own_code import with_place
from scripts.cli.command_line import places
from scripts.cli.errors import UsageError
from scripts.cli.hyperparameters import links
from scripts.cli.invocation import Invocation
from scripts.cli.jobs import Job
from scripts.cli.messages import explain_parser_error
from scripts.cli.trainer import Trainer

SEEDS = 2**32
# Of the trainer, where Lightning checks nothing.
LOWEST = {
    **{"check_val_every_n_epoch": 1, "accumulate_grad_batches": 1, "gradient_clip_val": 0, "num_sanity_val_steps": -1},
    **{"min_epochs": 0, "min_steps": 0, "log_every_n_steps": 0, "reload_dataloaders_every_n_epochs": 0},
}


def bounded_yaml(text: str) -> Any:
    """Return what jsonargparse takes YAML for: a recipe, a file that a recipe names, or a flag's value.

    A line alone is a list or a mapping only in brackets: `notes: new/x.csv` and ` #2/x.csv` are paths.
    """
    load_yaml(text)  # raises for one that exceeds the limits
    value = yaml_load(text)  # type: ignore[no-untyped-call]
    in_brackets = text.lstrip().startswith(("[", "{"))
    is_text = isinstance(value, dict | list) or (value is None and text.lstrip().startswith("#"))
    return text if is_text and "\n" not in text and not in_brackets else value


set_loader("yaml", bounded_yaml, (yaml.YAMLError,))
# Lightning lets a path be an address (s3://, http://); a recipe, or one out of a checkpoint, fetches nothing.
set_parsing_settings(config_read_mode_fsspec_enabled=False, config_read_mode_urls_enabled=False)


class Parser(LightningArgumentParser):
    """An argument parser that raises one-line errors.

    Args:
        recipes: The text behind each `-c`; it is not read again.
        kwargs: Arguments of `LightningArgumentParser`.
    """

    def __init__(self, *args: Any, recipes: dict[str, str] | None = None, **kwargs: Any) -> None:
        self.recipes = recipes or {}
        super().__init__(*args, allow_abbrev=False, **kwargs)

    @override
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:  # a nested parser: its caller words the error
            super().error(message, ex)
        _, line = explain_parser_error(message, self.flags())
        line = line if ex is None else with_place(line, ex)
        raise UsageError(self._file_at_fault(line) + line) from ex

    @override
    def parse_args(self, *args: Any, **kwargs: Any) -> Namespace:  # type: ignore[override]
        if args and isinstance(args[0], list) and len(args[0]) == 1:
            # A nested parser is given a flag's value as f"--key={value}", which makes a text of null.
            args = ([re.sub(r"^(--[\w.]+)=None$", r"\1=null", str(args[0][0]))], *args[1:])
            appended, before = re.match(r"--([\w.]+)\+=", args[0][0]), kwargs.get("namespace")
            if appended and before is not None and before.get(appended[1]) is None and self._takes_null(appended[1]):
                before[appended[1]] = [None]
        settings: Namespace = super().parse_args(*args, **kwargs)
        return settings

    @override
    def parse_object(self, cfg_obj: Any, namespace: Any = None, *args: Any, **kwargs: Any) -> Namespace:
        for key in [key for key in cfg_obj.keys() if str(key).endswith("+")]:  # noqa: SIM118  a Namespace is no mapping
            name, items = key[:-1], cfg_obj[key]
            if (namespace is None or namespace.get(name) in (None, True)) and self._takes_null(name):
                # jsonargparse takes a value that is not set for an empty list; here it stands for default items.
                cfg_obj = copy.copy(cfg_obj)
                cfg_obj[key] = [None, *(items if isinstance(items, list) else [items])]
        settings: Namespace = super().parse_object(cfg_obj, namespace, *args, **kwargs)
        return settings

    def _takes_null(self, name: str) -> bool:
        """Return whether an argument takes a list of which an item may be None."""
        return any(_takes_null_items(action) for action in self._actions if action.dest == name)

    def flags(self) -> list[str]:
        """Return the flags that the parser has so far."""
        return [flag for action in self._actions for flag in action.option_strings]

    def _file_at_fault(self, line: str) -> str:
        """Return "FILE: " for an unknown key, which the parser finds only after it has merged all recipes."""
        key = re.match(r"unknown key '([\w.]+)'", line)
        for path, text in self.recipes.items():
            if key and any(f"{place}.".startswith(f"{key[1]}.") for place in places(yaml.safe_load(text))):
                return f"{path}: "
        return ""


class DefaultFirst(ActionTypeHint):
    """A flag whose list may hold None for default items: `--trainer.logger+` appends to those if nothing is set."""

    @override
    def _check_type(self, value: Any, append: bool = False, cfg: Any = None, mode: Any = None) -> Any:
        if append and cfg is not None and cfg.get(self.dest) in (None, True):
            cfg[self.dest] = [None]
        return super()._check_type(value, append, cfg, mode)  # type: ignore[no-untyped-call]


def _takes_null_items(action: argparse.Action) -> bool:
    hint = getattr(action, "_typehint", None)
    lists = [kind for kind in (hint, *get_args(hint)) if get_origin(kind) is list]
    return any(type(None) in get_args(item) for kind in lists for item in get_args(kind))


class RecipeAction(ActionConfigFile):
    """`-c FILE`, whose text the command line has read already; errors name the file."""

    @override
    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        try:
            self.apply_config(parser, cfg, self.dest, f"{parser.recipes.get(values, values)}\n")
        except UsageError as error:
            raise UsageError(f"{values}: {error}") from error


def parse(job: Job, invocation: Invocation) -> tuple[Parser, Namespace]:
    """Parse a command line; return the job's parser, which can build and print the settings, and the settings.

    The parser is that of one job: a fourth of the time that Lightning's four subcommands take.

    Raises:
        UsageError: An argument is unknown, has a wrong value, or is missing.
    """
    parser = Parser(
        recipes=invocation.recipes,
        prog=f"holdout {job.name}",
        usage=job.usage,
        description=job.help,
        dump_header=[f"lightning.pytorch=={L.__version__}"],
    )
    _add_arguments(parser, job, invocation.data_class)
    config = parser.parse_args(invocation.arguments)
    config.pop("ckpt_path", None)
    for key, value in config.items():
        config[key] = plain_texts(value)
    check_values(job.name, config.as_dict())
    return parser, config


def plain_texts(value: Any) -> Any:
    """Return a setting with texts in place of the choices that libraries give as defaults of texts, as for a Timer."""
    if isinstance(value, str) and isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list):
        return [plain_texts(item) for item in value]
    if isinstance(value, Namespace):
        for key in list(vars(value)):
            setattr(value, key, plain_texts(getattr(value, key)))
    return value


def _add_arguments(parser: Parser, job: Job, data_class: type | None) -> None:
    helps = {option.flag: option.help for option in job.options}
    parser.add_argument("-c", "--config", action=RecipeAction, help=helps["--config"])
    parser.add_argument("--seed_everything", type=bool | int, default=0, help=helps["--seed_everything"])
    parser.add_argument("--initialization_seed", type=int | None, default=None, help=helps["--initialization_seed"])
    shown = helps.get("--compile", argparse.SUPPRESS)
    parser.add_argument("--compile", type=bool, nargs="?", const=True, default=False, help=shown)
    parser.add_lightning_class_args(L.LightningModule, "model", subclass_mode=True)
    parser.add_lightning_class_args(L.LightningDataModule, "data", subclass_mode=True)
    for key, callback in (("early_stopping", EarlyStopping), ("checkpoint", Checkpoint)):
        default = {"class_path": f"callbacks.{callback.__name__}", "init_args": {"monitor": "val/loss"}}
        shown = helps.get(f"--{key}", argparse.SUPPRESS)  # an evaluation accepts them, since a recipe may hold them
        parser.add_argument(f"--{key}", type=callback | None, default=default, help=shown)
    parser.add_lightning_class_args(Trainer, "trainer")
    for action in parser._actions:
        if isinstance(action, ActionTypeHint) and _takes_null_items(action):
            action.__class__ = DefaultFirst
    for place, source in links(data_class).items():
        parser.link_arguments(f"data.{source}", place, apply_on="instantiate")
    parser.add_argument("--ckpt_path", type=str | None, default=argparse.SUPPRESS, help=job.checkpoint_help)
    parser.add_argument("--runs_dir", type=str, default="runs", help=helps["--runs_dir"])
    for option in job.options:
        if option.flag not in (*parser.flags(), "--print_config"):
            kind: Any = str | None if option.value else bool
            if option.class_path:
                kind = find_class(option.class_path) | None  # type: ignore[operator]
            parser.add_argument(option.flag, type=kind, default=None if option.value else False, help=option.help)


def check_values(job: str, settings: Mapping[str, Any]) -> None:
    """Check the settings that Lightning would ignore, or refuse without naming them.

    Raises:
        UsageError: A setting cannot be used; the message names it.
    """
    for key in ("seed_everything", "initialization_seed"):
        seed = settings[key]
        if seed is True or not 0 <= (seed or 0) < SEEDS:
            raise UsageError(f"{key}: {str(seed).lower()} is not between 0 and {SEEDS - 1}")
    trainer = settings["trainer"]
    _check_accelerator(trainer["accelerator"])
    limit = f"limit_{ {'validate': 'val', 'calibrate': 'val'}.get(job, job) }_batches"
    if trainer.get(limit) == 0:
        raise UsageError(f"trainer.{limit}: 0 leaves nothing to {job}")
    if job != "fit":
        return
    if trainer["max_epochs"] == 0:
        raise UsageError("trainer.max_epochs: 0 leaves nothing to train (-1 trains without end)")
    if str(trainer["max_time"]).strip("0:") == "":
        raise UsageError(f"trainer.max_time: {trainer['max_time']} leaves no time to train")
    for name, lowest in LOWEST.items():
        if trainer[name] is not None and trainer[name] < lowest:
            raise UsageError(f"trainer.{name}: {trainer[name]} is less than {lowest}")
    interval = trainer["val_check_interval"]
    if isinstance(interval, int | float) and interval <= 0:
        raise UsageError(f"trainer.val_check_interval: {interval} is not above 0; trainer.limit_val_batches 0 skips it")


def _check_accelerator(name: Any) -> None:
    available = AcceleratorRegistry.available_accelerators()
    wanted = {"gpu": ("cuda", "mps")}.get(name, (name,)) if isinstance(name, str) else ()
    known = [AcceleratorRegistry[kind]["accelerator"] for kind in wanted if kind in available]
    if known and not any(accelerator.is_available() for accelerator in known):
        raise UsageError(f"trainer.accelerator: torch finds no {name} on this machine; leave it out, or give cpu")
