"""Predictions for a folder of images name the files, those that are skipped notwithstanding."""

import csv

import torch

from datamodules import ImageFolder
from tests.datamodules.images.test_image_folder import write_images


def test_predictions_name_the_files_where_others_are_skipped(holdout, tmp_path) -> None:
    root = write_images(tmp_path / "photos")
    (root / "a" / "000.png").write_bytes(b"")
    (root / "b" / "004.png").write_bytes(b"")
    photos = ("--data", "ImageFolder", "--data.data_dir", "photos", "--data.broken", "skip", "--data.size", "32")
    recipe = ("-c", "configs/cifar10_tiny_conv.yaml", "--data.split.val_size", "null", "--name", "photos")
    holdout("fit", *recipe, *photos, "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu")
    holdout("predict", "--ckpt_path", "runs/photos/version_0/checkpoints/best.ckpt")
    with (tmp_path / "runs/photos/version_0/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted(path.relative_to(root).as_posix() for path in root.glob("[abc]/*.png"))
    assert len(rows) == 12
    assert all(names[int(row["index"])] == row["file"] for row in rows)
    assert all(row["file"].startswith(row["target"]) for row in rows)
    data = ImageFolder(str(root), size=32, broken="skip")
    data.prepare_data()
    data.setup()
    pixels = data.samples.inputs[data.split.test]
    for row, image in zip(rows, pixels, strict=True):
        assert torch.equal(torch.from_numpy(data.form.decode((root / row["file"]).read_bytes())), image)
