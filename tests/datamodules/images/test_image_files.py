"""What counts as an image of a class, and which folders are parts."""

import os

import pytest

from datamodules import DataError
from datamodules.images.image_files import list_images


def make(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"image")


def listed(root):
    found = list_images(root)
    return [image.path.relative_to(root).as_posix() for image in found.files]


def test_folders_are_classes_and_everything_is_sorted(tmp_path):
    make(tmp_path, "dog/2.png", "dog/10.jpg", "cat/b.JPEG", "cat/a.webp")
    found = list_images(tmp_path)
    assert listed(tmp_path) == ["cat/a.webp", "cat/b.JPEG", "dog/10.jpg", "dog/2.png"]
    assert found.class_names == ("cat", "dog")
    assert found.targets.tolist() == [0, 0, 1, 1]
    assert found.parts == {}
    assert found.files[0].size == 5
    assert found.files[0].modified == (tmp_path / "cat/a.webp").stat().st_mtime_ns


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_parts_are_folders(tmp_path, name):
    make(tmp_path, *(f"{part}/{kind}/1.png" for part in ("train", name, "test") for kind in "ab"))
    found = list_images(tmp_path)
    assert {part: indices.tolist() for part, indices in found.parts.items()} == {
        "train": [0, 1],
        "val": [2, 3],
        "test": [4, 5],
    }
    assert found.targets.tolist() == [0, 1] * 3


@pytest.mark.parametrize("train", ["Train", "TRAINING", "training_set", "train-data", "Train Images"])
@pytest.mark.parametrize("val", ["Val", "VALID", "Validation", "dev", "Eval", "valid_set"])
@pytest.mark.parametrize("test", ["Test", "Testing", "TEST_SET", "tests"])
def test_parts_are_known_in_any_case_and_common_spelling(tmp_path, train, val, test):
    make(tmp_path, *(f"{part}/{kind}/{part}.png" for part in (train, val, test) for kind in "ab"))
    found = list_images(tmp_path)
    assert found.class_names == ("a", "b")
    names = {part: {found.files[index].path.stem for index in indices} for part, indices in found.parts.items()}
    assert names == {"train": {train}, "val": {val}, "test": {test}}


def test_names_that_are_only_perhaps_parts_are_classes_without_a_training_folder(tmp_path):
    make(tmp_path, "dev/1.png", "prod/1.png")
    assert list_images(tmp_path).class_names == ("dev", "prod")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["siteA/cat/1.png", "siteA/dog/1.png", "siteB/cat/1.png", "siteB/dog/1.png"],
         r"looks like parts or sources, not classes: siteA, siteB all hold the folders cat, dog"),
        (["1/a/1.png", "1/b/1.png", "1/c/1.png", "2/a/1.png", "2/b/1.png"], r"1, 2 all hold the folders a, b"),
        (["seg_train/seg_train/a/1.png", "seg_train/seg_train/b/1.png", "seg_test/seg_test/a/1.png",
          "seg_test/seg_test/b/1.png"], r"seg_test, seg_train all hold the folders a, b"),
        (["cat/Train/1.png", "cat/Test/1.png", "dog/Train/1.png", "dog/Test/1.png"],
         r"classes \(cat, dog\) that are each divided into parts \(Test, Train\)"),
        (["train/x/a/1.png", "train/x/b/1.png", "train/y/a/1.png", "train/y/b/1.png"], r"x, y all hold .* a, b"),
        (["photos/a/1.png", "photos/b/1.png"], r"one class folder \(photos\).*if its 2 folders are the classes"),
        (["Test/a/1.png", "Test/b/1.png", "other/a/1.png"], r"Test exists and .*train does not"),
        (["Train/a/1.png", "training/a/1.png"], "both look like the train part"),
    ],
)  # fmt: skip
def test_folders_that_are_parts_or_sources_are_not_taken_for_classes(tmp_path, paths, message):
    make(tmp_path, *paths)
    with pytest.raises(DataError, match=message):
        list_images(tmp_path)


@pytest.mark.parametrize(
    "paths",
    [
        ["a/images/1.png", "b/images/1.png"],
        ["a/left/1.png", "a/right/1.png", "b/left/1.png", "b/1.png"],
        ["a/x/1.png", "a/y/1.png", "b/z/1.png", "b/x/1.png"],
    ],
)
def test_classes_may_hold_folders(tmp_path, paths):
    make(tmp_path, *paths)
    assert list_images(tmp_path).class_names == ("a", "b")
    assert len(list_images(tmp_path).files) == len(paths)


def test_linked_folders_of_a_class_are_followed_once_each(tmp_path):
    make(tmp_path / "elsewhere", "more/1.png", "more/deep/2.png")
    make(tmp_path / "data", "a/0.png", "a/inside/3.png", "b/0.png")
    for name, target in (("l", "elsewhere/more"), ("m", "elsewhere/more"), ("k", "data/a/inside")):
        (tmp_path / "data/a" / name).symlink_to(tmp_path / target)
    (tmp_path / "elsewhere/more/deep/back").symlink_to(tmp_path / "elsewhere/more")
    (tmp_path / "elsewhere/more/deep/up").symlink_to(tmp_path / "data/a")
    assert listed(tmp_path / "data") == ["a/0.png", "a/inside/3.png", "a/l/1.png", "a/l/deep/2.png", "b/0.png"]
    assert list_images(tmp_path / "data").left_out == {"repeated link": 4}


def test_a_link_that_leads_nowhere_is_a_file_and_what_lies_outside_the_classes_is_counted(tmp_path):
    make(tmp_path, "train/a/1.png", "train/b/1.png", "train/0.png", "README.md", ".DS_Store")
    (tmp_path / "train/a/2.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "train/a/3.png").symlink_to(tmp_path / "train/a/3.png")
    found = list_images(tmp_path)
    assert [(image.path.name, image.size) for image in found.files] == [
        ("1.png", 5),
        ("2.png", 0),
        ("3.png", 0),
        ("1.png", 5),
    ]
    assert found.left_out == {"other file": 1, "stray image": 1}


def test_images_below_folders_of_a_class_are_its_images(tmp_path):
    make(tmp_path, "a/first/1.png", "a/second/deep/1.png", "a/0.png", "b/1.png")
    assert listed(tmp_path) == ["a/0.png", "a/first/1.png", "a/second/deep/1.png", "b/1.png"]


def test_hidden_files_and_other_files_are_counted_and_left_out(tmp_path):
    make(tmp_path, "a/1.png", "b/1.png", "a/.DS_Store", "a/._1.png", "b/notes.txt", "b/.hidden/2.png", ".cache/3.png")
    assert listed(tmp_path) == ["a/1.png", "b/1.png"]
    assert list_images(tmp_path).left_out == {"other file": 3, "hidden folder": 1}


def test_a_link_to_a_file_or_class_is_followed_and_one_that_leads_back_up_is_not(tmp_path):
    make(tmp_path / "elsewhere", "c/1.png")
    make(tmp_path / "data", "a/1.png")
    (tmp_path / "data/b").symlink_to(tmp_path / "elsewhere/c")
    os.link(tmp_path / "data/a/1.png", tmp_path / "data/a/2.png")
    (tmp_path / "data/a/3.png").symlink_to(tmp_path / "data/a/1.png")
    (tmp_path / "data/a/up").symlink_to(tmp_path / "data")
    assert listed(tmp_path / "data") == ["a/1.png", "a/2.png", "a/3.png", "b/1.png"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], r"holds no class folders; put the images of two or more classes into .*/<class>/"),
        (["1.png"], "holds no class folders"),
        (["a/1.png"], r"holds one class folder \(a\)"),
        (["a/1.png", "b/notes.txt"], "/b holds no images"),
        (["train/a/1.png"], r"train holds one class folder \(a\)"),
        (["train/a/1.png", "train/b/1.png", "test/1.png"], "test holds no class folders"),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/x.txt"], "test/b holds no images"),
        (["test/a/1.png", "test/b/1.png"], "test exists and .*train does not"),
        (["val/a/1.png", "val/b/1.png"], "val exists and .*train does not"),
        (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], "val and .*valid both look like the val part"),
        (["train/1.png", "bus/1.png", "car/1.png"], "bus lies beside the part .*train; move it out"),
    ],
)
def test_a_folder_that_is_no_dataset_is_refused(tmp_path, paths, message):
    make(tmp_path, *paths)
    with pytest.raises(DataError, match=message):
        list_images(tmp_path)


def test_parts_of_other_classes_are_refused_by_both_names(tmp_path):
    make(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png", "test/c/1.png")
    with pytest.raises(DataError, match=r"test has the class 'c' and .*train has not"):
        list_images(tmp_path)
    make(tmp_path, "train/c/1.png", "train/0/1.png")
    with pytest.raises(DataError, match=r"train has the class '0' and .*test has not"):
        list_images(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere is not a folder; .*data\.data_dir"):
        list_images(tmp_path / "nowhere")
