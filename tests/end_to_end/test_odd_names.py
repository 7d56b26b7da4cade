"""Folders, columns and runs whose names look like something else are trained on, tested and gone on from."""

import contextlib
import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from datamodules.printable import printable

LOOKS_AT_PICTURES = True

SMALL = ("--model.network", "MLP", "--model.network.widths", "[4]", "--trainer.max_epochs", "1")


def check_test_and_resume(desk, run: Path) -> None:
    assert "test/" in desk.here("test", f"--ckpt_path={run / 'checkpoints' / 'best.ckpt'}").stdout
    again = desk.here("fit", f"--ckpt_path={run}", "--trainer.max_epochs", "2", "--model.lr_scheduler", "null")
    assert "resumed after epoch 1" in again.stdout
    assert "test/" in desk.here("test", f"--ckpt_path={run}").stdout


@pytest.mark.parametrize("name", ["1e3", "[old] photos", " lead ", "-1"])
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


@pytest.mark.parametrize("column", ["2024", "a #b"])
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


PARTS = st.sampled_from([
    *"aé0 .-+_,;:'\"#[]{}()$~%!&*|>@`=\\?^", "1e3", "yes", "null", "1.0", "0x1", "2024-01-02", "true", "NaN", "${x}",
    "\u00a0", "\u202e", "名", "--", "<b>", "- ", ": ", " #",
])  # fmt: skip
NO_VALUE = ("null", "~", "NaN", "-", "--", "?")  # YAML's null, or a gap in a table; argparse takes -- away
TEXTS = (
    st.lists(PARTS, min_size=1, max_size=5)
    .map(lambda parts: " ".join("".join(parts).split()))  # spaces around a column's name, or doubled, do not count
    .filter(
        lambda text: text not in ("", ".", "..", *NO_VALUE) and text[0] not in "[{"
    )  # a list or a mapping is typed so
)
DISTINCT = st.lists(TEXTS, min_size=7, max_size=7, unique_by=str.casefold)


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("HOLDOUT_FUZZ", "4")), suppress_health_check=list(HealthCheck))
@given(texts=DISTINCT)
def test_any_text_is_a_folder_a_column_a_class_and_a_name_of_a_run(new_desk, texts) -> None:
    desk = new_desk()
    folder, target, feature, groups, name, *classes = texts
    generator = np.random.default_rng(0)
    (desk.folder / folder).mkdir()
    with (desk.folder / folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["first", feature, groups, target])
        for row in range(60):
            value = generator.normal()
            table.writerow([f"{value:.3f}", row % 7, f"g{row % 20}", classes[value > 0]])
    flags = (f"--data.path={folder}/{name}.csv", f"--data.target={target}", f"--name={name}")
    flags += (f"--data.split.groups={groups}", f"--data.features={json.dumps(['first', feature])}")
    flags += (f"--runs_dir={folder}/{target.replace('/', '')}",)
    desk.here("fit", *flags, "--trainer.max_epochs", "1", "--model.lr_scheduler", "null")
    run = Path(folder) / target.replace("/", "") / name / "version_0"
    check_test_and_resume(desk, run)
    desk.here("predict", f"--ckpt_path={run}", "--output", "predictions.csv")
    with (desk.folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        found = {row["target"].removeprefix("'") for row in csv.DictReader(file)}
    assert found <= {printable(text).removeprefix("'") for text in classes}
