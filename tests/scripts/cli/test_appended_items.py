"""What is appended comes after the default, on the command line and in overlays, and config.yaml says so."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from torchvision.transforms import v2

from datamodules import FashionMNIST, HorizontalFlip, ImageFolder, RandomErasing
from scripts.main import main
from tests.datamodules.images.test_image_folder import write_images

ERASING = "datamodules.RandomErasing"
OVERLAY = "data: {init_args: {augmentation+: [{class_path: datamodules.AugMix}]}}"
RECIPE = ("fit", "-c", "configs/fashion_mnist_mlp.yaml", "--data.augmentation", "null")
Steps = Callable[..., list[str | None]]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Steps:
    """Return the class paths of a list among the settings that a command line gives."""

    def ask(*arguments: str, key: str = "augmentation") -> list[str | None]:
        monkeypatch.setattr(sys, "argv", ["holdout", *arguments, "--print_config"])
        with pytest.raises(SystemExit) as stopped:
            main()
        answered = capfd.readouterr()
        assert stopped.value.code in (0, None), answered.err
        found = yaml.safe_load(answered.out)["data"]["init_args"][key]
        return [item and item["class_path"] for item in found]

    return ask


@pytest.fixture
def overlay(tmp_path: Path) -> str:
    path = tmp_path / "overlay.yaml"
    path.write_text(OVERLAY)
    return str(path)


def test_a_flag_appends_to_the_datasets_own(steps: Steps) -> None:
    assert steps(*RECIPE, "--data.augmentation+", "RandomErasing") == [None, ERASING]
    flags = ("--data.augmentation+", "RandomErasing", "--data.augmentation.probability", "0.1")
    assert steps(*RECIPE, *flags, "--data.augmentation+", "AugMix") == [None, ERASING, "datamodules.AugMix"]


def test_an_overlay_appends_to_the_datasets_own(steps: Steps, overlay: str) -> None:
    recipe = ("fit", "-c", "configs/cifar10_cnn.yaml")
    erasing = ("-c", "configs/augmentation/random_erasing.yaml")
    assert steps(*recipe, *erasing) == [None, ERASING]
    assert steps(*recipe, *erasing, "-c", overlay) == [None, ERASING, "datamodules.AugMix"]
    assert steps(*recipe, "-c", overlay, "--data.augmentation+", "RandomErasing")[1:] == ["datamodules.AugMix", ERASING]


def test_what_is_set_is_appended_to_as_it_is(steps: Steps, overlay: str) -> None:
    assert steps("fit", "-c", "configs/cifar10_alexnet.yaml", "-c", overlay) == [
        "datamodules.HorizontalFlip",
        "datamodules.AugMix",
    ]
    assert steps(*RECIPE[:3], "--data.augmentation", "[]", "--data.augmentation+", "RandomErasing") == [ERASING]


def test_transforms_of_streamed_images_are_appended_to_the_random_crop(steps: Steps, tmp_path: Path) -> None:
    photos = ("--data", "ImageFolder", "--data.data_dir", str(write_images(tmp_path / "images")))
    grey = ("--data.train_transforms+", "torchvision.transforms.v2.RandomGrayscale")
    given = ("fit", "-c", "configs/cifar10_cnn.yaml", *photos, *grey)
    assert steps(*given, key="train_transforms") == [None, "torchvision.transforms.v2.RandomGrayscale"]


def test_none_in_a_list_stands_for_the_default(tmp_path: Path) -> None:
    assert [type(step) for step in FashionMNIST(augmentation=[None, RandomErasing()]).augmentation] == [
        HorizontalFlip,
        RandomErasing,
    ]
    root = str(write_images(tmp_path / "images"))
    data = ImageFolder(root, size=8, memory_limit_gb=0, train_transforms=[None, v2.RandomGrayscale()])
    assert data.train_transforms is not None
    assert [type(step) for step in data.train_transforms.transforms] == [v2.RandomResizedCrop, v2.RandomGrayscale]
