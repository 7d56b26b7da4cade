"""The precision that `trainer.precision: auto` stands for: whichever a training step of the network is faster in here.

Instructions for bfloat16 do not tell: on one processor that has them they more than double the speed of a convolutional
network, on another they take a fifth longer than float32. What was measured is kept for the next run of the same
network on the same machine, with the same version of torch.
"""

import copy
import hashlib
import json
import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, cast

import torch
from jsonargparse import Namespace
from torch import Tensor, nn

from callbacks.environment import processor
from callbacks.files import write_text
from callbacks.printing import say
from datamodules import DataModule
from datamodules.atomic_write import WriteError
from models import Task
from scripts.cli.checkpoint_config import stored_settings
from scripts.cli.jobs import Job
from scripts.cli.start_up_cache import cache_folder
from scripts.cli.trainer import choose_precision, on_several_devices

FULL: Literal["32-true"] = "32-true"
HALF: Literal["bf16-mixed"] = "bf16-mixed"
WORTH = 1.1  # how many times as fast bfloat16 must be: it has fewer digits
LONG_ENOUGH = 0.05  # seconds of a step
LONGEST = 1.0  # seconds of all measurements, but for the first ones
ROUNDS = 5
MOST_SAMPLES = 256


def precision_for(job: Job, checkpoint: Path | None, built: Namespace, config: Mapping[str, Any]) -> str:
    """Return the precision that "auto" stands for, and print why it was chosen, if it was measured.

    A run that is resumed or measured keeps the one that it began with. Several processes must choose alike, so they
    choose by the instructions that the processor has.

    Args:
        job: The job.
        checkpoint: The checkpoint to go on from, or to measure, if any.
        built: Model and data.
        config: The trainer's settings.
    """
    stored = stored_settings(checkpoint) if checkpoint is not None else None
    if stored is not None:
        begun_with = (stored.get("trainer") or {}).get("precision")
        return FULL if begun_with is None else str(begun_with)
    by_instructions = choose_precision(config["accelerator"])
    alone = not on_several_devices(config["devices"]) and config["num_nodes"] == 1 and "WORLD_SIZE" not in os.environ
    ours = isinstance(built.model, Task) and isinstance(built.data, DataModule)
    if by_instructions == FULL or job.name != "fit" or not alone or not ours:
        return by_instructions
    on_gpu = config["accelerator"] != "cpu" and torch.cuda.is_available()
    try:
        inputs = _first_inputs(built.model, built.data).to("cuda" if on_gpu else "cpu")
        precision, why = measured_precision(built.model.network, inputs)
    except (RuntimeError, ValueError, TypeError, AttributeError):
        return by_instructions  # sequences of several lengths; or training will say what is wrong
    say(f"auto   precision {precision}: {why}")
    return precision


def _first_inputs(task: Task, data: DataModule) -> Tensor:
    """Return the network's inputs for a batch of training samples, without augmentation."""
    inputs, *_ = task.unpack(data.training_samples(min(data.batch_size, MOST_SAMPLES)))
    return cast("Tensor", inputs)


def measured_precision(network: nn.Module, inputs: Tensor) -> tuple[Literal["32-true", "bf16-mixed"], str]:
    """Return the faster precision, and why, in words.

    Args:
        network: The network; it stays as it is.
        inputs: Its inputs, (N, ...), on the device that it is to be trained on.

    Raises:
        RuntimeError: It has nothing to train, or cannot be trained on them.
    """
    kept = _kept_file(network, inputs)
    seconds = _read(kept)
    again = " before" if seconds else ""
    if not seconds:
        with torch.random.fork_rng(devices=[inputs.device] if inputs.device.type == "cuda" else []):
            seconds = measure_step(copy.deepcopy(network).to(inputs.device).train(), inputs)
        with suppress(WriteError):
            write_text(kept, json.dumps(seconds))
    ratio = seconds[FULL] / seconds[HALF]
    faster = f"{ratio:.2g} times as fast as {FULL}" if ratio > 1 else f"{1 / ratio:.2g} times as slow as {FULL}"
    return (HALF if ratio >= WORTH else FULL), f"{HALF} is {faster} here (measured{again})"


def measure_step(network: nn.Module, inputs: Tensor) -> dict[str, float]:
    """Return the seconds of a training step in each precision, the shortest of several.

    Args:
        network: The network; its weights stay, the statistics of its norms change.
        inputs: (N, ...); as many of them are taken as a step needs to take long enough to be timed.
    """
    count = min(2, len(inputs))  # batch norm takes no single sample
    while count < len(inputs) and _seconds(network, inputs[:count], half=False) < LONG_ENOUGH:
        count = min(4 * count, len(inputs))
    some = inputs[:count]
    seconds = {FULL: math.inf, HALF: math.inf}
    begin = math.inf
    for _ in range(1 + ROUNDS):
        for name in seconds:
            taken = _seconds(network, some, half=name == HALF)
            seconds[name] = min(seconds[name], taken if begin < math.inf else math.inf)  # the first prepares kernels
        begin = min(begin, time.perf_counter())
        if time.perf_counter() > begin + LONGEST:
            break
    return {str(name): best for name, best in seconds.items()}


def _seconds(network: nn.Module, inputs: Tensor, *, half: bool) -> float:
    network.zero_grad()
    begin = time.perf_counter()
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=half):
        outputs: Tensor = network(inputs)
    outputs.float().square().mean().backward()  # type: ignore[no-untyped-call]
    if inputs.device.type == "cuda":
        torch.cuda.synchronize(inputs.device)
    return time.perf_counter() - begin


def _kept_file(network: nn.Module, inputs: Tensor) -> Path:
    """Return where the measurement of a network is kept: one file for each machine, version and kind of step."""
    device = torch.cuda.get_device_name(inputs.device) if inputs.device.type == "cuda" else processor()
    trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    facts = (device, torch.__version__, torch.get_num_threads(), tuple(inputs.shape), repr(network), trained)
    return cache_folder() / f"precision-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> dict[str, float]:
    with suppress(OSError, ValueError, KeyError, RecursionError):
        held = json.loads(path.read_text(encoding="utf-8"))
        times = [held[name] for name in (FULL, HALF)] if isinstance(held, dict) else []
        if times and all(isinstance(seconds, float) and seconds > 0 for seconds in times):
            return cast("dict[str, float]", held)
    return {}
