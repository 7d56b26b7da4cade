"""Weights made elsewhere: read without running code, renamed, and loaded only if every one fits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

MAX_SHOWN = 5
WRAPPERS = ("state_dict", "model", "net")  # keys under which a checkpoint may hold its weights
_come_later = ContextVar("_come_later", default=False)


@contextmanager
def skip_initial_weights() -> Iterator[None]:
    """Build networks without the weights they name: a checkpoint is about to be put over them.

    So a run's checkpoint can be tested where the file that the run began with is gone, and nothing is downloaded.
    """
    token = _come_later.set(True)
    try:
        yield
    finally:
        _come_later.reset(token)


def load_initial_weights() -> bool:
    """Return whether a network that is built now is to load the weights it names."""
    return not _come_later.get()


def read_file(path: str) -> Any:
    """Read what a .safetensors file, or one of torch's, holds: tensors and plain values.

    Raises:
        ValueError: The file is not there, or cannot be read.
    """
    if not Path(path).is_file():
        raise ValueError(f"weights: there is no file {path}")
    try:
        if path.endswith(".safetensors"):
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch raise nearly anything
        raise ValueError(f"weights: {path} cannot be read; it is damaged, or holds more than tensors") from error


def read_weights(path: str) -> dict[str, Tensor]:
    """Read a state dict from a .safetensors file, or from one of torch's, which may be a whole checkpoint.

    Of a checkpoint of ours it is the network's part.

    Raises:
        ValueError: The file is not there, cannot be read, or holds no weights.
    """
    content = read_file(path)
    trained_here = isinstance(content, Mapping) and "pytorch-lightning_version" in content
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise ValueError(f"weights: {path} holds no state dict")
    found = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    network = {name.removeprefix("network."): value for name, value in found.items() if name.startswith("network.")}
    return network if trained_here and network else found


def load_weights(network: nn.Module, path: str, names: Mapping[str, str], left_out: tuple[str, ...] = ()) -> None:
    """Load weights from a file into a network.

    Args:
        network: The network; it is left as it was if anything does not fit.
        path: The file, as `read_weights` takes it.
        names: Texts in the file's names and what stands for them in the network's. One that ends in a dot is a whole
            part of a name; one that begins with a dot too stands within it, another at its beginning.
        left_out: Beginnings of the names, once replaced, of what the network is not to take.

    Raises:
        ValueError: The file cannot be read, or weights are missing, superfluous or of another shape (the first few
            are named).
    """
    if not load_initial_weights():
        return
    found = {rename(name, names): value for name, value in read_weights(path).items()}
    found = {name: value for name, value in found.items() if not name.startswith(left_out)}
    wanted = network.state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}  # older files have none
    problems = [f"no {name}" for name in wanted if name not in found and name not in counters]
    problems += [f"{name} is not in the network" for name in found if name not in wanted]
    problems += [
        f"{name} is {tuple(value.shape)}, not {tuple(wanted[name].shape)}"
        for name, value in found.items()
        if name in wanted and value.shape != wanted[name].shape
    ]
    if problems:
        more = f", and {len(problems) - MAX_SHOWN} more" if len(problems) > MAX_SHOWN else ""
        kind = type(network).__name__
        raise ValueError(f"weights: {path} does not fit this {kind}: {'; '.join(problems[:MAX_SHOWN])}{more}")
    network.load_state_dict(found, strict=False)


def rename(name: str, names: Mapping[str, str]) -> str:
    """Return a weight's name with the texts of `names` replaced, in their order."""
    for old, new in names.items():
        if old.startswith("."):
            name = name.replace(old, new)
        elif name.startswith(old):
            name = new + name.removeprefix(old)
    return name
