"""Lightning's searches for a learning rate and a batch size, made before the run, which begins with what they find.

Within a run they would change it after its schedule, its record and the order of its data are made.
"""

from dataclasses import replace
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder
from lightning.pytorch.utilities import rank_zero_warn

from callbacks.printing import say
from datamodules import DataModule
from models import TrainingError
from models.init_args import find_class
from scripts.cli.checkpoint_config import stored_settings
from scripts.cli.constructor import class_arguments
from scripts.cli.errors import UsageError
from scripts.cli.invocation import Invocation
from scripts.cli.jobs import Job
from scripts.cli.named import value_below
from scripts.cli.parser import Parser, parse
from scripts.cli.search_trial import Finder, Search, Trial

ORDER = (BatchSizeFinder, LearningRateFinder)  # the best rate depends on the batch size
SKIPPED = 10  # steps of a search for a rate, before its smoothed loss settles
RATE = "model.optimizer.lr"


def with_found_values(
    job: Job, invocation: Invocation, parser: Parser, config: Namespace, data: DataModule | None
) -> tuple[Parser, Namespace, DataModule | None]:
    """Make the searches among the settings' callbacks; return the settings with what they found in their place.

    A resumed run takes what its first start found.

    Args:
        job: The job.
        invocation: The command line, resolved.
        parser: The job's parser.
        config: All settings, parsed.
        data: The datamodule, if it has been built by these settings already.

    Returns:
        Parser, settings and data to go on with; the same if there is no search.

    Raises:
        UsageError: A search cannot be made, or finds nothing.
    """
    wanted = [cls for cls in ORDER if cls in map(_class_of, _callbacks(config))]
    if job.name != "fit" or not wanted:
        return parser, config, data
    if config.trainer.fast_dev_run:
        rank_zero_warn(f"trainer.fast_dev_run: {' and '.join(cls.__name__ for cls in wanted)} does not search in it")
        return parser, _without_searches(config), data
    for kind in wanted:
        if invocation.checkpoint is not None:
            flags = _found_before(invocation, kind)
        else:
            found = search(kind, parser, config)
            flags = [f"--{key}={value}" for key, value in found.items()]
            say(*(f"found  {key} {value} ({kind.__name__})" for key, value in found.items()))
        if kind is LearningRateFinder and config.model.init_args.optimizer is None:
            flags.insert(0, "--model.optimizer=torch.optim.AdamW")  # which a task trains with by default
        invocation = replace(invocation, arguments=[*invocation.arguments, *flags])
        parser, config = parse(job, invocation)
        data = None if kind is BatchSizeFinder else data
    return parser, _without_searches(config), data


def search(kind: type[Finder], parser: Parser, config: Namespace) -> dict[str, Any]:
    """Make a search with a model, data and trainer of its own, which are thrown away.

    Args:
        kind: Class of the search, which is among the settings' callbacks.
        parser: The parser of the settings.
        config: All settings.

    Returns:
        What it found, by key.

    Raises:
        UsageError: It cannot be made, or finds nothing.
    """
    given = next(callback for callback in _callbacks(config) if _class_of(callback) is kind).get("init_args")
    finder: Finder = kind(**(given.as_dict() if given else {}))
    trial = Trial(parser, config)
    if isinstance(finder, LearningRateFinder):
        _check_rate_can_be_set(config)
        try:
            trial.train(Search(finder))
        except TrainingError as error:
            raise UsageError(f"trainer.callbacks: in the search of LearningRateFinder {error}") from error
        return {RATE: found_rate(finder)}
    data = trial.train(Search(finder))
    size, split = finder.optimal_batch_size, getattr(data, "split", None)
    assert size is not None
    size = size if split is None else min(size, len(split.train))
    while size > 1 and not trial.fits(finder._batch_arg_name, size, finder._steps_per_trial):
        size //= 2  # Lightning does not try the last size that it names
    return {f"data.{finder._batch_arg_name}": size}


def found_rate(finder: LearningRateFinder) -> float:
    """Return the rate of a search where the loss falls most over a tenth of its steps, to three digits.

    Lightning's own suggestion divides each fall by the distance of the rates, which favours the smallest, where only
    noise changes the loss.

    Raises:
        UsageError: The search had too few steps.
    """
    results = {} if finder.optimal_lr is None else finder.optimal_lr.results
    losses, rates = (results.get(name, [])[SKIPPED:] for name in ("loss", "lr"))
    spread = max(1, len(losses) // 20)
    falls = [after - before for before, after in zip(losses, losses[2 * spread :], strict=False)]
    if not falls:
        raise UsageError(
            f"trainer.callbacks: LearningRateFinder needs more than {SKIPPED + 2} steps before the loss diverges; "
            f"raise --trainer.callbacks.num_training_steps, or lower --trainer.callbacks.min_lr"
        )
    return float(f"{rates[falls.index(min(falls)) + spread]:.3g}")


def _check_rate_can_be_set(config: Namespace) -> None:
    model = config.model.get("init_args") or {}
    if "optimizer" not in model:
        name = config.model.class_path
        raise UsageError(f"trainer.callbacks: LearningRateFinder sets {RATE}; {name} takes no optimizer")
    schedule, optimizer = (model.get(name) for name in ("lr_scheduler", "optimizer"))
    if schedule is not None and "max_lr" in (schedule.get("init_args") or {}):
        name = str(schedule.class_path).rsplit(".", 1)[-1]
        raise UsageError(
            f"trainer.callbacks: LearningRateFinder sets {RATE}, which {name} replaces by its max_lr; search with "
            f"--model.lr_scheduler null"
        )
    if optimizer is not None and "lr" not in class_arguments(str(optimizer.class_path)):
        raise UsageError(f"trainer.callbacks: LearningRateFinder sets {RATE}; {optimizer.class_path} has no lr")


def _found_before(invocation: Invocation, kind: type[Finder]) -> list[str]:
    """Return the flags that set what the run found when it was first started."""
    assert invocation.checkpoint is not None
    key = RATE if kind is LearningRateFinder else "data.batch_size"
    found = value_below(stored_settings(invocation.checkpoint), *key.split("."))
    return [f"--{key}={found}"] if isinstance(found, int | float) else []


def _callbacks(config: Namespace) -> list[Any]:
    given = config.trainer.callbacks
    return given if isinstance(given, list) else [given] if given is not None else []


def _class_of(callback: Any) -> type | None:
    return find_class(str(callback.class_path))


def _without_searches(config: Namespace) -> Namespace:
    config = config.clone()
    config.trainer.callbacks = [each for each in _callbacks(config) if _class_of(each) not in ORDER] or None
    return config
