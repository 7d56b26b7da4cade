"""A dataset for Lightning: loaded, split once and without leaks, described, and handed over in batches."""

from abc import abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar

import numpy.typing as npt
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.augmentation.base import Augmentation
from datamodules.errors import DataError
from datamodules.normalization import Normalization, channel_statistics, stated_normalization
from datamodules.sample_weights import scale_weights
from datamodules.samples import Samples, Stream, check_samples
from datamodules.splitting.duplicates import Digests, sample_digests
from datamodules.splitting.imbalance import Imbalance
from datamodules.splitting.label_noise import LabelNoise
from datamodules.splitting.manifest import Manifest, check_same_split, criteria_words
from datamodules.splitting.options import SplitOptions
from datamodules.splitting.split_samples import split_samples
from datamodules.splitting.splits import PARTS, Split
from datamodules.splitting.subsets import Indices
from datamodules.task_facts import TaskFacts
from datamodules.value_range import check_values


class DataModule(TaskFacts):
    """A dataset that is split into train, val and test; base class of all datasets.

    A subclass states `class_names`, `input_shape`, `maximum` and `load`. Batches are (inputs, targets), or (inputs,
    targets, weights) if samples have weights. Inputs are float32 (N, C, ...), scaled to [0, 1] and, while training,
    augmented; the task normalises them (`preprocessing`). Where float32 would lose differences they are float64 until
    then. Targets are in the forms of `Samples`, weights float32 (N,).

    Args:
        batch_size: Samples per training step, over all devices together.
        eval_batch_size: Samples per batch of validation, test and prediction; affects speed only.
        split: Sizes of the parts, folds, groups, seed and so on; the attribute holds the parts' indices, after `setup`.
        mean: Mean for the normalisation, one value per channel or one for all; default: that of the training part.
        std: Standard deviation for the normalisation, in the same form.
        augmentation: Augmentations of the training batches, in order; default: the dataset's own, for which None stands
            in a list too. `augmentation+` appends.
        drop_last: Leave out an epoch's incomplete last training batch.
        label_noise: Makes training labels wrong on purpose; validation and test keep the true labels.
        imbalance: Makes some classes rare in the training part.
        balanced_batches: Show every class equally often in an epoch: rare samples repeat, frequent ones take turns.
        augmentation_repeats: How often each sample is in a training batch, augmented anew (Hoffer et al., "Augment Your
            Batch", CVPR 2020): a batch holds `batch_size` / `augmentation_repeats` samples, an epoch each sample that
            often.

    Attributes:
        class_names: C names of classes, or L of labels if a sample has several; empty if targets are continuous.
        input_shape: Shape of one sample as the network receives it.
        maximum: Largest value of an input; inputs are divided by it.
        training_scale: Share of their height and width that training images are resized to; `ProgressiveResizing` sets
            it.
        channel_axis: Dimension of a batch that holds the channels.
        default_recipe: Name of the recipe, without ending, that trains on data of one's own where none is given.
        named_after: The argument whose file or folder gives such a run its name.
        file_endings: Endings of the files that `named_after` may name, the likeliest first, and "/" if it may name a
            folder; none if it always does.
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
    default_recipe: ClassVar[str] = ""
    named_after: ClassVar[str] = ""
    file_endings: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        batch_size: int = 128,
        eval_batch_size: int = 512,
        split: SplitOptions = SplitOptions(),
        mean: list[float] | None = None,
        std: list[float] | None = None,
        augmentation: list[Augmentation | None] | None = None,
        drop_last: bool = False,
        label_noise: LabelNoise | None = None,
        imbalance: Imbalance | None = None,
        balanced_batches: bool = False,
        augmentation_repeats: int = 1,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, augmentation, drop_last, balanced_batches, augmentation_repeats)
        self.split_options = split
        self.stated_normalization = stated_normalization(mean, std)
        self.label_noise = label_noise
        self.imbalance = imbalance
        self.normalization: Normalization
        self.manifest: Manifest

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
        of_samples = targets.ndim == 1 or targets.dtype == bool
        return targets if self.class_names and of_samples else None

    def sample_values(self, name: str) -> npt.NDArray[Any]:
        """Return a value per sample, (N,): of the column, or by the pattern, that `split.groups` and others name.

        Called after `load`. A subclass whose samples have columns or files returns their values, of any type.

        Raises:
            DataError: There is no such column or pattern.
        """
        raise DataError(
            f"{type(self).__name__} has no column or pattern {name!r}; in Python, SplitOptions takes a list of values, "
            "one per sample"
        )

    def sample_files(self) -> list[str] | None:
        """Return the path of each sample's file below the data's folder, N; None if samples are not files."""
        return None

    def origins(self) -> dict[str, list[Any]]:
        """Return where samples come from, N values: each one's "file", or "row" in a table, whose header is row 1."""
        files = self.sample_files()
        return {} if files is None else {"file": files}

    def digests(self) -> Digests:
        """Return a digest of each sample's bytes, (N,)."""
        assert isinstance(self.samples.inputs, Tensor)
        return sample_digests(self.samples.inputs)

    def identify(self, indices: Tensor) -> dict[str, list[Any]]:
        """Return the columns index, as in `split.csv`, and those of `origins` of samples (n,), n values each."""
        columns = {"index": range(len(self.samples.targets)), **self.origins()}
        return {name: [values[index] for index in indices.tolist()] for name, values in columns.items()}

    def fit_maximum(self, indices: Tensor) -> None:
        """Set `maximum` by the given training samples where it is not known before."""

    def content_digests(self) -> Digests | None:
        """Return a digest of all that the dataset holds of each sample, (N,), if `digests` covers a part only."""
        return None

    def measure(self, indices: Tensor) -> Normalization:
        """Return mean and standard deviation of each channel over the given samples."""
        inputs = self.samples.inputs
        if isinstance(inputs, Stream):
            return channel_statistics(inputs.sample(indices), self.maximum)
        return channel_statistics(inputs, self.maximum, indices)

    def setup(self, stage: str | None = None) -> None:
        """Load and split the data; a second call changes nothing.

        Raises:
            DataError: The data cannot be read or split as asked, or all training samples are equal.
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
            content=self.content_digests(),
            strata=self.strata(samples.targets.numpy()),
            class_names=self.class_names,
            imbalance=self.imbalance,
            label_noise=self.label_noise,
            values=self.sample_values,
            files=self.sample_files,
        )
        self.weights = scale_weights(self.dataset_name, samples.weights, split.train)
        train = torch.from_numpy(split.train)
        self.fit_maximum(train)
        self.normalization = self.stated_normalization or self.measure(train)
        check_values(type(self).__name__, self.samples, train, self.maximum)
        values, channels = len(self.normalization.mean), samples.inputs.shape[self.channel_axis]
        if values not in (1, channels):
            raise DataError(f"mean and std: {values} values for {channels} channels")
        self.split, self.manifest = split, {"normalization": asdict(self.normalization)} | self.taken() | manifest

    @override
    def ensure_setup(self) -> Split:
        if self.split is None:
            self.prepare_data()
            self.setup()
        assert self.split is not None
        return self.split

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Plain values with which a task turns raw inputs, or this data's batches, into inputs of its network.

        `maximum` scales raw inputs to [0, 1]; `mean` and `std`, along `channel_axis`, normalise them; `size` is the
        height and width that images are resized to, None if they are not; `rows` tells that images (C, H, W) become
        sequences of H rows after normalisation.
        """
        self.ensure_setup()
        scale = {"maximum": float(self.maximum), **asdict(self.normalization), "channel_axis": self.channel_axis}
        return {**scale, "size": None, "rows": False, "columns": None}

    def __str__(self) -> str:  # Lightning's own fails on loaders that are not torch's
        return type(self).__name__ if self.split is None else f"{type(self).__name__}: {self.describe()}"

    def describe(self) -> str:
        """Return one line: the sizes of the parts, and how they were made."""
        self.ensure_setup()
        parts, options = self.manifest["parts"], self.split_options
        facts = [self.target_words(), *criteria_words(self.manifest)]
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
