"""What every datamodule does with its samples: split once, without leaks, and say what the split is."""

import functools
import hashlib
from abc import ABC, abstractmethod
from dataclasses import asdict, replace
from typing import Any

import lightning as L
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from datamodules.errors import DataError
from datamodules.samples import UNLABELLED, Samples
from datamodules.splitting.duplicates import Digests, Duplicates, find_duplicates, settle_duplicates
from datamodules.splitting.imbalance import Imbalance
from datamodules.splitting.label_noise import LabelNoise
from datamodules.splitting.manifest import Manifest, check_same_split, content_hash, describe_split
from datamodules.splitting.splits import PARTS, Split, SplitOptions, check_split, make_split
from datamodules.splitting.subsets import Indices, subset_order


class DataModule(L.LightningDataModule, ABC):
    """A dataset that is split into train, val and test.

    How samples become batches is `InMemoryDataModule`'s part, whose arguments are described there.

    Attributes:
        class_names: C names; empty where targets are continuous.
        input_shape: Shape of one sample as a network is given it.
        samples: All samples, after `setup`.
        targets: What training is given: `samples.targets`, unless a label is wrong on purpose.
        split: Indices of the three parts.
        manifest: What was split, how, and into what, as plain values.
    """

    class_names: tuple[str, ...]
    input_shape: tuple[int, ...]
    allow_zero_length_dataloader_with_multiple_devices = False

    def __init__(
        self,
        options: SplitOptions,
        duplicates: Duplicates,
        label_noise: LabelNoise | None = None,
        imbalance: Imbalance | None = None,
    ) -> None:
        super().__init__()
        self.label_noise = label_noise
        self.imbalance = imbalance
        self.options = options
        self.duplicates: Duplicates = duplicates
        self.shuffle_seed = torch.initial_seed()
        self.samples: Samples
        self.targets: Tensor
        self.split: Split | None = None
        self.manifest: Manifest

    @abstractmethod
    def load(self) -> Samples:
        """Read the whole dataset from where `prepare_data` left it."""

    @abstractmethod
    def digests(self) -> Digests:
        """Return a digest of each sample's content, (N,)."""

    @property
    def dataset_name(self) -> str:
        """What the dataset is called in the manifest and in messages."""
        return type(self).__name__

    def facts(self) -> list[str]:
        """Return what `describe` is to say besides the split."""
        return []

    def prepare_parts(self, split: Split) -> dict[str, Any]:
        """Do what needs the split, such as measuring the training part; return what the manifest is to say of it."""
        return {}

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 where targets are continuous."""
        return len(self.class_names)

    @property
    def num_outputs(self) -> int:
        """Number of outputs that a network for this data has: one a class, or one a continuous target."""
        if self.class_names:
            return len(self.class_names)
        self.setup()
        return self.targets.shape[1]

    @property
    def target_mean(self) -> list[float]:
        """Mean of each continuous target over the training part; none where there are classes."""
        return [] if self.class_names else self._training_targets().mean(0).tolist()

    @property
    def target_std(self) -> list[float]:
        """Standard deviation of each continuous target over the training part, 1 where it does not vary; likewise."""
        if self.class_names:
            return []
        std = self._training_targets().std(0, correction=0)
        return torch.where(std > 0, std, torch.ones_like(std)).tolist()

    def _training_targets(self) -> Tensor:
        self.setup()
        assert self.split is not None
        return self.targets[torch.from_numpy(self.split.train)].double()

    def strata(self, targets: npt.NDArray[Any]) -> Indices | None:
        """Return what the split is stratified by, (N,) int64, or None: classes, where there are any.

        Args:
            targets: All targets, (N,) or (N, ...).
        """
        return targets if self.class_names and targets.ndim == 1 else None

    def setup(self, stage: str | None = None) -> None:
        """Load, split, check and describe the data; a second call changes nothing.

        Raises:
            DataError: The data cannot be read or split as asked.
        """
        if self.split is not None:
            return
        self.samples = self.load()
        self.targets = self.samples.targets
        targets = self.targets.numpy()
        self._check_labels(targets)
        strata, names, source = self.strata(targets), self.class_names or None, self.dataset_name
        split_by = functools.partial(
            make_split,
            strata,
            num_samples=len(targets),
            official_test=self.samples.official_test,
            official_val=self.samples.official_val,
            names=names,
        )
        split = split_by(options=self.options)
        digests = self.digests()
        split = settle_duplicates(digests, split, self.duplicates, source)
        if self.imbalance is not None:
            whole = split_by(options=replace(self.options, train_fraction=1.0, train_size=None)).train
            order = subset_order(whole, self.options.split_seed)
            kept = self.imbalance.thin(split.train, self._labels("imbalance"), self.num_classes, order)
            split = Split(kept, split.val, split.test)
        check_split(split, strata, names)
        noise = self._corrupt(split) if self.label_noise is not None else {}
        prepared = self.prepare_parts(split)
        self.split = split
        changes = {"imbalance": _settings(self.imbalance)} if self.imbalance is not None else {}
        self.manifest = (
            prepared
            | noise
            | changes
            | describe_split(
                split,
                source=source,
                sha256=content_hash(digests, targets),
                arguments=asdict(self.options) | {"duplicates": self.duplicates},
                strata=strata,
                names=names,
                duplicates={pair: len(indices) for pair, indices in find_duplicates(digests, split).items()},
            )
        )

    def _labels(self, option: str) -> Indices:
        labels: Indices = self.samples.targets.numpy()
        if not self.class_names or labels.ndim > 1:
            raise DataError(f"{option}: {type(self).__name__} has not one class a sample")
        return labels

    def _corrupt(self, split: Split) -> dict[str, Any]:
        """Make training labels wrong as asked; return what the manifest is to say of it."""
        assert self.label_noise is not None
        given = self._labels("label_noise").copy()
        # Drawn for every sample, so that the ones that two training parts share have the same label in both.
        given[split.train] = self.label_noise.corrupt(given, self.num_classes)[split.train]
        self.targets = torch.from_numpy(given)
        wrong = int((self.targets != self.samples.targets).sum())
        digest = hashlib.sha256(np.ascontiguousarray(given, dtype="<i8").tobytes()).hexdigest()
        return {"label_noise": _settings(self.label_noise) | {"wrong_labels": wrong, "sha256": digest}}

    @property
    def class_counts(self) -> list[int]:
        """How often each class occurs among the training labels, wrong ones included."""
        self.setup()
        assert self.split is not None
        labels = self.targets[torch.from_numpy(self.split.train)].flatten()
        return torch.bincount(labels[labels != UNLABELLED], minlength=self.num_classes).tolist()

    def _check_labels(self, targets: npt.NDArray[Any]) -> None:
        if not self.class_names:
            return
        labelled = targets != UNLABELLED if targets.ndim > 1 else np.ones(len(targets), dtype=bool)
        wrong = np.argwhere(labelled & ((targets < 0) | (targets >= len(self.class_names))))
        if len(wrong):
            sample, *place = wrong[0].tolist()
            where = f" at step {place[0]}" if place else ""
            raise DataError(
                f"{type(self).__name__}: sample {sample} has label {targets[tuple(wrong[0])]}{where}; there are "
                f"{len(self.class_names)} classes, numbered from 0"
            )
        nowhere = np.flatnonzero(~labelled.reshape(len(targets), -1).any(axis=1))
        if len(nowhere):
            raise DataError(f"{type(self).__name__}: sample {nowhere[0]} has no label at any step")

    def state_dict(self) -> dict[str, Any]:
        """Return the manifest of the split and the seed of the shuffle, for the checkpoint."""
        return {"split": self.manifest, "shuffle_seed": self.shuffle_seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Check that this is the split the checkpoint was made with, and go on with its shuffle."""
        self.check_same_split(state_dict["split"])
        self.shuffle_seed = state_dict["shuffle_seed"]

    def check_same_split(self, recorded: Manifest) -> None:
        """Check that this is the split of a manifest.

        Raises:
            DataError: The split, or the dataset, is another one; the message says what differs.
        """
        self.setup()
        check_same_split(recorded, self.manifest)

    def describe(self) -> str:
        """Return one line: the sizes of the parts and how they came about."""
        self.setup()
        sizes = " · ".join(f"{self.manifest['parts'][part]['size']:,} {part}" for part in PARTS)
        facts = [f"{self.num_classes} classes"] if self.class_names else ["continuous targets"]
        facts += ["stratified"] if "class_counts" in self.manifest["parts"]["train"] else []
        facts += [f"{self.manifest['label_noise']['wrong_labels']:,} labels wrong"] if self.label_noise else []
        facts += [type(self.imbalance).__name__] if self.imbalance else []
        facts.append(f"split seed {self.options.split_seed}")
        facts += [f"fold {self.options.fold} of {self.options.folds}"] if self.options.folds else []
        facts += ["official test part"] if self.samples.official_test is not None else []
        return f"{sizes} ({', '.join(facts + self.facts())})"


def _settings(option: LabelNoise | Imbalance) -> dict[str, Any]:
    return {"name": type(option).__name__, **vars(option)}
