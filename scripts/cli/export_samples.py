"""Samples to compare an exported model with the original on: real ones if the data is there."""

import contextlib
import warnings

import torch
from torch import Tensor

from datamodules import DataError, DataModule
from datamodules.loader import Order
from datamodules.samples import Samples, Stream
from models.exporting import Signature
from scripts.cli.errors import UsageError
from scripts.cli.run_data import build_data
from scripts.cli.trained_model import Command, TrainedModel

SAMPLES = 256
Raw = tuple[Tensor, ...]  # raw inputs (N, ...), and lengths (N,) if the model takes them


def samples(command: Command, model: TrainedModel, signature: Signature) -> tuple[Raw, str]:
    """Return raw inputs, up to `SAMPLES`, and what they are.

    They are of the run's validation part if its data can be read where the recipe says, without a download; else
    random.
    """
    try:
        with contextlib.redirect_stdout(None), warnings.catch_warnings(action="ignore"):
            data = build_data(command.config)
            data.setup()
        found = _of_part(data, "val")
    except (DataError, UsageError, OSError) as error:
        reason = " ".join(str(error).split()).partition(";")[0]
        return random_samples(model, signature), f"{SAMPLES} random samples (the data is not there: {reason})"
    return found, f"{len(found[0]):,} samples of the validation part"


def _of_part(data: DataModule, part: str) -> Raw:
    assert data.split is not None
    indices = torch.from_numpy(data.split.parts()[part])[:SAMPLES]
    return raw_inputs(data.samples, indices)


def raw_inputs(samples: Samples, indices: Tensor) -> Raw:
    """Return raw inputs of the samples at `indices`, as a trained model takes them."""
    if isinstance(samples.inputs, Stream):
        device = torch.device("cpu")
        return tuple(next(iter(samples.inputs.loader((), indices, len(indices), Order(), device))))
    values = samples.inputs[indices]
    return (values,) if samples.lengths is None else (values, samples.lengths[indices])


def random_samples(model: TrainedModel, signature: Signature) -> Raw:
    """Return random inputs of a model, in the range of its data."""
    generator = torch.Generator().manual_seed(0)
    shape = (SAMPLES, *signature.shape)
    preprocessing, vocabulary = model.task.preprocessing, model.trained_on.manifest.get("vocabulary")
    if preprocessing.columns is not None:
        values = _random_rows(preprocessing.columns.double(), generator)
    elif vocabulary is not None:
        values = torch.randint(len(vocabulary["known"]) + 2, shape, generator=generator)
    elif signature.dtype == torch.uint8:
        values = torch.randint(int(preprocessing.maximum) + 1, shape, generator=generator)
    else:
        values = torch.randn(shape, generator=generator)
        if preprocessing.mean is not None and preprocessing.std is not None:
            axes = [1] * values.ndim
            axes[preprocessing.channel_axis] = -1
            values = values * preprocessing.std.view(axes) + preprocessing.mean.view(axes)
        values = values * preprocessing.maximum
    inputs = values.to(signature.dtype)
    if not signature.lengths:
        return (inputs,)
    return inputs, torch.randint(1, signature.shape[0] + 1, (SAMPLES,), generator=generator)


def _random_rows(columns: Tensor, generator: torch.Generator) -> Tensor:
    """Return random rows of a table, (SAMPLES, K): numbers, and the places of categories."""
    counts, _, center, scale, _ = columns.unbind(1)
    numbers = torch.randn(SAMPLES, len(columns), generator=generator, dtype=torch.float64) * scale + center
    places = (torch.rand(SAMPLES, len(columns), generator=generator, dtype=torch.float64) * counts).floor()
    return torch.where(counts > 0, places, numbers)
