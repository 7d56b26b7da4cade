"""Preprocessing: from the values that a dataset holds to the inputs of a network."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as image_functions

from datamodules.precision import EXACT
from datamodules.sequences.ragged import Sequences
from datamodules.tables.encoding import encode

Inputs = Tensor | tuple[Tensor, Tensor]  # values; or the values of padded sequences (N, T, F) and their lengths (N,)


class Preprocessing(nn.Module):
    """Resizes, scales and normalises raw inputs; a trained model carries it, so that nobody has to do it by hand.

    Calling it takes raw values. While training and evaluating, the datamodule resizes, scales and augments, and only
    `normalize` remains. The statistics stay exact when the model is converted to half precision. Inputs in float64,
    such as Unix times, are normalised in float64 before they are cast, all others in float32. All settings are in the
    state dict: tensors and plain values. Without arguments it changes nothing.

    Args:
        maximum: Divisor of the raw values: 255 for images of bytes.
        mean: Mean of each channel of scaled inputs, or one for all channels; None does not normalise.
        std: Standard deviation of each channel, or one for all, above 0.
        channel_axis: Axis of the channels: 1 for images and tables, -1 for sequences.
        size: Height and width of images. The shorter side of another image is resized, its centre cropped.
        rows: Turn normalised images (N, C, H, W) into sequences of their rows, (N, H, C · W).
        columns: How each of K columns of a table becomes inputs, (K, 5); see `datamodules.tables.encoding.encode`.
    """

    mean: Tensor | None
    std: Tensor | None
    columns: Tensor | None

    def __init__(
        self,
        maximum: float = 1.0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        channel_axis: int = 1,
        size: Sequence[int] | None = None,
        rows: bool = False,
        columns: Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        self.maximum = float(maximum)
        self.register_buffer("mean", None if mean is None else torch.tensor(mean, dtype=EXACT))
        self.register_buffer("std", None if std is None else torch.tensor(std, dtype=EXACT))
        self.register_buffer("columns", None if columns is None else torch.tensor(columns, dtype=torch.float64))
        self.channel_axis = channel_axis
        self.size = None if size is None else list(size)
        self.rows = rows

    def forward(self, raw: Inputs, dtype: torch.dtype | None = None) -> Inputs:
        """Map raw values to the inputs of a network.

        Args:
            raw: (N, ...), of any numeric dtype; or sequences and their lengths.
            dtype: The network's precision; None keeps that of the scaled values.
        """
        if not isinstance(raw, Tensor):
            values, lengths = raw
            return self.normalize((self.scale(values), lengths), dtype)
        return self.normalize(self.scale(self.resize(raw)), dtype)

    def resize(self, images: Tensor) -> Tensor:
        """Return images of `size`, (N, C, H, W); all inputs as they are where there is no `size`."""
        if self.size is None or list(images.shape[-2:]) == self.size:
            return images
        height, width = self.size
        factor = max(height / images.shape[-2], width / images.shape[-1])
        larger = [max(round(factor * side), least) for side, least in zip(images.shape[-2:], self.size, strict=True)]
        resized: Tensor = image_functions.resize(images, larger, antialias=True)
        cropped: Tensor = image_functions.center_crop(resized, [height, width])
        return cropped

    def scale(self, values: Tensor) -> Tensor:
        """Return values divided by `maximum`, of tables encoded; warn of those that seem to be divided already."""
        if self.columns is not None:
            return encode(values, self.columns)
        if self.maximum == 1:
            return values
        traced = torch.compiler.is_compiling()
        if values.is_floating_point() and not traced and values.numel() and values.max() <= 1 < self.maximum:
            warnings.warn(
                f"the inputs lie in [0, 1], but the data's go up to {self.maximum:g}: give raw values, not scaled ones",
                stacklevel=2,
            )
        return values / self.maximum

    def normalize(self, inputs: Inputs, dtype: torch.dtype | None = None) -> Inputs:
        """Map scaled inputs to the inputs of a network.

        Args:
            inputs: (N, ...), or sequences and their lengths.
            dtype: The network's precision; None keeps that of the inputs.
        """
        if not isinstance(inputs, Tensor):
            values, lengths = inputs
            return Sequences(self.normalize(values, dtype), lengths)  # type: ignore[arg-type]
        if self.mean is not None and self.std is not None:
            shape = [1] * inputs.ndim
            shape[self.channel_axis] = -1
            # A state dict may have filled the statistics in after the model was moved.
            exact = torch.float64 if inputs.dtype == torch.float64 else torch.float32
            mean, std = (values.to(inputs.device, exact).view(shape) for values in (self.mean, self.std))
            inputs = (inputs - mean).div_(std)
        if dtype is not None and inputs.is_floating_point():
            inputs = inputs.to(dtype)
        return inputs.transpose(1, 2).flatten(2) if self.rows else inputs

    def settings(self) -> dict[str, Any]:
        """Return the arguments that make an equal one, as plain values."""
        statistics = {name: None if values is None else values.tolist() for name, values in self._statistics().items()}
        geometry = {"channel_axis": self.channel_axis, "size": self.size, "rows": self.rows}
        return {"maximum": self.maximum, **statistics, **geometry}

    def _statistics(self) -> dict[str, Tensor | None]:
        return {"mean": self.mean, "std": self.std, "columns": self.columns}

    def _as_tensors(self) -> dict[str, Tensor]:
        """Return the settings that are not buffers, for the state dict."""
        return {
            "maximum": torch.tensor(self.maximum, dtype=torch.float64),
            "channel_axis": torch.tensor(self.channel_axis),
            "size": torch.tensor(self.size or [], dtype=torch.int64),
            "rows": torch.tensor(self.rows),
        }

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination.update({prefix + name: value for name, value in self._as_tensors().items()})

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: Any, strict: bool, *lists: list[str]
    ) -> None:
        # The checkpoint decides: a task that is rebuilt without its data has no statistics yet.
        for name, own in self._statistics().items():
            stored = state_dict.get(prefix + name)
            like = own if own is not None else torch.empty(0, dtype=EXACT)
            setattr(self, name, None if stored is None else like.new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, *lists)
        _, unexpected, errors = lists
        plain = {name: state_dict.get(prefix + name) for name in self._as_tensors()}
        if None in plain.values():
            errors.append(
                "it has no preprocessing, as in versions before models carried it: train the model again (a Pretrained "
                "network can start from its weights)"
            )
        unexpected[:] = [name for name in unexpected if name.removeprefix(prefix) not in plain]
        for name, value in plain.items():
            if value is not None:
                setattr(self, name, value.tolist() or None if name == "size" else value.item())

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Preprocessing":
        exact = self._statistics()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, values in exact.items():
            if values is not None:
                setattr(self, name, values.to(self._statistics()[name].device))  # type: ignore[union-attr]
        return self

    def extra_repr(self) -> str:
        """Return the settings."""
        return ", ".join(f"{name}={value}" for name, value in self.settings().items())
