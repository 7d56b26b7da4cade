"""What `trainer.precision: auto` stands for: the precision and layout in which a training step is fastest.

Instructions for bfloat16 do not tell: on one processor that has them they more than double the speed of a convolutional
network, on another they take a fifth longer than float32. Nor does the kind of network tell whether images are better
laid out channels last. What was measured is kept for the next run of the same network on the same machine, with the
same version of torch.
"""

import copy
import hashlib
import itertools
import json
import math
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from jsonargparse import Namespace
from torch import Tensor, nn

from callbacks.environment import processor
from callbacks.files import write_text
from callbacks.printing import say
from datamodules import DataModule
from datamodules.atomic_write import WriteError
from models import Task
from scripts.cli.channels_last import channels_last_inputs
from scripts.cli.checkpoint_config import stored_settings, trainer_of
from scripts.cli.jobs import Job
from scripts.cli.start_up_cache import cache_folder
from scripts.cli.trainer import choose_precision, on_several_devices

FULL = "32-true"
HALF = "bf16-mixed"
STEADY = 1.5  # times the shortest that half of the steps may take: more, and others are at work on the machine
WORTH = 1.1  # how many times as fast bfloat16 must be, which has fewer digits; and another layout
LONG_ENOUGH = 0.05  # seconds of a step
LONGEST = 1.0  # seconds of all measurements, but for the first ones
ROUNDS = 5
MOST_SAMPLES = 256


class StepKind(NamedTuple):
    """How a training step is computed.

    Attributes:
        precision: `trainer.precision`.
        channels_last: Whether images are laid out channels last.
    """

    precision: str
    channels_last: bool = False

    def __str__(self) -> str:
        return f"{self.precision}, channels last" if self.channels_last else self.precision


def step_kind(job: Job, checkpoint: Path | None, built: Namespace, config: Mapping[str, Any]) -> StepKind:
    """Return how steps are computed; print why, if it was measured.

    A run that is resumed or measured keeps what it began with. Several processes must choose alike, so they choose the
    precision by the instructions that the processor has.

    Args:
        job: The job.
        checkpoint: The checkpoint to go on from, or to measure, if any.
        built: Model and data.
        config: The trainer's settings.
    """
    asked, layout = config["precision"], config["channels_last"]
    stored = stored_settings(checkpoint) if checkpoint is not None else None
    if stored is not None:
        trainer = trainer_of(stored)
        begun_with = FULL if trainer.get("precision") is None else str(trainer["precision"])
        begun_in = bool(trainer.get("channels_last"))
        return StepKind(begun_with if asked == "auto" else asked, begun_in if layout is None else layout)
    if asked != "auto":
        return StepKind(asked, bool(layout))
    by_instructions = choose_precision(config["accelerator"])
    on_mps = config["accelerator"] != "cpu" and torch.backends.mps.is_available()
    alone = not on_several_devices(config["devices"]) and config["num_nodes"] == 1 and "WORLD_SIZE" not in os.environ
    ours = isinstance(built.model, Task) and isinstance(built.data, DataModule)
    if job.name != "fit" or not alone or not ours or on_mps:
        return StepKind(by_instructions, bool(layout))
    on_gpu = config["accelerator"] != "cpu" and torch.cuda.is_available()
    try:
        inputs = _first_inputs(built.model, built.data).to("cuda" if on_gpu else "cpu")
        precisions = (FULL,) if by_instructions == FULL else (FULL, HALF)
        layouts = _layouts(built.model.network, inputs) if layout is None else (layout,)
        kind, why = measured_kind(built.model.network, inputs, precisions, layouts)
    except (RuntimeError, ValueError, TypeError, AttributeError):
        return StepKind(
            by_instructions, bool(layout)
        )  # sequences of several lengths; or training will say what is wrong
    if why:
        say(f"auto   precision {why}")
    return kind


def _first_inputs(task: Task, data: DataModule) -> Tensor:
    """Return the network's inputs for a batch of training samples, without augmentation."""
    inputs, *_ = task.unpack(data.training_samples(min(data.batch_size, MOST_SAMPLES)))
    return cast("Tensor", inputs)


def _layouts(network: nn.Module, inputs: Tensor) -> tuple[bool, ...]:
    """Return whether to lay images out channels last: both to be tried, if a convolution takes them as they come."""
    if getattr(network, "lays_out_channels_last", False):
        return (False,)
    convolves = any(isinstance(module, nn.Conv2d) for module in network.modules())
    return (False, True) if convolves and inputs.dim() == 4 else (False,)


def measured_kind(
    network: nn.Module, inputs: Tensor, precisions: Sequence[str] = (FULL, HALF), layouts: Sequence[bool] = (False,)
) -> tuple[StepKind, str]:
    """Return how a step is fastest, and why, in words; no words if there is nothing to choose.

    Args:
        network: The network; it stays as it is.
        inputs: Its inputs, (N, ...), on the device that it is to be trained on.
        precisions: The precisions to choose from, the one with most digits first.
        layouts: Whether to lay images out channels last: False, True or both.

    Raises:
        RuntimeError: It has nothing to train, or cannot be trained on them.
    """
    kinds = [StepKind(*pair) for pair in itertools.product(precisions, layouts)]
    if len(kinds) == 1:
        return kinds[0], ""
    kept = _kept_file(network, inputs)
    seconds = _read(kept, kinds)
    again = " before" if seconds else ""
    if not seconds:
        with torch.random.fork_rng(devices=[inputs.device] if inputs.device.type == "cuda" else []):
            steps = measure_step(copy.deepcopy(network).to(inputs.device).train(), inputs, kinds)
        seconds = {name: min(times) for name, times in steps.items()}
        if all(statistics.median(times) <= STEADY * min(times) for times in steps.values()):
            with suppress(WriteError):
                write_text(kept, json.dumps(seconds))
    chosen, *others = kinds
    for kind in others:
        if seconds[str(chosen)] / seconds[str(kind)] >= WORTH:
            chosen = kind
    return chosen, _reason(seconds, chosen, kinds, again)


def _reason(seconds: Mapping[str, float], chosen: StepKind, kinds: Sequence[StepKind], again: str) -> str:
    first, *others = kinds
    speed = {kind: f"{seconds[str(first)] / seconds[str(kind)]:.2g}" for kind in others}
    why = "none is faster" if chosen == first else f"{speed.pop(chosen)} times as fast as {first}"
    rest = "".join(f"; {kind}: {times}" for kind, times in speed.items())
    return f"{chosen}: {why} here (measured{again}{rest})"


def measure_step(network: nn.Module, inputs: Tensor, kinds: Sequence[StepKind]) -> dict[str, list[float]]:
    """Return the seconds that training steps of each kind take, by its name; of the last, as the first prepare kernels.

    Args:
        network: The network; a call changes its batch norm statistics, but not its weights.
        inputs: (N, ...); as many of them are taken as a step needs to take long enough to be timed.
        kinds: The kinds.
    """
    count = min(2, len(inputs))  # batch norm takes no single sample
    while count < len(inputs) and _seconds(network, inputs[:count], kinds[0]) < LONG_ENOUGH:
        count = min(4 * count, len(inputs))
    some = inputs[:count]
    seconds: dict[str, list[float]] = {str(kind): [] for kind in kinds}
    begin = math.inf
    for _ in range(1 + ROUNDS):
        for kind in kinds:
            try:
                taken = _seconds(network, some, kind)
            except RuntimeError:  # a view in the user's network does not fit the layout, or memory is short
                if kind == kinds[0]:
                    raise
                taken = math.inf
            seconds[str(kind)].append(taken)
        begin = min(begin, time.perf_counter())
        if time.perf_counter() > begin + LONGEST:
            break
    return {name: times[1:] for name, times in seconds.items()}


def _seconds(network: nn.Module, inputs: Tensor, kind: StepKind) -> float:
    network.zero_grad()
    begin = time.perf_counter()
    with channels_last_inputs(network, kind.channels_last):
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=kind.precision == HALF):
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
    return cache_folder() / f"step-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.json"


def _read(path: Path, kinds: Sequence[StepKind]) -> dict[str, float]:
    with suppress(OSError, ValueError, KeyError, RecursionError):
        held = json.loads(path.read_text(encoding="utf-8"))
        times = [held[str(kind)] for kind in kinds] if isinstance(held, dict) else []
        if times and all(isinstance(seconds, float) and seconds > 0 for seconds in times):
            return cast("dict[str, float]", held)
    return {}
