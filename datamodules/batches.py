"""The batches of a split dataset: Lightning's loaders, and the scaling and augmentation of a batch on its device."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.any_inputs import read_any_inputs
from datamodules.argument_kinds import call_arguments
from datamodules.augmentation.base import Augmentation, with_default
from datamodules.checks import check_at_least
from datamodules.errors import DataError
from datamodules.loader import Batch, BatchLoader, InMemoryLoader, Order, PinnedLoader, fits
from datamodules.new_inputs import NewBatch, TrainedOn
from datamodules.preparation import augmented, resized, scaled, supported
from datamodules.samples import Samples, Stream, check_one_label
from datamodules.splitting.splits import Split


class BatchedDataModule(L.LightningDataModule, ABC):
    """The part of `DataModule` that makes batches; its arguments and attributes are documented there.

    Inputs in memory are sliced; a `Stream` brings a loader of its own.
    """

    class_names: tuple[str, ...]
    maximum: float = 255.0
    may_change_on_resume: ClassVar[tuple[str, ...]] = ("eval_batch_size",)  # a subclass adds to it
    allow_zero_length_dataloader_with_multiple_devices = False
    samples: Samples
    targets: Tensor
    weights: Tensor | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the object, once its arguments are of the kinds that it takes."""
        chosen = cls.class_for(*args, **kwargs)
        call_arguments(chosen, args, kwargs)
        return super().__new__(chosen)

    @classmethod
    def class_for(cls, *args: Any, **kwargs: Any) -> type[Self]:
        """Return the class to make for some arguments: this one, or a subclass of it that suits them."""
        return cls

    def __init__(
        self,
        batch_size: int,
        eval_batch_size: int,
        augmentation: list[Augmentation | None] | None,
        drop_last: bool,
        balanced_batches: bool,
        augmentation_repeats: int,
    ) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        chosen = with_default(augmentation, self.default_augmentation)
        for step in chosen[1:]:
            if getattr(step, "needs_originals", False):
                raise DataError(f"augmentation: {type(step).__name__} must come first: it needs the original images")
        self.augmentation = torch.nn.Sequential(*chosen)
        self.drop_last = drop_last
        self.balanced_batches = balanced_batches
        self.augmentation_repeats = augmentation_repeats
        self.training_scale = 1.0
        self.shuffle_seed = torch.initial_seed()
        self.split: Split | None = None
        self.weights = None
        self._placed: tuple[torch.device, Batch] | None = None  # for a device, and where there was room
        self._features: Tensor | None = None
        sizes = {"batch_size": batch_size, "eval_batch_size": eval_batch_size}
        check_at_least(type(self).__name__, 1, augmentation_repeats=augmentation_repeats, **sizes)
        if batch_size % augmentation_repeats:
            raise DataError(f"augmentation_repeats: batch_size {batch_size} is not divisible by {augmentation_repeats}")
        if augmentation_repeats > 1 and not chosen:
            raise DataError(f"augmentation_repeats: {augmentation_repeats} equal samples need an augmentation")

    def __getattr__(self, name: str) -> Any:
        """Say what a subclass has left out; called only for attributes that are missing."""
        computed = getattr(type(self), name, None)
        if isinstance(computed, property):  # an AttributeError in it has led here: it is raised again
            return computed.__get__(self)
        if name == "split":  # the first that anybody asks for
            raise DataError(f"{type(self).__name__}: its __init__ must call super().__init__() first")
        example = {"class_names": '("cat", "dog")', "input_shape": "(3, 32, 32)"}.get(name)
        if example is not None:
            raise DataError(f"{type(self).__name__}: {name} is missing; state it in the class: {name} = {example}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, *args: Any, trust: bool = False, **kwargs: Any
    ) -> Self:
        """Rebuild a datamodule of one's own that has saved its hyperparameters.

        Args:
            checkpoint_path: The file.
            args: Arguments of Lightning's method.
            trust: Import and build whatever classes the file names; it may run any code.
            kwargs: Arguments of Lightning's method.

        Raises:
            DataError: `trust` is not given: the checkpoints of this project hold no datamodule.
        """
        if not trust:
            raise DataError(
                f"{checkpoint_path}: a checkpoint of this project holds no {cls.__name__}, and one of somebody else's "
                f"may run code; make the datamodule again, or pass trust=True"
            )
        return super().load_from_checkpoint(checkpoint_path, *args, **kwargs)

    @classmethod
    def new_inputs(cls, path: Path, trained: TrainedOn) -> Iterator[NewBatch]:
        """Yield new samples for a trained model, without targets and without this dataset.

        By default from image files, tables of numbers or .npy files, as the model takes. A dataset whose own files are
        of another kind overrides it.

        Args:
            path: A file or a folder.
            trained: What the checkpoint says of the data that the model was trained on.

        Raises:
            DataError: There is nothing that the model takes.
        """
        return read_any_inputs(path, trained)

    @abstractmethod
    def ensure_setup(self) -> Split:
        """Prepare and set the data up unless that is done; return the split."""

    def default_augmentation(self) -> list[Augmentation]:
        """Return the dataset's usual training augmentation; none by default."""
        return []

    def fields(self) -> Batch:
        """Return the tensors to slice into batches: inputs, targets, and the weights if samples have any."""
        return self.batch_inputs() if self._features is None else self._features, *self._others()

    def _others(self) -> Batch:
        return (self.targets,) if self.weights is None else (self.targets, self.weights)

    def batch_inputs(self) -> Tensor:
        """Return the inputs of all samples, as batches hold them before they are scaled."""
        assert isinstance(self.samples.inputs, Tensor)
        return self.samples.inputs

    def train_dataloader(self) -> BatchLoader:
        """Return shuffled batches of the training part."""
        self.ensure_setup()
        if self.augmentation_repeats > 1 and len(self.samples.inputs.shape) != 4:
            raise DataError(f"augmentation_repeats: {type(self).__name__} has no images; leave it out")
        order = Order(shuffle=True, seed=self.shuffle_seed, drop_last=self.drop_last)
        if self.balanced_batches:
            check_one_label(type(self).__name__, "balanced_batches", self.targets, self.class_names)
            if self.samples.weights is not None:
                raise DataError("balanced_batches: samples have weights, which say how much each counts; leave one out")
            order = replace(order, balance_by=self.targets)
        return self._part_loader("train", self.batch_size // self.augmentation_repeats, order)

    def val_dataloader(self) -> BatchLoader:
        """Return batches of the validation part, in the dataset's order."""
        return self._part_loader("val", self.eval_batch_size, Order())

    def test_dataloader(self) -> BatchLoader:
        """Return batches of the test part, in the dataset's order."""
        return self._part_loader("test", self.eval_batch_size, Order())

    def predict_dataloader(self) -> BatchLoader:
        """Return the batches of `test_dataloader`."""
        return self.test_dataloader()

    def _part_loader(self, part: str, batch_size: int, order: Order) -> BatchLoader:
        indices = torch.from_numpy(self.ensure_setup().parts()[part])
        if self.trainer is not None:
            order = replace(
                order,
                rank=self.trainer.global_rank,
                world_size=self.trainer.world_size,
                same_order=self.trainer.overfit_batches > 0,  # type: ignore[attr-defined]
            )
        return self.make_loader(indices, batch_size, order)

    def make_loader(self, indices: Tensor, batch_size: int, order: Order = Order()) -> BatchLoader:
        """Return batches of the given samples.

        Args:
            indices: The samples, (n,), int64.
            batch_size: Samples per batch.
            order: Their order, and this process's part; default: all of them, in the order of `indices`.
        """
        device = torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
        inputs = self.samples.inputs
        if isinstance(inputs, Stream):
            others = tuple(supported(values, device) for values in self._others())
            return inputs.loader(others, indices, batch_size, order, device)
        if self._placed is None or self._placed[0] != device:
            self._placed = device, self._place(device)
        tensors = self._placed[1]
        kind = InMemoryLoader if tensors[0].device.type == device.type else PinnedLoader
        return kind(tensors, indices, batch_size, order)

    def _place(self, device: torch.device) -> Batch:
        """Return the fields on a device, where slicing costs nothing, if it has room for them."""
        fields = tuple(supported(field, device) for field in self.fields())
        if fits(fields, device):
            return tuple(field.to(device) for field in fields)
        rank_zero_warn(f"the data stay in main memory: {device} has too little free memory for them")
        return fields

    def replace_inputs(self, features: Tensor | None) -> None:
        """Hand over features, (N, F), float32, instead of the inputs, unchanged; None restores the inputs."""
        self._features = features
        self._placed = None

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> tuple[Any, ...]:
        """Scale a batch to [0, 1] on its device and, while training, augment and resize it."""
        if self._features is not None:
            return batch
        if self.trainer is None or not self.trainer.training:
            return scaled(batch[0], self.maximum), *batch[1:]
        if self.augmentation_repeats > 1:
            batch = tuple(field.repeat_interleave(self.augmentation_repeats, 0) for field in batch)
        inputs = augmented(batch[0], self.augmentation, self.trainer.current_epoch, self.maximum)
        return inputs if self.training_scale == 1 else resized(inputs, self.training_scale), *batch[1:]

    def training_samples(self, count: int) -> tuple[Any, ...]:
        """Return a batch of so many training samples, or all, as evaluations see them, spread over the whole part."""
        train = torch.from_numpy(self.ensure_setup().train)
        count = min(count, len(train))
        some = train[torch.arange(count) * len(train) // count]
        trainer, self.trainer = self.trainer, None  # without one, nothing is augmented
        try:
            return self.on_after_batch_transfer(next(iter(self.make_loader(some, count))), 0)
        finally:
            self.trainer = trainer

    def state_dict(self) -> dict[str, Any]:
        """Return the seed of the shuffle, for the checkpoint; the task stores the split there."""
        return {"shuffle_seed": self.shuffle_seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the shuffle of a checkpoint."""
        self.shuffle_seed = state_dict["shuffle_seed"]
