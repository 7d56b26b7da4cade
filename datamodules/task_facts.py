"""What a task and its network need to know of the data: numbers of classes and outputs, statistics of the targets."""

import torch
from torch import Tensor

from datamodules.batches import BatchedDataModule
from datamodules.normalization import target_statistics
from datamodules.samples import UNLABELLED, target_kind


class TaskFacts(BatchedDataModule):
    """The part of `DataModule` that arguments of tasks and networks, and labels of figures, are taken from."""

    def _training_targets(self) -> Tensor:
        train = self.ensure_setup().train  # which sets the targets
        return self.targets[torch.from_numpy(train)]

    @property
    def num_classes(self) -> int:
        """Number of classes, or of labels if samples have several; 0 if targets are continuous."""
        return len(self.class_names)

    @property
    def num_labels(self) -> int:
        """Number of yes/no labels of each sample, L; 0 if there are classes or continuous targets."""
        return self.num_classes if target_kind(self._training_targets()) == "labels" else 0

    @property
    def num_outputs(self) -> int:
        """Number of outputs of a network for this data: one per class, label or continuous target."""
        return self.num_classes or self._training_targets().shape[-1]

    @property
    def num_tokens(self) -> int:
        """Number of token ids that inputs may hold; 0 if inputs are not token ids."""
        return 0

    @property
    def target_mean(self) -> list[float]:
        """Mean of each continuous target over the training part; empty if there are classes."""
        return [] if self.class_names else target_statistics(self._training_targets()).mean

    @property
    def target_std(self) -> list[float]:
        """Standard deviation of each continuous target over the training part, 1 if it is constant."""
        return [] if self.class_names else target_statistics(self._training_targets()).std

    @property
    def class_counts(self) -> list[int]:
        """Number of training labels of each class, wrong ones included; of several labels, of samples that have it."""
        labels = self._training_targets()
        if target_kind(labels) == "labels":
            return labels.sum(0).tolist()
        labels = labels.flatten()
        return torch.bincount(labels[labels != UNLABELLED], minlength=self.num_classes).tolist()

    @property
    def category_blocks(self) -> list[tuple[int, int]]:
        """First input and number of inputs of each category of many values, which a network may embed."""
        return []

    def feature_names(self) -> list[str]:
        """Return the names of the columns that inputs are made of, with their units; none if they have no names."""
        return []

    def target_names(self) -> list[str]:
        """Return the names of the continuous targets, with their units; none if they have no names."""
        return []

    def target_words(self) -> str:
        """Return in words what the targets are, and how many classes or labels there are."""
        kind, number = target_kind(self.samples.targets), self.num_classes
        if kind == "values":
            return "continuous targets"
        return f"{number} classes" if kind == "classes" else f"{number} labels, multi-label"
