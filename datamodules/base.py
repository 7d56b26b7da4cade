"""What every datamodule does: split once, without leaks; normalise from the training part; batch from memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar

import lightning as L
import torch
from torch import Tensor

from datamodules.augmentation import Augmentation
from datamodules.duplicates import Duplicates, find_duplicates, sample_digests, settle_duplicates
from datamodules.errors import DataError
from datamodules.loader import Batch, InMemoryLoader
from datamodules.manifest import Manifest, content_hash, describe_split, require_same_split
from datamodules.normalization import Normalization, channel_statistics
from datamodules.samples import Samples
from datamodules.splits import PARTS, Split, SplitOptions, check_split, make_split


class DataModule(L.LightningDataModule, ABC):
    """A dataset that fits in memory, split into train, val and test.

    A subclass states `class_names`, `input_shape`, `maximum` and `load`; everything else is here. Batches are
    (inputs, targets): inputs float32 (N, C, ...), scaled to [0, 1], augmented (training alone) and normalised;
    targets int64 (N,).

    Args:
        batch_size: Samples a training step, over all devices together.
        eval_batch_size: Samples a batch of validation, test and prediction; changes speed alone.
        val_fraction: Share of the samples outside the test part that validates, in (0, 1).
        val_size: The same as a count; wins over `val_fraction`.
        test_fraction: Share of all samples that tests, in (0, 1); unused where the dataset has its own test part.
        test_size: The same as a count; wins over `test_fraction`.
        folds: Number of folds; validation is then fold number `fold` instead of a fraction.
        fold: Which fold validates, 0 to `folds` - 1.
        train_fraction: Share of the training part that is used, in (0, 1]; a smaller one lies inside a larger one.
        train_size: The same as a count; wins over `train_fraction`.
        split_seed: Seed of the split, apart from the training seed.
        duplicates: What to do about samples that are byte-identical across parts: warn with counts, raise an
            error, or drop them from the training part.
        mean: Mean of the normalisation, one value a channel (or one for all); by default the training part's own.
        std: Standard deviation of the normalisation, likewise.
        augmentation: Augmentations of the training batches, in order; by default the dataset's own.
        drop_last: Leave an epoch's incomplete last training batch out.
    """

    class_names: ClassVar[tuple[str, ...]]
    input_shape: ClassVar[tuple[int, ...]]
    maximum: ClassVar[float] = 255.0
    allow_zero_length_dataloader_with_multiple_devices = False

    def __init__(
        self,
        batch_size: int = 128,
        eval_batch_size: int = 512,
        val_fraction: float = 0.1,
        val_size: int | None = None,
        test_fraction: float = 0.2,
        test_size: int | None = None,
        folds: int | None = None,
        fold: int = 0,
        train_fraction: float = 1.0,
        train_size: int | None = None,
        split_seed: int = 0,
        duplicates: Duplicates = "warn",
        mean: list[float] | None = None,
        std: list[float] | None = None,
        augmentation: list[Augmentation] | None = None,
        drop_last: bool = False,
    ) -> None:
        super().__init__()
        if (mean is None) != (std is None):
            raise DataError("mean and std: give both or neither")
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.options = SplitOptions(
            val_fraction,
            val_size,
            test_fraction,
            test_size,
            folds,
            fold,
            train_fraction,
            train_size,
            split_seed,
        )
        self.duplicates: Duplicates = duplicates
        self.stated_normalization = Normalization(mean, std) if mean is not None and std is not None else None
        chosen = self.default_augmentation() if augmentation is None else augmentation
        self.augmentation = torch.nn.Sequential(*chosen)
        self.drop_last = drop_last
        self.shuffle_seed = torch.initial_seed()
        self.samples: Samples
        self.split: Split | None = None
        self._on_device: Batch | None = None
        self.normalization: Normalization
        self.manifest: Manifest

    @abstractmethod
    def load(self) -> Samples:
        """Read the whole dataset from where `prepare_data` left it."""

    def default_augmentation(self) -> list[Augmentation]:
        """Return the dataset's usual training augmentation: none, unless a subclass says otherwise."""
        return []

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def setup(self, stage: str | None = None) -> None:
        """Load, split, check and describe the data; a second call changes nothing.

        Raises:
            DataError: The data cannot be read or split as asked.
        """
        if self.split is not None:
            return
        self.samples = self.load()
        targets = self.samples.targets.numpy()
        split = make_split(
            targets,
            self.options,
            num_samples=len(targets),
            official_test=self.samples.official_test,
            names=self.class_names,
        )
        digests = sample_digests(self.samples.inputs)
        self.split = settle_duplicates(digests, split, self.duplicates, type(self).__name__)
        check_split(self.split, targets, self.class_names)
        train_inputs = self.samples.inputs[torch.from_numpy(self.split.train)]
        self.normalization = self.stated_normalization or channel_statistics(train_inputs, self.maximum)
        if len(self.normalization.mean) not in (1, train_inputs.shape[1]):
            raise DataError(f"mean and std: {len(self.normalization.mean)} values for {train_inputs.shape[1]} channels")
        self.manifest = describe_split(
            self.split,
            source=type(self).__name__,
            sha256=content_hash(digests, targets),
            arguments=asdict(self.options) | {"duplicates": self.duplicates},
            strata=targets,
            names=self.class_names,
            duplicates={pair: len(indices) for pair, indices in find_duplicates(digests, self.split).items()},
        )
        self.manifest["normalization"] = asdict(self.normalization)

    def train_dataloader(self) -> InMemoryLoader:
        """Return shuffled batches of the training part."""
        return self._loader("train", self.batch_size, shuffle=True, seed=self.shuffle_seed, drop_last=self.drop_last)

    def val_dataloader(self) -> InMemoryLoader:
        """Return batches of the validation part, in the dataset's order."""
        return self._loader("val", self.eval_batch_size)

    def test_dataloader(self) -> InMemoryLoader:
        """Return batches of the test part, in the dataset's order."""
        return self._loader("test", self.eval_batch_size)

    def predict_dataloader(self) -> InMemoryLoader:
        """Return the batches of `test_dataloader`."""
        return self.test_dataloader()

    def _loader(self, part: str, batch_size: int, **options: Any) -> InMemoryLoader:
        if self.split is None:
            self.prepare_data()
            self.setup()
        assert self.split is not None
        tensors: Batch = (self.samples.inputs, self.samples.targets)
        indices = torch.from_numpy(self.split.parts()[part])
        if self.trainer is not None:
            options |= {"rank": self.trainer.global_rank, "world_size": self.trainer.world_size}
            options["same_order"] = self.trainer.overfit_batches > 0  # type: ignore[attr-defined]
            tensors = self._placed(tensors, self.trainer.strategy.root_device)
        return InMemoryLoader(tensors, indices, batch_size, **options)

    def _placed(self, tensors: Batch, device: torch.device) -> Batch:
        # The raw bytes of a dataset that fits in memory fit on an accelerator too, where slicing costs nothing.
        if self._on_device is None or self._on_device[0].device != device:
            self._on_device = tuple(tensor.to(device) for tensor in tensors)
        return self._on_device

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Scale, augment (while training only) and normalise a batch on its device."""
        inputs, *rest = batch
        if self.trainer is None:
            return (self.transform(inputs), *rest)
        transformed = self.transform(inputs, self.augmentation if self.trainer.training else None)
        return (self.trainer.precision_plugin.convert_input(transformed), *rest)

    def transform(self, inputs: Tensor, augment: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Turn raw inputs, as `samples` holds them, into what a network is given.

        Args:
            inputs: (N, C, ...), uint8 or float32 in [0, `maximum`].
            augment: Applied between scaling to [0, 1] and normalising.
        """
        scaled = inputs / self.maximum
        if augment is not None:
            scaled = augment(scaled)
        return self.normalization.apply(scaled)

    def state_dict(self) -> dict[str, Any]:
        """Return the manifest of the split and the seed of the shuffle, for the checkpoint."""
        return {"split": self.manifest, "shuffle_seed": self.shuffle_seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Check that this is the split the checkpoint was made with, and go on with its shuffle."""
        self.require_split(state_dict["split"])
        self.shuffle_seed = state_dict["shuffle_seed"]

    def require_split(self, recorded: Manifest) -> None:
        """Check that this is the split of a manifest.

        Raises:
            DataError: The split, or the dataset, is another one; the message says what differs.
        """
        self.setup()
        require_same_split(recorded, self.manifest)

    def describe(self) -> str:
        """Return one line: the sizes of the parts and how they came about."""
        self.setup()
        sizes = " · ".join(f"{self.manifest['parts'][part]['size']:,} {part}" for part in PARTS)
        fold = f", fold {self.options.fold} of {self.options.folds}" if self.options.folds else ""
        test = ", official test part" if self.samples.official_test is not None else ""
        return f"{sizes} ({self.num_classes} classes, stratified, split seed {self.options.split_seed}{fold}{test})"
