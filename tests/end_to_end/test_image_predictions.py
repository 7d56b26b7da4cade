"""Predictions for a folder of images name the files, those that are skipped notwithstanding."""

import csv

import torch

from datamodules import ImageFolder
from tests.datamodules.images.test_image_folder import write_images


def test_predictions_name_the_files_where_others_are_skipped(new_desk) -> None:
    desk = new_desk()
    root = write_images(desk.folder / "photos")
    (root / "a" / "000.png").write_bytes(b"")
    (root / "b" / "004.png").write_bytes(b"")
    photos = ("--data", "ImageFolder", "--data.data_dir", "photos", "--data.broken", "skip", "--data.size", "32")
    recipe = ("-c", "configs/cifar10_tiny_conv.yaml", "--data.split.val_size", "null", "--name", "photos")
    desk.here("fit", *recipe, *photos, "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu")
    desk.here("predict", "--ckpt_path", "runs/photos/version_0/checkpoints/best.ckpt")
    with (desk.folder / "runs/photos/version_0/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    with (desk.folder / "runs/photos/version_0/split.csv").open(newline="") as file:
        split = {row["index"]: row for row in csv.DictReader(file)}
    assert len(split) == 58
    assert [(split[row["index"]]["part"], split[row["index"]]["file"]) for row in rows] == [
        ("test", row["file"]) for row in rows
    ]
    assert all(row["file"].startswith(row["target"]) for row in rows)
    data = ImageFolder(str(root), size=32, broken="skip")
    data.prepare_data()
    data.setup()
    pixels = data.samples.inputs[data.split.test]
    for row, image in zip(rows, pixels, strict=True):
        assert torch.equal(torch.from_numpy(data.form.decode((root / row["file"]).read_bytes())), image)


def test_predictions_of_a_table_are_joined_with_its_split_and_its_rows(new_desk) -> None:
    desk = new_desk()
    lines = ["width,kind", *(f"{row % 17},{'' if row % 7 == 3 else 'ab'[row % 2]}" for row in range(2, 202))]
    (desk.folder / "rows.csv").write_text("\n".join(lines))
    table = ("--data.path", "rows.csv", "--data.target", "kind")
    desk.here("fit", *table, "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu")
    desk.here("predict", "--ckpt_path", "runs/rows/version_0/checkpoints/best.ckpt")
    run = desk.folder / "runs/rows/version_0"
    with (run / "predictions.csv").open(newline="") as file:
        predicted = list(csv.DictReader(file))
    with (run / "split.csv").open(newline="") as file:
        split = {row["index"]: row for row in csv.DictReader(file)}
    for row in predicted:
        assert split[row["index"]]["part"] == "test"
        assert split[row["index"]]["row"] == row["row"]
        assert lines[int(row["row"]) - 1].split(",")[1] == row["target"]
    assert len(split) == sum(not line.endswith(",") for line in lines[1:])
    assert int(predicted[-1]["index"]) + 2 < int(predicted[-1]["row"])
