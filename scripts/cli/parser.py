"""The parser of the command line: what there is to set, help that reads well, complaints of one line."""

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import Namespace, set_parsing_settings
from lightning.pytorch.cli import LightningArgumentParser

from callbacks import Checkpoint, EarlyStopping
from scripts.cli.hyperparameters import MODEL_LINKS, NETWORK_LINKS
from scripts.cli.messages import explain
from scripts.cli.values import check_values

# Lightning lets a path be an address (s3://, http://); a recipe, or what a checkpoint brings, fetches nothing.
set_parsing_settings(config_read_mode_fsspec_enabled=False, config_read_mode_urls_enabled=False)

DEBUG_VARIABLE = "HOLDOUT_DEBUG"  # 1 shows the traceback in place of the one line
DESCRIPTION = """Trains, validates and tests networks so that any two runs can be compared.
Begin with: holdout fit -c configs/digits.yaml"""
SUBCOMMANDS = {
    "fit": "train a recipe: splits the data, stops early, keeps best.ckpt and last.ckpt, reports",
    "validate": "measure a checkpoint on its validation part",
    "test": "measure a checkpoint on its test part",
    "predict": "write a checkpoint's predictions for its test part to a CSV file",
}
USAGE = {
    "fit": "holdout fit -c RECIPE [-c OVERLAY ...] [--ckpt_path last] [--key value ...]",
    "validate": "holdout validate --ckpt_path FILE [--key value ...]",
    "test": "holdout test --ckpt_path FILE [--key value ...]",
    "predict": "holdout predict --ckpt_path FILE [--output FILE] [--key value ...]",
}
CHECKPOINT_HELP = {
    "fit": 'checkpoint to go on from; "last" is that of this recipe\'s newest run',
    "validate": 'checkpoint to measure; with -c, "best" or "last" of that recipe\'s newest run',
    "test": 'checkpoint to measure; with -c, "best" or "last" of that recipe\'s newest run',
    "predict": 'checkpoint that predicts; with -c, "best" or "last" of that recipe\'s newest run',
}


class Parser(LightningArgumentParser):
    """An argument parser whose complaints are one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the complaint, with a suggestion where there is one, and exit with status 2."""
        if not self.exit_on_error:  # a nested parser: whoever called it words the complaint
            super().error(message, ex)
        if ex is not None and os.environ.get(DEBUG_VARIABLE) == "1":
            raise ex
        sys.stderr.write(f"holdout: error: {explain(message, self.flags())}\n")
        sys.exit(2)

    def parse_args(self, *args: Any, **kwargs: Any) -> Namespace:  # type: ignore[override]
        """Parse, and refuse values that fit their type and no run.

        Raises:
            UsageError: There is such a value.
        """
        if args and isinstance(args[0], list) and len(args[0]) == 1:
            # A nested parser is told what a flag says as f"--key={value}", which makes a text of null.
            args = ([re.sub(r"^(--[\w.]+)=None$", r"\1=null", str(args[0][0]))], *args[1:])
        settings: Namespace = super().parse_args(*args, **kwargs)
        if "subcommand" in settings:  # a nested parser's have none
            check_values(settings["subcommand"], settings[settings["subcommand"]])
        return settings

    def dump(self, namespace: Namespace, *args: Any, **kwargs: Any) -> str:
        """Return settings as a recipe: where a run went on from is no part of it, or repeating it would be another."""
        if "trainer" in namespace:  # a nested parser's have none, and a `ckpt_path` of theirs is a class's own
            namespace = namespace.clone()
            namespace.pop("ckpt_path", None)
        text: str = super().dump(namespace, *args, **kwargs)
        return text

    def flags(self) -> list[str]:
        """Return all flags there are, those of subcommands too."""
        found = [flag for action in self._actions for flag in action.option_strings]
        for action in self._actions:
            for subparser in (getattr(action, "_name_parser_map", None) or {}).values():
                found += subparser.flags()
        return found


def subcommand_options(subcommand: str) -> dict[str, Any]:
    """Return how a subcommand's parser is to be made."""
    return {
        "allow_abbrev": False,
        "usage": USAGE[subcommand],
        "description": SUBCOMMANDS[subcommand],
    }


def add_run_arguments(parser: LightningArgumentParser, subcommand: str) -> None:
    """Add what concerns a run as a whole: its checkpoint, name and folder, where predictions go."""
    parser.add_argument("--ckpt_path", type=str | None, default=None, help=CHECKPOINT_HELP[subcommand])
    parser.add_argument("--name", type=str | None, default=None, help="name of the run (default: the recipe's)")
    parser.add_argument("--runs_dir", type=str, default="runs", help="folder of all runs")
    if subcommand != "fit":
        _hide(parser, "early_stopping", "checkpoint")
    if subcommand == "predict":
        parser.add_argument("--output", type=Path | None, default=None, help="CSV file (default: in the run folder)")


def _hide(parser: LightningArgumentParser, *keys: str) -> None:
    """Leave arguments out of the help: they are taken, since a recipe holds them, and play no role."""
    for action in parser._actions:
        if action.dest.split(".")[0] in keys:
            action.help = argparse.SUPPRESS


def add_callback_arguments(parser: LightningArgumentParser) -> None:
    """Add early stopping and checkpointing, each with its settings or null."""
    for key, callback in (("early_stopping", EarlyStopping), ("checkpoint", Checkpoint)):
        default = {"class_path": f"callbacks.{callback.__name__}", "init_args": {"monitor": "val/loss"}}
        parser.add_argument(f"--{key}", type=callback | None, default=default, help=f"see --{key}.help; null is off")


def link_data_to_model(parser: LightningArgumentParser) -> None:
    """Let the data say what model and network have to know of it, so that nobody writes it twice."""
    for source, target in MODEL_LINKS.items():
        parser.link_arguments(f"data.{source}", f"model.init_args.{target}", apply_on="instantiate")
    for source, target in NETWORK_LINKS.items():
        parser.link_arguments(f"data.{source}", f"model.init_args.network.init_args.{target}", apply_on="instantiate")
