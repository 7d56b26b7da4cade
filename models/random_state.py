"""The state of every random generator a training step may draw from, as plain values a checkpoint can hold."""

import random
from typing import Any

import numpy as np
import torch

RandomState = dict[str, Any]


def capture_random_state(device: torch.device) -> RandomState:
    """Return the states of Python's, NumPy's and torch's generators (torch's on `device` too).

    The values are tensors, integers and tuples: they load with `weights_only=True`.
    """
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002
    state: RandomState = {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def seed_random_state(seed: int, step: int, rank: int) -> None:
    """Seed the generators (torch's on every device) from numbers that together are no other process's or step's."""
    entropy = np.random.SeedSequence([seed, step, rank]).generate_state(3)
    random.seed(int(entropy[0]))
    np.random.seed(entropy[1])  # noqa: NPY002
    torch.manual_seed(int(entropy[2]))


def restore_random_state(state: RandomState, device: torch.device) -> None:
    """Set the generators to a state that `capture_random_state` returned; a device's only where it has one."""
    random.setstate(state["python"])
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
