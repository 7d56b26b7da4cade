"""Folders, columns and runs whose names look like something else are trained on, tested and gone on from."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SMALL = ("--model.network", "MLP", "--model.network.widths", "[4]", "--trainer.max_epochs", "1")


def check_test_and_resume(desk, run: Path) -> None:
    assert "test/" in desk.here("test", "--ckpt_path", str(run / "checkpoints" / "best.ckpt")).stdout
    again = desk.here("fit", "--ckpt_path", str(run), "--trainer.max_epochs", "2", "--model.lr_scheduler", "null")
    assert "resumed after epoch 1" in again.stdout
    assert "test/" in desk.here("test", "--ckpt_path", str(run)).stdout


@pytest.mark.parametrize(
    "name", ["1e3", "2024", "yes", "data #2", "[old] photos", " lead ", "é", "-1", "$HOME", "a\tb"]
)
def test_a_run_and_a_folder_of_images_of_any_name(desk, name) -> None:
    generator = np.random.default_rng(0)
    for label in ("one", "two"):
        folder = desk.folder / name / label
        folder.mkdir(parents=True)
        for number in range(12):
            Image.fromarray(generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    flags = ("--data", "ImageFolder", f"--data.data_dir={name}", "--data.size", "8", f"--name={name}")
    desk.here("fit", *flags, *SMALL, "--model.lr_scheduler", "null")
    check_test_and_resume(desk, Path("runs") / name / "version_0")


@pytest.mark.parametrize("column", ["1e3", "2024", "yes", "a #b", "-1"])
def test_a_column_of_any_name(desk, column) -> None:
    generator = np.random.default_rng(0)
    rows = [
        f"{value:.3f},{other:.3f},{'up' if value > 0 else 'down'}" for value, other in generator.normal(size=(60, 2))
    ]
    with contextlib.chdir(desk.folder):
        Path("table.csv").write_text("\n".join([f"first,second,{column}", *rows]))
    flags = ("--data.path", "table.csv", f"--data.target={column}", "--name", f"column{column.strip()}")
    desk.here("fit", *flags, "--trainer.max_epochs", "1", "--model.lr_scheduler", "null")
    check_test_and_resume(desk, Path("runs") / f"column{column.strip()}" / "version_0")


def test_data_of_ones_own_start_and_go_on_by_the_same_line(desk) -> None:
    generator = np.random.default_rng(0)
    rows = [f"{value:.3f},{'up' if value > 0 else 'down'}" for value in generator.normal(size=60)]
    (desk.folder / "own.csv").write_text("\n".join(["first,way", *rows]))
    flags = ("--data.path", "own.csv", "--data.target", "way", "--model.lr_scheduler", "null", "--ckpt_path", "auto")
    desk.here("fit", *flags, "--trainer.max_epochs", "1")
    assert "resumed after epoch 1" in desk.here("fit", *flags, "--trainer.max_epochs", "2").stdout
