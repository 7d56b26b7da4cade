"""One graph from raw inputs to results, which `torch.export` follows."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from datamodules.sequences.ragged import Sequences
from datamodules.tables.encoding import encode_columns
from models.evaluated import EvaluatedModule
from models.networks import Network
from models.preprocessing import Inputs

EXAMPLES, SHORT = 2, 7  # samples and steps to follow the operations with; 0 and 1 would count as fixed
NOISY = ("torch.onnx", "torch.export", "torch.fx", "torch._dynamo", "torch._export", "onnxscript", "onnx_ir")


class ExportError(ValueError):
    """A model cannot be exported; the message names it and says why."""


@dataclass(frozen=True)
class Signature:
    """The raw inputs of a model.

    Attributes:
        shape: Of one sample, (C, H, W), (K,), (T, F) or (T,).
        dtype: Of their values.
        lengths: Whether the model also takes the lengths of sequences, (N,), int64.
        of_images: Whether they are images, whose steps, if they are read as sequences, are fixed.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    lengths: bool = False
    of_images: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the graph's inputs."""
        return ["inputs", "lengths"] if self.lengths else ["inputs"]


class Graph(nn.Module):
    """A task as one module: raw inputs in; probabilities, or numbers in the targets' unit, out.

    Resizing, scaling, encoding, normalisation, and a temperature if there is one, are inside. Batches may have any
    number of samples; sequences any number of steps, where the network allows it (`any_length`); images any size, where
    those of the training were resized (`any_size`).

    Args:
        task: The task, in evaluation mode; its weights are shared.
        signature: Its raw inputs.
    """

    def __init__(self, task: EvaluatedModule, signature: Signature) -> None:
        super().__init__()
        self.preprocessing = task.preprocessing
        network: nn.Module = task.network
        scanned = network.of_any_length() if isinstance(network, Network) and not signature.of_images else None
        self.any_length = scanned is not None
        self.network = network if scanned is None else scanned
        self.any_size = signature.of_images and task.preprocessing.size is not None
        self.signature = signature
        self.dtype = task.network_dtype
        columns = task.preprocessing.columns
        self.columns = None if columns is None else columns.tolist()
        self.results: Callable[[Tensor], Tensor] = lambda outputs: task.to_results(task.to_predictions(outputs))
        self.eval()

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map raw inputs (N, ...), and lengths (N,) of sequences, to results (N, ...)."""
        if self.columns is not None:
            scaled: Inputs = encode_columns(inputs, self.columns)
        elif self.any_size:
            scaled = self.preprocessing.scale(fit_images(inputs, self.preprocessing.size))  # type: ignore[arg-type]
        else:
            scaled = self.preprocessing.scale(inputs)
        if lengths is not None:
            scaled = Sequences(scaled, lengths)  # type: ignore[arg-type]
        return self.results(self.network(self.preprocessing.normalize(scaled, self.dtype)))

    def examples(self) -> tuple[Tensor, ...]:
        """Return inputs to follow the operations with."""
        shape = list(self.signature.shape)
        if self.any_length:
            shape[0] = SHORT
        if self.any_size:
            shape[1:] = [shape[1] + SHORT, shape[2] + SHORT + 1]
        values = torch.zeros(EXAMPLES, *shape, dtype=self.signature.dtype)
        return (values, torch.full((EXAMPLES,), shape[0])) if self.signature.lengths else (values,)

    def varying(self) -> dict[int, str]:
        """Return the names of the dimensions of the inputs that may vary, by their places."""
        of_sequences = {1: "steps"} if self.any_length else {}
        return {0: "batch", **of_sequences, **({2: "height", 3: "width"} if self.any_size else {})}

    def dynamic_shapes(self) -> tuple[dict[int, Any], ...]:
        """Return which dimensions of the inputs may vary, as `torch.export` takes them."""
        of_values = {place: Dim(name) for place, name in self.varying().items()}
        return (of_values, {0: of_values[0]}) if self.signature.lengths else (of_values,)

    def follow(self) -> ExportedProgram:
        """Return the graph's operations.

        Raises:
            ExportError: They depend on the values of inputs, or on the size of the batch.
        """
        try:
            with quiet_exporters(), torch.no_grad():
                return torch.export.export(self, self.examples(), dynamic_shapes=self.dynamic_shapes())
        except Exception as error:  # torch raises many kinds
            name = type(self.network).__name__
            raise ExportError(
                f"{name} cannot be exported as a graph, because its operations depend on the values or the number of "
                f"its inputs ({first_line(error)}); --format safetensors exports its weights"
            ) from error


def fit_images(images: Tensor, size: list[int]) -> Tensor:
    """Return images (N, C, H, W) of a size, float32, as `Preprocessing.resize` does, by operations of any H and W.

    Args:
        images: Bytes, which are rounded, or floats.
        size: Height and width: the shorter side is scaled, the centre cropped.
    """
    (height, width), (rows, columns) = images.shape[-2:], size
    larger = (
        torch.sym_max(rows, (2 * height * columns + width) // (2 * width)),
        torch.sym_max(columns, (2 * width * rows + height) // (2 * height)),
    )
    resized = F.interpolate(images.float(), size=larger, mode="bilinear", antialias=True)  # type: ignore[arg-type]
    resized = resized if images.is_floating_point() else resized.round()
    # Half of what is too much, rounded to the even number as torchvision does.
    top, left = (much // 2 + much % 4 // 3 for much in (larger[0] - rows, larger[1] - columns))
    # A slice would bind the program to whether it cuts anything off.
    shown = torch.arange(rows, device=images.device) + top, torch.arange(columns, device=images.device) + left
    return resized.index_select(2, shown[0]).index_select(3, shown[1])


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0][:200] if lines else type(error).__name__).rstrip(".")


@contextlib.contextmanager
def quiet_exporters() -> Iterator[None]:
    """Keep down what torch's exporters and ONNX's print and warn of."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
