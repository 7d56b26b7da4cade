"""A dataset that fits in memory: normalised from the training part, batched by slices, augmented on the device."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.augmentation import Augmentation
from datamodules.base import DataModule
from datamodules.errors import DataError
from datamodules.loader import Batch, InMemoryLoader
from datamodules.normalization import Normalization, channel_statistics
from datamodules.splitting.duplicates import Digests, Duplicates, sample_digests
from datamodules.splitting.imbalance import Imbalance
from datamodules.splitting.label_noise import LabelNoise
from datamodules.splitting.splits import Split, SplitOptions

Loader = InMemoryLoader | DataLoader[Any]


class InMemoryDataModule(DataModule):
    """A dataset that fits in memory, split into train, val and test.

    A subclass states `class_names`, `input_shape`, `maximum` and `load`; everything else is here. Batches are
    (inputs, targets): inputs float32 (N, C, ...), scaled to [0, 1], augmented (training alone) and normalised;
    targets int64 (N,), or float32 (N, outputs).

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
        label_noise: Makes training labels wrong on purpose; what is measured on validation and test stays true.
        imbalance: Makes some classes rare in the training part.
        balanced_batches: Show every class equally often in an epoch: rare samples repeat, frequent ones take turns.
    """

    maximum: ClassVar[float] = 255.0
    channel_axis: ClassVar[int] = 1

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
        label_noise: LabelNoise | None = None,
        imbalance: Imbalance | None = None,
        balanced_batches: bool = False,
    ) -> None:
        validation = (val_fraction, val_size, test_fraction, test_size, folds, fold)
        options = SplitOptions(*validation, train_fraction, train_size, split_seed)
        super().__init__(options, duplicates, label_noise, imbalance)
        if (mean is None) != (std is None):
            raise DataError("mean and std: give both or neither")
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.stated_normalization = Normalization(mean, std) if mean is not None and std is not None else None
        chosen = self.default_augmentation() if augmentation is None else augmentation
        self.augmentation = torch.nn.Sequential(*chosen)
        self.drop_last = drop_last
        self.balanced_batches = balanced_batches
        self.normalization: Normalization
        self._on_device: Batch | None = None
        self._features: Tensor | None = None

    def default_augmentation(self) -> list[Augmentation]:
        """Return the dataset's usual training augmentation: none, unless a subclass says otherwise."""
        return []

    def digests(self) -> Digests:
        """Return a digest of each sample's bytes, (N,)."""
        return sample_digests(self.samples.inputs)

    def prepare_parts(self, split: Split) -> dict[str, Any]:
        """Measure the training part for the normalisation."""
        self.normalization = self.stated_normalization or self.measure(torch.from_numpy(split.train))
        channels = self.samples.inputs.shape[self.channel_axis]
        if len(self.normalization.mean) not in (1, channels):
            raise DataError(f"mean and std: {len(self.normalization.mean)} values for {channels} channels")
        return {"normalization": asdict(self.normalization)}

    def measure(self, indices: Tensor) -> Normalization:
        """Return mean and standard deviation of each channel over the given samples."""
        return channel_statistics(self.samples.inputs, self.maximum, indices)

    def train_dataloader(self) -> Loader:
        """Return shuffled batches of the training part."""
        options: dict[str, Any] = {"shuffle": True, "seed": self.shuffle_seed, "drop_last": self.drop_last}
        if self.balanced_batches:
            options["balance_by"] = self.training_labels()
        return self.loader("train", self.batch_size, **options)

    def training_labels(self) -> Tensor:
        """Return the label of each sample as training is given it, (N,).

        Raises:
            DataError: There is not one class a sample.
        """
        if self.split is None:
            self.prepare_data()
            self.setup()
        self._labels("balanced_batches")
        return self.targets

    def val_dataloader(self) -> Loader:
        """Return batches of the validation part, in the dataset's order."""
        return self.loader("val", self.eval_batch_size)

    def test_dataloader(self) -> Loader:
        """Return batches of the test part, in the dataset's order."""
        return self.loader("test", self.eval_batch_size)

    def predict_dataloader(self) -> Loader:
        """Return the batches of `test_dataloader`."""
        return self.test_dataloader()

    def loader(self, part: str, batch_size: int, **options: Any) -> Loader:
        """Return batches of a part, as `InMemoryLoader` takes its options."""
        if self.split is None:
            self.prepare_data()
            self.setup()
        assert self.split is not None
        indices = torch.from_numpy(self.split.parts()[part])
        if self.trainer is not None:
            options |= {"rank": self.trainer.global_rank, "world_size": self.trainer.world_size}
            options["same_order"] = self.trainer.overfit_batches > 0  # type: ignore[attr-defined]
        return self.make_loader(indices, batch_size, **options)

    def make_loader(self, indices: Tensor, batch_size: int, **options: Any) -> Loader:
        """Return batches of the given samples, from memory."""
        tensors = self.fields()
        if self.trainer is not None:
            tensors = self._placed(tensors, self.trainer.strategy.root_device)
        return InMemoryLoader(tensors, indices, batch_size, **options)

    def fields(self) -> Batch:
        """Return the tensors that are sliced into batches, inputs first, targets last."""
        return (self.samples.inputs if self._features is None else self._features), self.targets

    def replace_inputs(self, features: Tensor | None) -> None:
        """Put features, (N, F), float32, into batches in the place of inputs, as they are; None ends that."""
        self._features = features
        self._on_device = None

    def _placed(self, tensors: Batch, device: torch.device) -> Batch:
        # The raw bytes of a dataset that fits in memory fit on an accelerator too, where slicing costs nothing.
        if self._on_device is None or self._on_device[0].device != device:
            self._on_device = tuple(tensor.to(device) for tensor in tensors)
        return self._on_device

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> tuple[Any, ...]:
        """Scale, augment (while training only) and normalise a batch on its device."""
        inputs, *rest = batch
        if self.trainer is None:
            return (self.transform(inputs), *rest)
        if self._features is not None:
            return (self.trainer.precision_plugin.convert_input(inputs), *rest)
        if self.trainer.training:
            self._observe(inputs, self.trainer.current_epoch)
        transformed = self.transform(inputs, self.augmentation if self.trainer.training else None)
        return (self.trainer.precision_plugin.convert_input(transformed), *rest)

    def _observe(self, inputs: Tensor, epoch: int) -> None:
        for step in self.augmentation:
            if isinstance(step, Augmentation):  # torchvision's transforms know nothing of epochs
                step.observe(inputs, epoch)

    def transform(self, inputs: Tensor, augment: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Turn raw inputs, as `samples` holds them, into what a network is given.

        Args:
            inputs: (N, C, ...), uint8 or float32 in [0, `maximum`].
            augment: Applied between scaling to [0, 1] and normalising.
        """
        scaled = inputs / self.maximum
        if augment is not None:
            scaled = augment(scaled)
        return self.normalization.apply(scaled, self.channel_axis)
