"""All samples of a dataset, as a datamodule loads them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from datamodules.errors import DataError
from datamodules.loader import Batch, BatchLoader, Order
from datamodules.sample_weights import check_weights
from datamodules.splitting.subsets import Indices

UNLABELLED = -100  # the label that torch's losses ignore
TargetKind = Literal["classes", "labels", "values"]


def target_kind(targets: Tensor) -> TargetKind:
    """Return what targets are: "classes" (integers), several yes/no "labels" (bool) or continuous "values"."""
    if targets.dtype == torch.bool:
        return "labels"
    return "values" if targets.is_floating_point() else "classes"


class Stream(ABC):
    """Inputs of N samples that are not one tensor in memory: too many, or of different lengths.

    Attributes:
        shape: (N, C, ...).
        dtype: Type of the values, as batches hold them before they are scaled.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def sample(self, indices: Tensor) -> Tensor:
        """Return inputs to measure statistics on, (n, C, ...): those at `indices`, or some of them if they are many."""

    @abstractmethod
    def loader(
        self, others: Batch, indices: Tensor, batch_size: int, order: Order, device: torch.device
    ) -> BatchLoader:
        """Return batches of (inputs, *others).

        Args:
            others: What batches hold beside the inputs, of all samples: targets (N, ...), and weights if there are any.
            indices: Samples to iterate over, (n,), int64.
            batch_size: As in `BatchLoader`.
            order: As in `BatchLoader`.
            device: The device that the batches will be moved to.
        """


@dataclass(frozen=True)
class Samples:
    """All samples of a dataset.

    Args:
        inputs: (N, C, ...), uint8 or float32, or float64 where float32 would lose differences (`precision.py`); or a
            `Stream` if they are not one tensor in memory.
        targets: Class labels (N,), int64; or one label per step of a sequence, (N, T), int64, `UNLABELLED` where there
            is none; or several yes/no labels (N, L), bool; or continuous targets (N, outputs), float32 or float64; or
            those of steps, (N, T, outputs), NaN where there is none.
        official_test: Indices of the dataset's own test part, if it has one.
        official_val: Indices of the dataset's own validation part, if it has one.
        lengths: Number of true steps of each sequence, (N,), int64; None if there is no padding.
        weights: Weight of each sample in the training loss, (N,), float32, 0 or more; None if all count the same. They
            are divided by their mean over the training part, so that the loss keeps its size.
    """

    inputs: Tensor | Stream
    targets: Tensor
    official_test: Indices | None = None
    official_val: Indices | None = None
    lengths: Tensor | None = None
    weights: Tensor | None = None

    def of_classes(self, classes: list[int]) -> "Samples":
        """Return the samples of some classes, renumbered in the order given; for inputs in memory."""
        assert isinstance(self.inputs, Tensor)
        same = self.targets.unsqueeze(1) == torch.tensor(classes)
        kept = same.any(1).nonzero()[:, 0]
        places = kept.numpy()
        test, val = (
            None if official is None else np.flatnonzero(np.isin(places, official))
            for official in (self.official_test, self.official_val)
        )
        return Samples(
            self.inputs[kept],
            same[kept].int().argmax(1),
            test,
            val,
            None if self.lengths is None else self.lengths[kept],
            None if self.weights is None else self.weights[kept],
        )


def check_samples(owner: str, samples: Samples, class_names: tuple[str, ...]) -> None:
    """Check types, shapes and labels of the samples that a datamodule's `load` returned.

    Args:
        owner: Name of the datamodule.
        samples: The samples.
        class_names: Its class names; none if targets are continuous.

    Raises:
        DataError: Something does not fit; the message names the attribute.
    """
    if not isinstance(samples, Samples):
        raise DataError(f"{owner}: load returns a {type(samples).__name__}; it must return Samples(inputs, targets)")
    inputs, targets = samples.inputs, samples.targets
    for name, value, allowed in (("inputs", inputs, (Tensor, Stream)), ("targets", targets, Tensor)):
        if not isinstance(value, allowed):
            raise DataError(f"{owner}: Samples.{name} is a {type(value).__name__}; it must be a tensor")
    if isinstance(inputs, Tensor) and inputs.dtype not in (torch.uint8, torch.float32, torch.float64):
        raise DataError(f"{owner}: Samples.inputs is {inputs.dtype}; it must be uint8, float32 or float64")
    if len(inputs) != len(targets):
        raise DataError(f"{owner}: there are {len(inputs)} inputs and {len(targets)} targets")
    if samples.weights is not None:
        check_weights(owner, samples.weights, len(targets))
    if class_names and target_kind(targets) == "labels":
        if targets.ndim != 2 or targets.shape[1] != len(class_names):
            raise DataError(
                f"{owner}: Samples.targets is bool {tuple(targets.shape)}; labels with {len(class_names)} class_names "
                f"must be (N, {len(class_names)})"
            )
    elif class_names:
        if targets.dtype != torch.int64:
            raise DataError(f"{owner}: labels (Samples.targets) are {targets.dtype}; they must be int64")
        _check_labels(owner, targets, len(class_names))
    elif targets.dtype not in (torch.float32, torch.float64) or targets.ndim not in (2, 3):
        raise DataError(
            f"{owner}: Samples.targets is {targets.dtype} {tuple(targets.shape)}; without class_names, targets are "
            "continuous and must be float32 or float64 (N, outputs), or (N, T, outputs) of steps"
        )
    elif targets.ndim == 3:
        _check_some_step(owner, targets)


def _check_labels(owner: str, labels: Tensor, num_classes: int) -> None:
    labelled = labels != UNLABELLED if labels.ndim > 1 else torch.ones_like(labels, dtype=torch.bool)
    wrong = (labelled & ((labels < 0) | (labels >= num_classes))).nonzero()
    if len(wrong):
        sample, *step = wrong[0].tolist()
        where = f" at step {step[0]}" if step else ""
        label = int(labels[tuple(wrong[0])])
        raise DataError(
            f"{owner}: sample {sample} has label {label}{where}; there are {num_classes} classes, numbered from 0"
        )
    if labels.ndim > 1:
        _check_some_step(owner, labels)


def _check_some_step(owner: str, targets: Tensor) -> None:
    labelled = labelled_steps(targets)
    assert labelled is not None
    unlabelled = (~labelled.any(1)).nonzero()
    if len(unlabelled):
        raise DataError(f"{owner}: sample {int(unlabelled[0])} has no label at any step")


def labelled_steps(targets: Tensor) -> Tensor | None:
    """Return which steps of sequences have a target, (N, T), bool; None where targets are of whole samples.

    Args:
        targets: In one of the forms of `Samples`, of any number of samples.
    """
    kind = target_kind(targets)
    if kind == "values" and targets.ndim == 3:
        return ~targets.isnan().any(-1)
    return targets != UNLABELLED if kind == "classes" and targets.ndim == 2 else None


def existing_targets(targets: Tensor) -> Tensor:
    """Return targets as they are; of those of steps the ones that exist, (M, ...)."""
    labelled = labelled_steps(targets)
    return targets if labelled is None else targets[labelled]


def check_one_label(owner: str, option: str, targets: Tensor, class_names: tuple[str, ...]) -> None:
    """Check that every sample has one class, for an option that needs it.

    Raises:
        DataError: Targets are continuous, or there are several labels per sample.
    """
    if not class_names or targets.ndim > 1:
        raise DataError(f"{option} needs one class per sample; {owner} does not have that")
