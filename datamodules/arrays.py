"""A dataset made of arrays in a notebook: images, a table or sequences."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.array_inputs import (
    Channels,
    Kind,
    find_kind,
    likely_maximum,
    read_images,
    read_sequences,
    read_step_targets,
    read_table,
)
from datamodules.array_targets import read_array_targets, samples_of
from datamodules.array_values import OWNER, Array, as_array, as_numbers, is_frame
from datamodules.base import DataModule
from datamodules.checks import check_positive
from datamodules.errors import DataError
from datamodules.precision import check_precision, narrowest, numbered_features
from datamodules.samples import Samples
from datamodules.sequences.npz_targets import by_rows
from datamodules.sequences.ragged import RaggedSequences, Sequences
from datamodules.sequences.recorded import Recorded
from datamodules.sequences.sequence_data import SequenceDataModule


class Arrays(DataModule):
    """Arrays or tensors of your own, for use from Python: `Arrays(images, labels, batch_size=64)`.

    Inputs are images (N, H, W), (N, C, H, W) or (N, H, W, C); a table (N, F), or a data frame of numbers; or sequences
    (N, T, F), whose last steps may be NaN, or a list of N arrays (T, F) or (T,). Targets are classes (N,), integers,
    texts or booleans, or one-hot (N, C); several yes/no labels (N, L), 0 and 1 or booleans; or numbers to predict,
    floats (N,) or (N, outputs). Those of sequences may be of steps: (N, T), or a list like that of the sequences, with
    -100, NaN or "" for steps without a target. All are copied.

    A split by groups or times takes arrays too: `SplitOptions(groups=patients)`, or `SplitOptions(given=parts)` where
    each sample's part is known, "train" or "test" say.

    Args:
        inputs: NumPy's or torch's arrays, or a list of them.
        targets: One for each sample, or for each step.
        class_names: Names of the classes or labels, in the order of their numbers; of texts, all of them in the order
            wanted. Default: the numbers, or the texts in alphabetical order.
        kind: What inputs are, where their shape does not tell: numbers (N, A, B) that are not bytes may be images or
            sequences.
        channels: Where the channels of images are, "first" or "last"; default: where the size is 4 or less.
        continuous: Whether targets are numbers to predict, not classes; default: floats are, unless they are one-hot or
            `class_names` is given.
        maximum: Of images, the value that becomes 1; default: 1, 255 or 65535 if the training images reach an eighth of
            it, else their largest value.
        weights: Weight of each sample in the training loss, (N,), 0 or more.
        kwargs: Arguments of `DataModule`.

    Raises:
        DataError: Inputs or targets do not have one of these forms, differ in number, or hold NaN.
    """

    kind: ClassVar[Kind]

    @classmethod
    @override
    def class_for(cls, *args: Any, **options: Any) -> type["Arrays"]:
        """Return the class of images, tables or sequences."""
        if cls is not Arrays:
            return cls
        if not (args or "inputs" in options):
            raise TypeError("Arrays needs inputs and targets: Arrays(images, labels)")
        chosen = options.get("kind") or find_kind(args[0] if args else options["inputs"])
        return {variant.kind: variant for variant in (ImageArrays, TableArrays, SequenceArrays)}.get(chosen, cls)

    def __init__(
        self,
        inputs: Any,
        targets: Any,
        *,
        class_names: Sequence[str] | None = None,
        kind: Kind | None = None,
        channels: Channels | None = None,
        continuous: bool | None = None,
        maximum: float | None = None,
        weights: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in {"channels": channels, "maximum": maximum}.items():
            if value is not None and self.kind != "images":
                raise DataError(f"{OWNER}: {name} is for images, which these inputs are not: leave it out")
        check_positive(OWNER, **({} if maximum is None else {"maximum": maximum}))
        self.channels = channels
        self.stated_maximum = maximum
        names = None if class_names is None else np.asarray(class_names)
        continuous = False if continuous is None and names is not None else continuous
        samples, self.class_names = self.read(inputs, targets, names, continuous)
        if weights is not None:
            numbers = as_numbers("weights", as_array("weights", weights)).astype(np.float32)
            samples = replace(samples, weights=torch.from_numpy(numbers))
        self._samples = samples

    @abstractmethod
    def read(
        self, inputs: Any, targets: Any, names: Array | None, continuous: bool | None
    ) -> tuple[Samples, tuple[str, ...]]:
        """Return samples, and the names of the classes or labels; set `input_shape`."""

    @abstractmethod
    def encode(self, inputs: Any) -> Tensor | Sequences:
        """Return new samples as a trained model takes them.

        Args:
            inputs: In the form of those that the data were made of, without targets.

        Raises:
            DataError: They have another form or shape.
        """

    @property
    @override
    def dataset_name(self) -> str:
        return OWNER

    @override
    def load(self) -> Samples:
        return self._samples

    def _check_shape(self, shape: Sequence[int], wanted: Sequence[int]) -> None:
        if tuple(shape) != tuple(wanted):
            raise DataError(f"{OWNER}: new inputs are {tuple(shape)} each, those of the data {tuple(wanted)}")


class ImageArrays(Arrays):
    """Images; made by `Arrays`."""

    kind = "images"

    @override
    def read(
        self, inputs: Any, targets: Any, names: Array | None, continuous: bool | None
    ) -> tuple[Samples, tuple[str, ...]]:
        images, self.channels = read_images(inputs, self.channels)
        self.input_shape = tuple(images.shape[1:])
        return samples_of(images, targets, names, continuous)

    @override
    def fit_maximum(self, indices: Tensor) -> None:
        assert isinstance(self.samples.inputs, Tensor)
        if self.stated_maximum is None:
            images = self.samples.inputs[indices]
            self.maximum = likely_maximum(float(images.min()), float(images.max()))
        else:
            self.maximum = self.stated_maximum

    @override
    def encode(self, inputs: Any) -> Tensor:
        images, _ = read_images(inputs, self.channels)
        self._check_shape(images.shape[1:], self.input_shape)
        return images

    @override
    def extra_facts(self) -> list[str]:
        return [f"images {self.input_shape} divided by {self.maximum:g}"]


class TableArrays(Arrays):
    """A table of numbers; made by `Arrays`."""

    kind = "table"
    maximum = 1.0

    @override
    def read(
        self, inputs: Any, targets: Any, names: Array | None, continuous: bool | None
    ) -> tuple[Samples, tuple[str, ...]]:
        rows, self._columns = read_table(inputs)
        self.input_shape = (rows.shape[1],)
        return samples_of(rows if rows.dtype == torch.float32 else narrowest(rows), targets, names, continuous)

    @override
    def feature_names(self) -> list[str]:
        return self._columns

    @override
    def setup(self, stage: str | None = None) -> None:
        if self.split is None:
            super().setup(stage)
            assert isinstance(self.samples.inputs, Tensor)
            check_precision(OWNER, self._columns, self.samples.inputs, self.normalization)

    @override
    def encode(self, inputs: Any) -> Tensor:
        if is_frame(inputs):
            missing = [name for name in self._columns if name not in map(str, inputs.columns)]
            if missing:
                raise DataError(f"{OWNER}: the new rows have no column {missing[0]!r}")
            inputs = inputs.rename(columns=str)[self._columns]
        rows, _ = read_table(inputs)
        self._check_shape(rows.shape[1:], self.input_shape)
        return rows.to(self._samples.inputs.dtype)  # type: ignore[union-attr]

    @override
    def extra_facts(self) -> list[str]:
        return [f"{self.input_shape[0]:,} feature{'s' * (self.input_shape[0] > 1)}"]


class SequenceArrays(SequenceDataModule, Arrays):
    """Sequences; made by `Arrays`."""

    kind = "sequences"

    @override
    def read(
        self, inputs: Any, targets: Any, names: Array | None, continuous: bool | None
    ) -> tuple[Samples, tuple[str, ...]]:
        arranged = read_sequences(inputs)
        values, of_steps = by_rows(OWNER, "targets", read_step_targets(targets, arranged), arranged)
        found = read_array_targets(values, of_steps, names, continuous)
        features = numbered_features(arranged.steps.shape[1])
        self.recorded = Recorded(
            OWNER, arranged.steps, arranged.lengths, found.values, of_steps, found.class_names, features
        )
        self.input_shape = self.recorded.input_shape
        samples, steps = self.recorded.samples(), self.input_shape[0]
        if (self.recorded.lengths == steps).all():
            assert isinstance(samples.inputs, RaggedSequences)
            together = samples.inputs.values.view(-1, steps, self.input_shape[1])
            samples = replace(samples, inputs=together, lengths=None)
        return samples, found.class_names

    @override
    def encode(self, inputs: Any) -> Tensor | Sequences:
        arranged = read_sequences(inputs)
        self._check_shape(arranged.steps.shape[1:], self.input_shape[1:])
        own = self._samples.inputs
        dtype = own.values.dtype if isinstance(own, RaggedSequences) else own.dtype  # type: ignore[union-attr]
        values, lengths = torch.from_numpy(arranged.steps).to(dtype), torch.from_numpy(arranged.lengths)
        if (arranged.lengths == arranged.lengths[0]).all():
            return values.view(len(lengths), -1, values.shape[1])
        return RaggedSequences(values, lengths).pad(torch.arange(len(lengths)))

    @override
    def extra_facts(self) -> list[str]:
        return self.recorded.words()
