"""The paths in a checkpoint: a stranger may have written them, and Lightning removes what they name."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

ENDING = ModelCheckpoint.FILE_EXTENSION
REMOVED = ("kth_best_model_path", "last_model_path")  # what a ModelCheckpoint removes when it has written another


def keep_own_paths(trainer: L.Trainer, checkpoint: dict[str, Any]) -> None:
    """Let the state of each of a trainer's checkpoint callbacks name files of its own folder alone.

    Args:
        trainer: The trainer, set up, about to resume.
        checkpoint: The checkpoint that it loads; changed in place, as Lightning's hook wants it.
    """
    states = checkpoint.get("callbacks")
    if not isinstance(states, dict):
        return
    for callback in trainer.checkpoint_callbacks:
        state = states.get(callback.state_key)
        if isinstance(callback, ModelCheckpoint) and isinstance(state, dict):
            states[callback.state_key] = with_own_paths(state, callback.dirpath)


def with_own_paths(state: Mapping[str, Any], folder: str | Path | None) -> dict[str, Any]:
    """Return the state of a ModelCheckpoint whose paths are those of checkpoints in a folder, by their names.

    A path that names none is left out. Only `best_model_path` may lie in another folder, as a plain path: of a run that
    goes on in a folder of its own the best epoch is reported, and nothing outside its folder is removed.

    Args:
        state: The state.
        folder: The callback's folder.
    """
    kept = dict(state)
    for key in REMOVED:
        if key in kept:
            kept[key] = _own(kept[key], folder) or ""
    best = kept.get("best_model_path", "")
    kept["best_model_path"] = _own(best, folder) or _elsewhere(best)
    if "best_k_models" in kept:
        named = kept["best_k_models"] if isinstance(kept["best_k_models"], dict) else {}
        own = {_own(path, folder): score for path, score in named.items()}
        kept["best_k_models"] = {path: score for path, score in own.items() if path}
    return kept


def _own(path: Any, folder: str | Path | None) -> str | None:
    """Return the checkpoint in a folder that has the name of a path, None if there is none."""
    if not isinstance(path, str) or not path.endswith(ENDING) or folder is None:
        return None
    found = Path(folder) / path.replace("\\", "/").rpartition("/")[2]
    return str(found) if _is_file(found) else None


def _elsewhere(path: Any) -> str:
    """Return a path without "..", "" if no checkpoint is there."""
    if not isinstance(path, str) or not path.endswith(ENDING) or "://" in path:
        return ""
    plain = os.path.abspath(path)  # noqa: PTH100  Path keeps ".."
    return plain if _is_file(Path(plain)) else ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a null character
        return False
