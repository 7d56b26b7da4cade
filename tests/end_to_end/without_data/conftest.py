"""Small runs on every kind of data, which is out of the way afterwards: the checkpoint must do alone."""

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_diabetes, load_iris

from tests.end_to_end.conftest import SMALL, Desk

Run = Callable[[str], Path]
SHORT = ("--trainer.max_epochs", "1", "--model.lr_scheduler", "null", "--trainer.callbacks", "[]")
TINY = ("--model.network.hidden_size", "8")
ROWS = np.random.default_rng(0)


def write_pictures(folder: Path) -> None:
    """Write thirty pictures of two kinds, of mixed sizes and modes."""
    for number in range(30):
        kind, mode = ("cats", "dogs")[number % 2], ("RGB", "L", "RGBA", "P")[number % 4]
        height, width = 32 + number % 3, 32 + number % 5
        pixels = ROWS.integers(0, 128, (height, width, 3), dtype=np.uint8) + 127 * (number % 2)
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(folder / kind / f"{number:02}.png")


def write_table(path: Path) -> None:
    """Write irises with decimal commas, a gap and a column of texts."""
    inputs, labels = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[labels]
    with path.open("w") as file:
        file.write("a;b;c;d;town;species\n")
        for number, (row, name) in enumerate(zip(inputs, names, strict=True)):
            cells = [f"{value:.1f}".replace(".", ",") for value in row]
            file.write(";".join([*cells[:3], "" if number % 50 == 3 else cells[3], "xyz"[number % 3], name]) + "\n")


def write_recordings(path: Path) -> None:
    """Write sixty recordings of three gestures at Unix times, and the phase of each step."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["recording", "time", "x", "gesture", "phase"])
        for number in range(60):
            for step in range(ROWS.integers(4, 9)):
                x = np.sin(step * (number % 3 + 1) / 2)
                rows.writerow([f"r{number}", 1_700_000_000 + 10 * step, x, f"0{number % 3}", "up" if x > 0 else "down"])


def write_moves(folder: Path) -> None:
    """Write forty sequences of two features, a CSV file with a header each."""
    for number in range(40):
        kind = ("left", "right")[number % 2]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        steps = ROWS.normal(number % 2, 1, (4 + number % 5, 2))
        pd.DataFrame(steps, columns=["east", "north"]).to_csv(folder / kind / f"{number:02}.csv", index=False)


def write_arrays(path: Path) -> None:
    """Write fifty sequences, padded, in three classes."""
    lengths = ROWS.integers(3, 8, 50)
    labels = np.arange(50) % 3
    np.savez(path, x=ROWS.normal(labels[:, None, None], 1, (50, 7, 2)), lengths=lengths, y=labels)


def write_reviews(path: Path) -> None:
    """Write sixty texts of two classes."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["review", "sentiment"])
        rows.writerows([f"a {('bad', 'good')[n % 2]} film, {n}\nreally", ("neg", "pos")[n % 2]] for n in range(60))


def write_sugar(path: Path) -> None:
    """Write a table of numbers with two numbers to predict."""
    inputs, target = load_diabetes(return_X_y=True)
    frame = pd.DataFrame(inputs, columns=[f"x{number}" for number in range(10)])
    frame.assign(y=target, z=-target).to_csv(path, index=False)


def write_lists(path: Path) -> None:
    """Write a Parquet file whose rows have several labels."""
    tags = [["red"] * (k % 2) + ["big"] * (k % 3 > 0) for k in range(90)]
    pd.DataFrame({"x": [k % 7 for k in range(90)], "tags": tags}).to_parquet(path)


CNN = ("--model.network", "CNN")
SEQUENCES = ("-c", "configs/sequences.yaml", "--data.path")
LONG = ("--data.sequence", "recording", "--data.features", "[x, time]")
EVERY = ("--model.network.output", "every", "--model.network.bidirectional", "true", "--model.network.cell", "lstm")
TEXT = ("--data.text", "review", "--data.target", "sentiment")
KINDS: dict[str, tuple[str, Callable[[Path], None], tuple[str, ...]]] = {
    "pictures": ("pictures", write_pictures, ("--data", "ImageFolder", "--data.data_dir", "pictures", *CNN)),
    "irises": ("irises.csv", write_table, ("--data.path", "irises.csv", "--data.target", "species")),
    "sugar": ("sugar.csv", write_sugar, ("--data.path", "sugar.csv", "--data.target", "[y, z]")),
    "lists": ("lists.parquet", write_lists, ("--data.path", "lists.parquet", "--data.target", "tags")),
    "gestures": (
        "gestures.csv",
        write_recordings,
        (*SEQUENCES, "gestures.csv", *LONG, "--data.time", "time", "--data.target", "gesture", *TINY),
    ),
    "phases": (
        "phases.csv",
        write_recordings,
        (*SEQUENCES, "phases.csv", *LONG, "--data.target", "phase", *TINY, *EVERY),
    ),
    "moves": ("moves", write_moves, (*SEQUENCES, "moves", *TINY)),
    "arrays": ("arrays.npz", write_arrays, (*SEQUENCES, "arrays.npz", *TINY)),
    "reviews": (
        "reviews.csv",
        write_reviews,
        ("-c", "configs/text.yaml", "--data.path", "reviews.csv", *TEXT, *TINY),
    ),
}


@pytest.fixture(scope="session")
def shop(new_desk: Callable[[], Desk]) -> Desk:
    """A folder to type `holdout` in, with `away/` for the data of the runs."""
    desk = new_desk()
    (desk.folder / "away").mkdir()
    return desk


@pytest.fixture(scope="session")
def run_on(shop: Desk) -> Run:
    """Train on a kind of data, predict its test part, put the data away; return the checkpoint, below the folder."""

    @cache
    def run(kind: str) -> Path:
        folder, checkpoint = shop.folder, Path("runs") / kind / "version_0" / "checkpoints" / "best.ckpt"
        if kind == "digits":
            shop.here("fit", "-c", "configs/digits.yaml", *SMALL, *SHORT)
            return checkpoint
        name, write, flags = KINDS[kind]
        write(folder / name)
        shop.here("fit", *flags, "--name", kind, *SHORT)
        shop.here("predict", "--ckpt_path", str(checkpoint))
        (folder / name).rename(folder / "away" / name)
        return checkpoint

    return run
