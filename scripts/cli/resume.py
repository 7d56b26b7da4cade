"""Whether a run may be resumed: only with the settings that its checkpoint was trained with."""

import json
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.precision.precision import _PRECISION_INPUT_STR_ALIAS_CONVERSION as ALIASES

from callbacks import CheckpointError
from callbacks.lookup import changes_training
from models.init_args import find_class
from models.trusted import TRUSTED
from scripts.cli.checkpoint_config import stored_settings, trainer_of

# Settings that decide the weights, or which epoch is kept as the best.
DECISIVE_KEYS = ("seed_everything", "initialization_seed", "model", "data", "checkpoint")
DECISIVE_TRAINER_KEYS = (
    "precision", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm", "limit_train_batches",
    "overfit_batches",
)  # fmt: skip


def check_same_settings(path: Path, settings: dict[str, Any]) -> None:
    """Check that a run is resumed with the settings that its checkpoint was trained with.

    The optimizer's state holds the old learning rate: a new one would be recorded and not used.

    Args:
        path: The checkpoint.
        settings: All settings of the run that resumes from it.

    Raises:
        CheckpointError: Settings that decide the weights, or the best epoch, differ; the message lists them.
    """
    stored = stored_settings(path)
    given, begun_with = settings.get("trainer") or {}, trainer_of(stored)
    left_open = {"precision": given.get("precision") == "auto", "channels_last": given.get("channels_last") is None}
    kept = {key: begun_with.get(key) for key, is_open in left_open.items() if is_open}
    changed = _changed(stored, settings | {"trainer": given | kept}, _decisive)
    if changed:
        raise CheckpointError(
            f"{path} was trained with other settings: {'; '.join(changed)}. Resume with those, or leave "
            f"--ckpt_path out to start a new run"
        )


def changes_of_network(path: Path, settings: dict[str, Any]) -> list[str]:
    """Return in what the network differs from the one that a checkpoint was trained in."""
    return _changed(
        stored_settings(path), settings, lambda some: {"model": {"network": some["model"]["init_args"].get("network")}}
    )


def _changed(
    stored: dict[str, Any] | None, settings: dict[str, Any], select: Callable[[dict[str, Any]], dict[str, Any]]
) -> list[str]:
    if stored is None:
        return []
    return list(_differences(select(stored), select(settings)))


def _decisive(settings: dict[str, Any]) -> dict[str, Any]:
    given = settings.get("trainer") or {}
    trainer = {key: given.get(key) for key in DECISIVE_TRAINER_KEYS}
    precision = "32" if trainer["precision"] is None else str(trainer["precision"])
    trainer["precision"] = ALIASES.get(precision, precision)
    trainer["channels_last"] = bool(given.get("channels_last"))  # older runs do not say
    callbacks = given.get("callbacks") or []
    trainer["callbacks"] = [
        callback
        for callback in (callbacks if isinstance(callbacks, list) else [callbacks])
        if _changes_training(callback)
    ]
    compiled = bool(settings.get("compile"))  # older runs do not say
    return {key: settings.get(key) for key in DECISIVE_KEYS} | {"compile": compiled, "trainer": trainer}


def _changes_training(config: dict[str, Any]) -> bool:
    """Return whether the class of a callback changes training; one that is unknown is compared.

    A stranger's checkpoint must not choose what is imported.
    """
    path = str(config.get("class_path"))
    known = path.split(".")[0] in TRUSTED or path.rpartition(".")[0] in sys.modules
    cls = find_class(path) if known else None
    return cls is None or changes_training(cls)


def may_change(class_path: Any) -> set[str]:
    """Return the arguments that a class and its bases let a resumed run change."""
    bases = getattr(find_class(str(class_path)), "__mro__", ())
    return {name for base in bases for name in vars(base).get("may_change_on_resume", ())}


def _differences(then: Any, now: Any, place: str = "", free: Collection[str] = ()) -> Iterator[str]:
    if then == now:
        return
    same_class = isinstance(then, dict) and isinstance(now, dict) and then.get("class_path") == now.get("class_path")
    if same_class:
        inner = may_change(then["class_path"]) if "class_path" in then else ()
        for key in [key for key in then if key in now and key not in free]:  # another version may have more, or fewer
            below = inner if key == "init_args" else ()
            yield from _differences(then[key], now[key], f"{place}.{key}".lstrip("."), below)
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, pair in enumerate(zip(then, now, strict=True)):
            yield from _differences(*pair, f"{place}.{number}")
    else:
        flag = place.replace("init_args.", "")
        yield f"{flag} was {_shown(then)}, now {_shown(now)}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict) and "class_path" in value:
        return str(value["class_path"]).rsplit(".", 1)[-1]
    return json.dumps(value)
