"""Whether a run may go on from a checkpoint: only with the settings that the checkpoint was trained with."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.utilities import rank_zero_warn

from callbacks import CheckpointError, load_checkpoint
from scripts.cli.checkpoint_config import CONFIG_KEY
from scripts.cli.trainer import resolve_precision

DECISIVE_KEYS = ("seed_everything", "model", "data", "checkpoint")
DECISIVE_TRAINER_KEYS = (
    "precision", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm", "limit_train_batches",
    "overfit_batches",
)  # fmt: skip
# Where data lies (the split holds its hash) and how fast it is read; where a network's weights came from, which the
# checkpoint's replace.
FREE_KEYS = ("data_dir", "verify", "eval_batch_size", "weights", "cache_dir", "num_workers", "path")
DECISIVE_CALLBACKS = (
    "GradualUnfreezing", "GradientAccumulationScheduler", "AdaptiveGradientClipping", "EMA", "SWA",
    "EMAWeightAveraging", "StochasticWeightAveraging", "WeightAveraging",
)  # fmt: skip
FULL_PRECISION = (None, 32, "32", "32-true")


def check_same_settings(path: Path, recipe: str) -> None:
    """Check that a run goes on with the settings that its checkpoint was trained with.

    The optimizer's state carries the old learning rate, so that a new one would be claimed and not used.

    Args:
        path: The checkpoint.
        recipe: All settings of the run that goes on from it, as YAML.

    Raises:
        CheckpointError: Settings that decide what is learnt, or kept as the best, differ; the message lists them.
    """
    changed = _changed(path, recipe, _decisive)
    if changed:
        raise CheckpointError(
            f"{path} was trained with other settings: {'; '.join(changed)}. Go on with those it had, or leave "
            f"--ckpt_path out to begin a new run"
        )


def warn_of_another_network(path: Path, recipe: str) -> None:
    """Warn where a checkpoint is measured in another network than it was trained in, though its weights may fit."""
    changed = _changed(path, recipe, lambda settings: {"model": {"network": settings["model"]["init_args"]["network"]}})
    if changed:
        rank_zero_warn(f"{path} was trained with another network: {'; '.join(changed)}")


def _changed(path: Path, recipe: str, select: Callable[[dict[str, Any]], dict[str, Any]]) -> list[str]:
    text = load_checkpoint(path).get(CONFIG_KEY)
    stored = yaml.safe_load(text) if isinstance(text, str) else None
    return list(_differences(select(stored), select(yaml.safe_load(recipe)))) if isinstance(stored, dict) else []


def _decisive(settings: dict[str, Any]) -> dict[str, Any]:
    trainer = {key: (settings.get("trainer") or {}).get(key) for key in DECISIVE_TRAINER_KEYS}
    precision = resolve_precision(trainer["precision"], (settings.get("trainer") or {}).get("accelerator", "auto"))
    trainer["precision"] = None if precision in FULL_PRECISION else precision
    callbacks = (settings.get("trainer") or {}).get("callbacks") or []
    trainer["callbacks"] = [
        callback
        for callback in (callbacks if isinstance(callbacks, list) else [callbacks])
        if str(callback.get("class_path")).rsplit(".", 1)[-1] in DECISIVE_CALLBACKS
    ]
    return {key: settings.get(key) for key in DECISIVE_KEYS} | {"trainer": trainer}


def _differences(then: Any, now: Any, place: str = "") -> Iterator[str]:
    if place.rsplit(".", 1)[-1] in FREE_KEYS or then == now:
        return
    same_class = isinstance(then, dict) and isinstance(now, dict) and then.get("class_path") == now.get("class_path")
    if same_class:
        for key in [key for key in then if key in now]:  # another version of this project may have more, or fewer
            yield from _differences(then[key], now[key], f"{place}.{key}".lstrip("."))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, pair in enumerate(zip(then, now, strict=True)):
            yield from _differences(*pair, f"{place}.{number}")
    else:
        yield f"{place} was {_shown(then)}, now {_shown(now)}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict) and "class_path" in value:
        return str(value["class_path"]).rsplit(".", 1)[-1]
    return json.dumps(value)
