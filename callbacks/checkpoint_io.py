"""Checkpoint files: written as a whole or not at all, read without running code."""

import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.fabric.utilities.types import _PATH
from typing_extensions import override

from datamodules.atomic_write import atomic_write
from datamodules.regular_files import HostileFileError
from models.calibration.calibration import CALIBRATION_KEY
from models.torch_files import check_records, load_tensors

PLAIN = (torch.Tensor, torch.dtype, torch.device, bool, int, float, complex, str, bytes, type(None))
VERSION = re.compile(r"\d+\.\d+")
ARCHIVE = b"PK\x03\x04"  # `torch.save` writes zip archives; before torch 1.6 it wrote a series of pickles

# What Lightning keeps in a checkpoint, and of which kind.
PARTS: dict[str, type] = {
    **{"state_dict": dict, "epoch": int, "global_step": int, "pytorch-lightning_version": str},
    **{"loops": dict, "callbacks": dict, "optimizer_states": list, "lr_schedulers": list, "hyper_parameters": dict},
    CALIBRATION_KEY: dict,
}
RESUMED = ("epoch", "global_step", "loops", "callbacks", "optimizer_states")


class CheckpointError(ValueError):
    """A checkpoint file cannot be read; the message names it."""


def load_checkpoint(path: _PATH, map_location: Any = "cpu") -> dict[str, Any]:
    """Load a checkpoint without unpickling anything but tensors and plain values.

    Raises:
        CheckpointError: The file is missing or damaged, holds objects, or is not a checkpoint.
    """
    if not Path(path).exists():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # a bare pickle is refused anyway
            checkpoint = load_tensors(path, map_location)
    except HostileFileError as error:
        raise CheckpointError(f"{path} is not a checkpoint that can be read ({error.strerror})") from error
    except Exception as error:  # a damaged file makes torch raise nearly anything
        raise CheckpointError(f"{path} is not a checkpoint that can be read ({_reason(path, error)})") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} is not a Lightning checkpoint (it has no state_dict)")
    _check_parts(path, checkpoint)
    return checkpoint


def add_to_checkpoint(path: Path, added: Mapping[str, Any]) -> None:
    """Write entries into a checkpoint; all others, and the time at which it was written, stay as they are.

    That time tells which of a run's checkpoints is the newest, and whether its summary is of that one.

    Args:
        path: The checkpoint.
        added: Plain values by key.

    Raises:
        CheckpointError: The file cannot be read.
        WriteError: It cannot be written; it is unchanged.
    """
    checkpoint = load_checkpoint(path) | dict(added)
    times = path.stat()
    with atomic_write(path) as file:
        torch.save(checkpoint, file)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def check_resumable(path: _PATH, checkpoint: dict[str, Any]) -> None:
    """Check that a checkpoint holds what a run goes on from, not weights alone.

    Raises:
        CheckpointError: It lacks some of it.
    """
    missing = [part for part in RESUMED if part not in checkpoint or checkpoint[part] == []]
    if missing:
        raise CheckpointError(
            f"{path} cannot be resumed: it has no {', '.join(missing)} (it holds weights alone, or another version of "
            f"Lightning wrote it)"
        )
    progress = checkpoint["loops"].get("fit_loop")
    if not isinstance(progress, dict) or not {"epoch_progress", "epoch_loop.batch_progress"} <= progress.keys():
        raise CheckpointError(f"{path} cannot be resumed: its loops do not hold how far a training got")


def _check_parts(path: _PATH, checkpoint: dict[str, Any]) -> None:
    for part, kind in PARTS.items():
        if part in checkpoint and not isinstance(checkpoint[part], kind):
            wrong = type(checkpoint[part]).__name__
            raise CheckpointError(f"{path} is not a Lightning checkpoint (its {part} is of the type {wrong})")
    version = checkpoint.get("pytorch-lightning_version", "2.0")
    if not VERSION.match(version):
        raise CheckpointError(f"{path} is not a Lightning checkpoint (it names the version {version[:20]!r})")
    for name, weight in checkpoint["state_dict"].items():
        if not isinstance(weight, torch.Tensor) and not str(name).endswith("_extra_state"):
            raise CheckpointError(
                f"{path} is not a Lightning checkpoint (its weight {name} is of the type {type(weight).__name__})"
            )


def check_whole(path: Path) -> None:
    """Check that every record of a file that `torch.save` wrote is as it was written, without loading it.

    Raises:
        CheckpointError: The file is missing, or a record is damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        check_records(path)
    except HostileFileError as error:
        raise CheckpointError(f"{path} is not a checkpoint that can be read ({error.strerror})") from error
    except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError, EOFError, zlib.error) as error:
        raise CheckpointError(f"{path} is not a checkpoint that can be read ({_reason(path, error)})") from error


def check_states(states: dict[str, Any]) -> None:
    """Check that what callbacks keep can be read again: tensors and plain values.

    Raises:
        CheckpointError: One keeps something else.
    """
    for name, state in states.items():
        waiting = [state]
        while waiting:
            value = waiting.pop()
            if isinstance(value, Mapping):
                waiting += [*value.keys(), *value.values()]
            elif isinstance(value, list | tuple | set):
                waiting += value
            elif not isinstance(value, PLAIN):
                raise CheckpointError(
                    f"callback {name}: its state_dict holds an object of the type {type(value).__name__}, which no "
                    f"checkpoint can be read with; keep tensors and plain values"
                )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(ARCHIVE))


def _reason(path: _PATH, error: Exception) -> str:
    head = _head(Path(path))
    if not head:
        return "it is empty"
    pickled = head[0] == 0x80 and head[1:2] in (b"\2", b"\3", b"\4", b"\5")
    if not pickled and not ARCHIVE.startswith(head):
        return "it is a file of another kind"
    if "Unsupported operand" in str(error):
        return "it is damaged, or a pickle that torch.save did not write"
    return "it holds objects other than tensors and plain values" if "weights_only" in str(error) else "it is damaged"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, syncs and renames; reads with `weights_only=True`.

    Lightning stages files in the temp directory, which may be another file system, syncs nothing, and swallows a
    `PermissionError`.
    """

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        """Save `checkpoint` under `path`.

        Raises:
            OSError: The file cannot be written; an earlier one of that name is untouched.
            CheckpointError: A callback keeps something that could not be read again.
        """
        check_states(checkpoint.get("callbacks", {}))
        with atomic_write(Path(path)) as file:
            torch.save(checkpoint, file)

    @override
    def remove_checkpoint(self, path: _PATH) -> None:
        """Remove a checkpoint's file; never a folder, nor a file of another kind."""
        if Path(path).suffix == ".ckpt" and Path(path).is_file():
            Path(path).unlink()

    @override
    def load_checkpoint(
        self, path: _PATH, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        checkpoint = load_checkpoint(path, map_location if map_location is not None else "cpu")
        if "pytorch-lightning_version" not in checkpoint:
            raise CheckpointError(f"{path} is not a Lightning checkpoint (it does not name the version that wrote it)")
        return checkpoint
