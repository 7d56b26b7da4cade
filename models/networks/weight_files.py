"""Files of weights: read without running code, renamed, and loaded only if every weight fits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from datamodules.regular_files import HostileFileError, check_regular
from models.torch_files import LARGEST_FILE, load_tensors

MAX_SHOWN = 5
STATE_DICT_KEYS = ("state_dict", "model", "net")  # keys under which a checkpoint may hold its weights
_skip = ContextVar("_skip", default=False)
_whole = ContextVar("_whole", default=False)


@contextmanager
def skip_initial_weights() -> Iterator[None]:
    """Build networks without the weights that they name, because a checkpoint is about to replace them.

    A run's checkpoint can then be tested after the file that the run started from is gone, and nothing is downloaded.
    """
    token = _skip.set(True)
    try:
        yield
    finally:
        _skip.reset(token)


@contextmanager
def whole_initial_weights() -> Iterator[None]:
    """Build networks with the heads of the weights that they name, because they are measured as they are."""
    token = _whole.set(True)
    try:
        yield
    finally:
        _whole.reset(token)


def load_initial_head() -> bool:
    """Return whether a network that is built now should take its head from the weights that it names, not a new one."""
    return _whole.get()


def load_initial_weights() -> bool:
    """Return whether a network that is built now should load the weights that it names."""
    return not _skip.get()


def read_file(path: str) -> Any:
    """Read the tensors and plain values of a .safetensors file or of a file written by `torch.save`.

    Raises:
        ValueError: The file does not exist or cannot be read.
    """
    if not Path(path).exists():
        raise ValueError(f"weights: there is no file {path}")
    try:
        check_regular(path, LARGEST_FILE)
        if path.endswith(".safetensors"):
            return safetensors.torch.load_file(path)
        return load_tensors(path)
    except HostileFileError as error:
        raise ValueError(f"weights: {path} cannot be read: {error.strerror}") from error
    except Exception as error:  # torch raises almost any exception for a damaged file
        raise ValueError(f"weights: {path} cannot be read; it is damaged, or holds more than tensors") from error


def read_weights(path: str) -> dict[str, Tensor]:
    """Read a state dict: a file's content, or a part of it if the file is a checkpoint.

    From a checkpoint of this project, or what `holdout export` made of one, only the network's weights are returned.

    Raises:
        ValueError: The file does not exist, cannot be read or holds no weights.
    """
    content = read_file(path)
    ours = _is_lightning_checkpoint(content)
    for key in STATE_DICT_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise ValueError(f"weights: {path} holds no state dict")
    found = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    network = {name.removeprefix("network."): value for name, value in found.items() if name.startswith("network.")}
    exported = path.endswith(".safetensors") and any(name.startswith("preprocessing.") for name in found)
    return network if (ours or exported) and network else found


def read_statistics(path: str) -> tuple[Tensor, Tensor]:
    """Read the mean and standard deviation by which the run that wrote a checkpoint normalised images in [0, 1].

    Its task normalised first, then its network if that was a `Pretrained` network. The two steps are one:
    ((x - a) / b - c) / d = (x - (a + b c)) / (b d).

    Returns:
        Mean and standard deviation, (C,) or (1,) each.

    Raises:
        ValueError: The file does not exist, cannot be read, or is not a checkpoint with statistics.
    """
    content = read_file(path)
    checkpoint = content if _is_lightning_checkpoint(content) else {}
    state = checkpoint.get("state_dict", {})
    steps = [
        (state[f"{module}.mean"].flatten(), state[f"{module}.std"].flatten())
        for module in ("preprocessing", "network.transform", "network.preprocessing")
        if f"{module}.mean" in state
    ]
    recorded = (checkpoint.get("split") or {}).get("normalization")
    if recorded is not None and "preprocessing.mean" not in state and "network.transform.mean" not in state:
        # Written before tasks had a preprocessing: the data were normalised by the datamodule.
        steps.insert(0, (torch.tensor(recorded["mean"]), torch.tensor(recorded["std"])))
    if not steps:
        raise ValueError(
            f"weights: {path} holds no mean and std to normalise images by; save its network's state dict as a .pt "
            f"file to normalise by those of the data"
        )
    mean, std = torch.zeros(1), torch.ones(1)
    for next_mean, next_std in steps:
        mean, std = mean + std * next_mean, std * next_std
    return mean, std


def load_weights(
    network: nn.Module, path: str, new_names: Mapping[str, str], ignored_prefixes: tuple[str, ...] = ()
) -> None:
    """Load weights from a file into a network.

    Args:
        network: The network; unchanged if anything does not fit.
        path: The file, as `read_weights` takes it.
        new_names: How to rename the file's weights, as `rename` takes it.
        ignored_prefixes: Prefixes of renamed weights that the network does not take.

    Raises:
        ValueError: The file cannot be read, or weights are missing, unexpected or of another shape; the message names
            the first few.
    """
    if not load_initial_weights():
        return
    found = {rename(name, new_names): value for name, value in read_weights(path).items()}
    found = {name: value for name, value in found.items() if not name.startswith(ignored_prefixes)}
    wanted = network.state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}  # missing from older files
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


def rename(name: str, new_names: Mapping[str, str]) -> str:
    """Return a weight's name after replacements, which are applied in order.

    Args:
        name: The name.
        new_names: New text for old text. Old text that starts with a dot is replaced anywhere, other text only at the
            start of the name.
    """
    for old, new in new_names.items():
        if old.startswith("."):
            name = name.replace(old, new)
        elif name.startswith(old):
            name = new + name.removeprefix(old)
    return name


def _is_lightning_checkpoint(content: Any) -> bool:
    return isinstance(content, Mapping) and "pytorch-lightning_version" in content
