"""CIFAR-10 and CIFAR-100, from their original files or from a folder of images."""

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets
from typing_extensions import override

from datamodules.base import DataModule
from datamodules.errors import DataError
from datamodules.images.cifar_files import CIFARFiles
from datamodules.images.image_cache import DecodedImages, decode_images
from datamodules.images.image_decoding import ImageFormat
from datamodules.images.image_files import ImageFiles, list_images
from datamodules.samples import Samples

CIFAR10_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck"
CIFAR100_CLASSES = """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
    camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man
    maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail
    snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout
    tulip turtle wardrobe whale willow_tree wolf woman worm"""


class CIFAR10(DataModule):
    """CIFAR-10 (Krizhevsky, 2009): 50,000 training and 10,000 test images (3, 32, 32), ten classes.

    The original pickles are read from `data_dir`, `data_dir`/cifar-10-batches-py or `data_dir`/cifar-10-python.tar.gz.
    If there are none, a folder of images replaces them: train/<class>/*.jpg and test/<class>/*.jpg in `data_dir` or in
    `data_dir`/cifar10-jpeg. JPEG costs quality, and metrics on it cannot be compared with published ones: this dataset
    is called "CIFAR-10 (JPEG)". If there is neither, the original is downloaded. The official test part is the test
    part; there is no augmentation by default.

    Args:
        data_dir: Folder of the files, or the one to download to.
        verify: Compare the original files with the published checksums; switch it off for your own files in this
            format. Images have none.
        classes: Names of the classes to use, numbered in this order; default: all.
        cache_dir: Folder of the decoded images, default .cache beside them; it may be deleted at any time.
        kwargs: Arguments of `DataModule`.
    """

    class_names = tuple(CIFAR10_CLASSES.split())
    input_shape = (3, 32, 32)
    may_change_on_resume = ("data_dir", "verify", "cache_dir")
    title: ClassVar[str] = "CIFAR-10"
    source: ClassVar[type[datasets.CIFAR10]] = datasets.CIFAR10
    labels_key: ClassVar[str] = "labels"
    image_folder: ClassVar[str] = "cifar10-jpeg"

    def __init__(
        self,
        data_dir: str = "data",
        verify: bool = True,
        classes: list[str] | None = None,
        cache_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.all_names = self.class_names
        self.kept: Tensor  # indices of the samples among all of the dataset, after `setup`
        if classes is not None:
            self.class_names = self._chosen(classes)
        self.data_dir = Path(data_dir)
        self.files = CIFARFiles(self.data_dir, self.source, self.labels_key, verify)
        self.cache_dir = Path(cache_dir) if cache_dir is not None else None

    def _chosen(self, classes: list[str]) -> tuple[str, ...]:
        for name in classes:
            if name not in self.all_names:
                raise DataError(f"classes: {self.title} has no class {name!r}; there are {', '.join(self.all_names)}")
        if len(set(classes)) != len(classes) or len(classes) < 2:
            raise DataError(f"classes: {', '.join(classes) or 'none'}: name at least two, each once")
        return tuple(classes)

    @cached_property
    def listing(self) -> ImageFiles | None:
        """The images that replace the original files; None if those exist, or there are no images."""
        if self.files.there():
            return None
        roots = [root for root in (self.data_dir, self.data_dir / self.image_folder) if (root / "train").is_dir()]
        return list_images(roots[0]) if roots else None

    @cached_property
    def decoded(self) -> DecodedImages:
        """The images of `listing`."""
        assert self.listing is not None
        if self.listing.class_names != self.all_names or set(self.listing.parts) != {"train", "test"}:
            there = f"train/ and test/ with {self.title}'s {len(self.all_names)} classes"
            raise DataError(f"{self.listing.root} does not hold {there}; for other images use ImageFolder")
        root, (_, height, width) = self.listing.root, self.input_shape
        form = ImageFormat(height, width, resize=False)
        return decode_images(self.listing.files, form, self.cache_dir or root / ".cache", root=root)

    @property
    def dataset_name(self) -> str:
        """CIFAR10 or "CIFAR-10 (JPEG)", and the classes if they are not all."""
        name = super().dataset_name if self.listing is None else f"{self.title} (JPEG)"
        return name if self.class_names == self.all_names else f"{name} of {', '.join(self.class_names)}"

    @override
    def extra_facts(self) -> list[str]:
        return [] if self.listing is None else [self.dataset_name]

    def prepare_data(self) -> None:
        """Decode, unpack or download the files unless that is done (in one process)."""
        if self.listing is None:
            self.files.prepare()
        else:
            _ = self.decoded

    @override
    def sample_files(self) -> list[str] | None:
        return None if self.listing is None else self.listing.names(self.kept.tolist())

    @override
    def origins(self) -> dict[str, list[Any]]:
        """Return the files of images; else, of some classes, the numbers that images have among all."""
        some = self.listing is None and self.class_names != self.all_names
        return {"image": self.kept.tolist()} if some else super().origins()

    @override
    def load(self) -> Samples:
        samples = self._load_all()
        self.kept = torch.arange(len(samples.targets))
        if self.class_names == self.all_names:
            return samples
        classes = [self.all_names.index(name) for name in self.class_names]
        self.kept = torch.isin(samples.targets, torch.tensor(classes)).nonzero()[:, 0]
        return samples.of_classes(classes)

    def _load_all(self) -> Samples:
        if self.listing is not None:
            targets = torch.from_numpy(self.listing.targets)
            return Samples(self.decoded.pixels, targets, self.listing.parts["test"])
        names = self.files.class_names()
        if names != self.all_names:
            raise DataError(f"{self.files.folder} has other classes than {self.title}: {', '.join(names[:3])}, …")
        (train, train_labels), (test, test_labels) = self.files.read("train"), self.files.read("test")
        inputs = torch.from_numpy(np.concatenate([train, test]))
        targets = torch.from_numpy(np.concatenate([train_labels, test_labels]))
        return Samples(inputs, targets, np.arange(len(train), len(inputs), dtype=np.int64))


class CIFAR100(CIFAR10):
    """CIFAR-100 (Krizhevsky, 2009): CIFAR-10's sizes with 100 classes, the "fine" labels.

    The arguments are `CIFAR10`'s. The files lie in cifar-100-python or cifar-100-python.tar.gz, images in
    cifar100-jpeg.
    """

    class_names = tuple(CIFAR100_CLASSES.split())
    title = "CIFAR-100"
    source = datasets.CIFAR100
    labels_key = "fine_labels"
    image_folder = "cifar100-jpeg"
