"""A dataset for Lightning: loaded, split once and without leaks, described, and handed over in batches."""

from abc import abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar

import numpy.typing as npt
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.augmentation.base import Augmentation
from datamodules.batches import BatchedDataModule
from datamodules.errors import DataError
from datamodules.normalization import Normalization, channel_statistics, stated_normalization, target_statistics
from datamodules.sample_weights import scale_weights
from datamodules.samples import UNLABELLED, Samples, Stream, check_samples, target_kind
from datamodules.splitting.duplicates import Digests, sample_digests
from datamodules.splitting.imbalance import Imbalance
from datamodules.splitting.label_noise import LabelNoise
from datamodules.splitting.manifest import Manifest, check_same_split
from datamodules.splitting.split_samples import split_samples
from datamodules.splitting.splits import PARTS, Split, SplitOptions
from datamodules.splitting.subsets import Indices


class DataModule(BatchedDataModule):
    """A dataset that is split into train, val and test; base class of all datasets.

    A subclass states `class_names`, `input_shape`, `maximum` and `load`. Batches are (inputs, targets), or (inputs,
    targets, weights) if samples have weights. Inputs are float32 (N, C, ...), scaled to [0, 1] and, while training,
    augmented; the task normalises them (`preprocessing`). Targets are classes int64 (N,), several yes/no labels bool
    (N, L), or float32 (N, outputs). Weights are float32 (N,).

    Args:
        batch_size: Samples per training step, over all devices together.
        eval_batch_size: Samples per batch of validation, test and prediction; affects speed only.
        split: Sizes of the parts, folds, seed and duplicates; the attribute holds the parts' indices, after `setup`.
        mean: Mean for the normalisation, one value per channel or one for all; default: that of the training part.
        std: Standard deviation for the normalisation, in the same form.
        augmentation: Augmentations of the training batches, in order; default: the dataset's own.
        drop_last: Leave out an epoch's incomplete last training batch.
        label_noise: Makes training labels wrong on purpose; validation and test keep the true labels.
        imbalance: Makes some classes rare in the training part.
        balanced_batches: Show every class equally often in an epoch: rare samples repeat, frequent ones take turns.

    Attributes:
        class_names: C names of classes, or L of labels if a sample has several; empty if targets are continuous.
        input_shape: Shape of one sample as the network receives it.
        maximum: Largest value of an input; inputs are divided by it.
        channel_axis: Dimension of a batch that holds the channels.
        may_change_on_resume: Arguments that a resumed run may change, since neither the split nor the batches depend on
            them; a subclass names its own.
        samples: All samples, after `setup`.
        targets: Targets for training: `samples.targets`, but for labels that are wrong on purpose.
        weights: Weights of the samples in the training loss, with mean 1 over the training part; None without any.
        normalization: Mean and standard deviation for the normalisation, after `setup`.
        manifest: The dataset, the arguments of the split and the parts, as plain values, after `setup`.
    """

    input_shape: tuple[int, ...]
    channel_axis: ClassVar[int] = 1

    def __init__(
        self,
        batch_size: int = 128,
        eval_batch_size: int = 512,
        split: SplitOptions = SplitOptions(),
        mean: list[float] | None = None,
        std: list[float] | None = None,
        augmentation: list[Augmentation] | None = None,
        drop_last: bool = False,
        label_noise: LabelNoise | None = None,
        imbalance: Imbalance | None = None,
        balanced_batches: bool = False,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, augmentation, drop_last, balanced_batches)
        self.split_options = split
        self.stated_normalization = stated_normalization(mean, std)
        self.label_noise = label_noise
        self.imbalance = imbalance
        self.normalization: Normalization
        self.manifest: Manifest

    def __getattr__(self, name: str) -> Any:
        """Say which attribute a subclass has not stated; called only for attributes that are missing."""
        examples = {"class_names": '("cat", "dog")', "input_shape": "(3, 32, 32)"}
        if name in examples:
            raise DataError(
                f"{type(self).__name__}: {name} is missing; state it in the class: {name} = {examples[name]}"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @abstractmethod
    def load(self) -> Samples:
        """Read the whole dataset from where `prepare_data` left it."""

    @property
    def dataset_name(self) -> str:
        """Name of the dataset in the manifest and in messages."""
        return type(self).__name__

    def extra_facts(self) -> list[str]:
        """Return facts for `describe` besides those of the split."""
        return []

    def strata(self, targets: npt.NDArray[Any]) -> Indices | None:
        """Return the classes to stratify the split by, (N,) int64, or (N, L) bool, or None for a plain random split.

        Args:
            targets: All targets, (N,) or (N, ...).
        """
        one_each = targets.ndim == 1 or targets.dtype == bool
        return targets if self.class_names and one_each else None

    def digests(self) -> Digests:
        """Return a digest of each sample's bytes, (N,)."""
        assert isinstance(self.samples.inputs, Tensor)
        return sample_digests(self.samples.inputs)

    def measure(self, indices: Tensor) -> Normalization:
        """Return mean and standard deviation of each channel over the given samples."""
        inputs = self.samples.inputs
        if isinstance(inputs, Stream):
            return channel_statistics(inputs.sample(indices), self.maximum)
        return channel_statistics(inputs, self.maximum, indices)

    def setup(self, stage: str | None = None) -> None:
        """Load and split the data; a second call changes nothing.

        Raises:
            DataError: The data cannot be read or split as asked.
        """
        if self.split is not None:
            return
        samples = self.load()
        check_samples(type(self).__name__, samples, self.class_names)
        self.samples = samples
        split, self.targets, manifest = split_samples(
            samples,
            self.split_options,
            source=self.dataset_name,
            digests=self.digests(),
            strata=self.strata(samples.targets.numpy()),
            class_names=self.class_names,
            imbalance=self.imbalance,
            label_noise=self.label_noise,
        )
        given = samples.weights
        self.weights = None if given is None else scale_weights(self.dataset_name, given, split.train)
        self.normalization = self.stated_normalization or self.measure(torch.from_numpy(split.train))
        values, channels = len(self.normalization.mean), samples.inputs.shape[self.channel_axis]
        if values not in (1, channels):
            raise DataError(f"mean and std: {values} values for {channels} channels")
        self.split, self.manifest = split, {"normalization": asdict(self.normalization)} | manifest

    @override
    def ensure_setup(self) -> Split:
        if self.split is None:
            self.prepare_data()
            self.setup()
        assert self.split is not None
        return self.split

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
        return self.num_classes or self._training_targets().shape[1]

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
    def preprocessing(self) -> dict[str, Any]:
        """Plain values with which a task turns raw inputs, or this data's batches, into inputs of its network.

        `maximum` scales raw inputs to [0, 1]; `mean` and `std`, along `channel_axis`, normalise them; `size` is the
        height and width that images are resized to, None if they are not; `rows` tells that images (C, H, W) become
        sequences of H rows after normalisation.
        """
        self.ensure_setup()
        scale = {"maximum": float(self.maximum), **asdict(self.normalization), "channel_axis": self.channel_axis}
        return {**scale, "size": None, "rows": False}

    def __str__(self) -> str:  # Lightning's own fails on loaders that are not torch's
        return type(self).__name__ if self.split is None else f"{type(self).__name__}: {self.describe()}"

    def describe(self) -> str:
        """Return one line: the sizes of the parts, and how they were made."""
        self.ensure_setup()
        parts, options = self.manifest["parts"], self.split_options
        kinds = {"classes": f"{self.num_classes} classes", "values": "continuous targets"}
        facts = [kinds.get(target_kind(self.targets), f"{self.num_classes} labels, multi-label")]
        facts += ["stratified"] if {"class_counts", "label_counts"} & parts["train"].keys() else []
        facts += ["weights {min:g} to {max:g}".format(**self.manifest["weights"])] if self.weights is not None else []
        facts += [f"{self.manifest['label_noise']['wrong_labels']:,} labels wrong"] if self.label_noise else []
        facts += [type(self.imbalance).__name__] if self.imbalance else []
        facts.append(f"split seed {options.seed}")
        facts += [f"fold {options.fold} of {options.folds}"] if options.folds else []
        facts += ["official test part"] if self.samples.official_test is not None else []
        sizes = " · ".join(f"{parts[part]['size']:,} {part}" for part in PARTS)
        return f"{sizes} ({', '.join(facts + self.extra_facts())})"

    def check_same_split(self, recorded: Manifest) -> None:
        """Check that this is the split of a manifest.

        Raises:
            DataError: The split or the dataset differs; the message says how.
        """
        self.ensure_setup()
        check_same_split(recorded, self.manifest)
