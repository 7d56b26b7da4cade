"""Whether a run may go on from a checkpoint: only with the settings that the checkpoint was trained with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from callbacks import CheckpointError, load_checkpoint
from scripts.checkpoint_config import CONFIG_KEY

DECISIVE_TRAINER_KEYS = (
    "precision", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm", "limit_train_batches",
    "overfit_batches",
)  # fmt: skip
FREE_KEYS = ("data_dir", "verify", "eval_batch_size")  # where the data lies and how fast it is measured


def refuse_other_settings(path: Path, recipe: str) -> None:
    """Check that a run goes on with the settings that its checkpoint was trained with.

    The optimizer's state carries the old learning rate, so that a new one would be claimed and not used.

    Args:
        path: The checkpoint.
        recipe: All settings of the run that goes on from it, as YAML.

    Raises:
        CheckpointError: Settings that decide what is learnt differ; the message lists them.
    """
    text = load_checkpoint(path).get(CONFIG_KEY)
    stored = yaml.safe_load(text) if isinstance(text, str) else None
    if not isinstance(stored, dict):
        return
    changed = list(_differences(_decisive(stored), _decisive(yaml.safe_load(recipe))))
    if changed:
        raise CheckpointError(
            f"{path} was trained with other settings: {'; '.join(changed)}. Go on with those it had, or leave "
            f"--ckpt_path out to begin a new run"
        )


def _decisive(settings: dict[str, Any]) -> dict[str, Any]:
    trainer = settings.get("trainer") or {}
    return {
        "seed_everything": settings.get("seed_everything"),
        "model": settings.get("model"),
        "data": settings.get("data"),
        "trainer": {key: trainer.get(key) for key in DECISIVE_TRAINER_KEYS},
    }


def _differences(then: Any, now: Any, place: str = "") -> Iterator[str]:
    if place.rsplit(".", 1)[-1] in FREE_KEYS or then == now:
        return
    same_class = isinstance(then, dict) and isinstance(now, dict) and then.get("class_path") == now.get("class_path")
    if same_class:
        for key in dict.fromkeys([*then, *now]):
            yield from _differences(then.get(key), now.get(key), f"{place}.{key}".lstrip("."))
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
