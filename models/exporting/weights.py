"""A model's weights as safetensors, with all that rebuilds it in the metadata."""

import argparse
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from lightning.pytorch.cli import instantiate_module
from torch import Tensor

from datamodules.regular_files import read_bytes
from models.calibration import Calibration
from models.init_args import HYPER_PARAMETERS
from models.networks.weight_files import skip_initial_weights
from models.task import Task
from models.torch_files import LARGEST_FILE
from models.trusted import check_imports

NEEDED = ("network.", "preprocessing.", "target_", "thresholds.")  # beginnings of the weights that predictions need
TEMPERATURE = "temperature"


def to_safetensors(task: Task, hyperparameters: Mapping[str, Any], metadata: Mapping[str, str]) -> bytes:
    """Return a task's weights as the bytes of a .safetensors file.

    Args:
        task: The task.
        hyperparameters: Those of its checkpoint, from which it can be made again.
        metadata: Texts by name.

    Raises:
        TypeError: A hyperparameter is not a plain value.
    """
    tensors = {
        name: value.detach().cpu().contiguous().clone()
        for name, value in task.state_dict().items()
        if isinstance(value, Tensor) and name.startswith(NEEDED)
    }
    texts = {**metadata, HYPER_PARAMETERS: json.dumps(dict(hyperparameters))}
    return safetensors.torch.save(tensors, texts)


def load_safetensors(source: str | Path | bytes, trust: bool = False) -> Task:
    """Rebuild a task from an exported .safetensors file, in evaluation mode: `load_safetensors(path)(raw_inputs)`.

    Args:
        source: The file, or its content.
        trust: Import whatever classes the file names; by default only those that a checkpoint may name.

    Raises:
        ImportError: It names a class of an unknown module.
        ValueError: It is not an exported model.
        TrainingError: Its temperature cannot be one.
    """
    content = source if isinstance(source, bytes) else read_bytes(Path(source), LARGEST_FILE)
    owner = "the content" if isinstance(source, bytes) else str(source)
    try:
        tensors = safetensors.torch.load(content)
        metadata = read_metadata(content)
        hyperparameters = json.loads(metadata[HYPER_PARAMETERS])
        temperature = float(metadata.get(TEMPERATURE, 1.0))
        if not isinstance(hyperparameters, dict):
            raise TypeError("its hyperparameters are not a mapping")
    except (safetensors.SafetensorError, ValueError, TypeError, KeyError, AttributeError, struct.error) as error:
        raise ValueError(f"{owner} is not a model that `holdout export` wrote ({error})") from error
    if not trust:
        # Without this key, which tells Lightning to import classes, the check takes a file for one that names none.
        check_imports(owner, {HYPER_PARAMETERS: {"_instantiator": "", **hyperparameters}}, given=())
    hyperparameters.pop("_instantiator", None)
    try:
        with skip_initial_weights():
            task: Task = instantiate_module(Task, hyperparameters)  # type: ignore[type-abstract]
    except argparse.ArgumentError as error:
        raise ValueError(f"{owner} is not a model that `holdout export` wrote ({error})") from error
    missing, unexpected = task.load_state_dict(tensors, strict=False)
    lacking = [name for name in missing if name.startswith(NEEDED)]
    if lacking or unexpected:
        raise ValueError(f"{owner}: its weights do not fit its model: {', '.join([*lacking, *unexpected][:3])}")
    if temperature != 1:
        task.take_calibration(Calibration.from_plain({TEMPERATURE: temperature}, owner))
    return task.eval()


def read_metadata(content: bytes) -> dict[str, str]:
    """Return the texts in the header of a .safetensors file."""
    (size,) = struct.unpack("<Q", content[:8])
    found: dict[str, str] = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    return found
