import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from scripts.report.folder import RunFolder
from scripts.report.pictures import fitted, read_pictures


def noise(seed: int, width: int = 200) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (width, width, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "figures").mkdir()
    for seed, name in enumerate(("curves", "per_class_accuracy")):
        noise(seed).save(tmp_path / "figures" / f"{name}.png")
    return RunFolder(tmp_path)


def test_a_caption_is_what_the_picture_says_of_itself_or_its_name_in_words(folder: RunFolder) -> None:
    stated = PngImagePlugin.PngInfo()
    stated.add_text("Description", "Training against validation")
    noise(0).save(folder.path / "figures" / "curves.png", pnginfo=stated)
    assert [one.caption for one in read_pictures(folder)] == ["Training against validation", "Per class accuracy"]


def test_pictures_that_fit_stay_as_they_are(folder: RunFolder) -> None:
    pictures = read_pictures(folder)
    assert fitted(pictures, sum(len(one.png) for one in pictures)) == (pictures, [])


def test_pictures_that_do_not_fit_are_reduced_before_any_is_left_out(folder: RunFolder) -> None:
    pictures = read_pictures(folder)
    largest = int(0.6 * sum(len(one.png) for one in pictures))
    kept, left_out = fitted(pictures, largest)
    assert left_out == []
    assert sum(len(one.png) for one in kept) <= largest
    for picture in kept:
        with Image.open(io.BytesIO(picture.png)) as image:
            assert image.size == (picture.width, picture.height) == (200, 200)


def test_the_largest_is_left_out_if_all_are_too_large(folder: RunFolder) -> None:
    noise(3, 40).save(folder.path / "figures" / "small.png")
    kept, left_out = fitted(read_pictures(folder), 10_000)
    assert [one.name for one in kept] == ["small"]
    assert left_out == ["curves", "per_class_accuracy"]
