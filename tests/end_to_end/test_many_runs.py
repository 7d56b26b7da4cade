"""Runs that start at the same moment in one folder, on one folder of images."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

RUNS = 4


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_runs_that_start_together_have_versions_of_their_own_and_share_one_cache(new_desk) -> None:
    desk = new_desk()
    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images[:400], digits.target, strict=False)):
        folder = desk.folder / "photos" / f"digit {label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).save(folder / f"{number}.png")
    small = ("--model.network", "MLP", "--model.network.widths", "[8]", "--trainer.max_epochs", "2")
    arguments = ("fit", "-c", "configs/images.yaml", *small, "--data.data_dir", "photos", "--name", "same")
    processes = [desk.start(*arguments, "--trainer.precision", "32-true") for _ in range(RUNS)]
    printed = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * RUNS, printed
    folders = list((desk.folder / "runs" / "same").iterdir())
    assert {folder.name for folder in folders} == {f"version_{number}" for number in range(RUNS)}
    summaries = [json.loads((folder / "summary.json").read_text())["last"] for folder in folders]
    assert all(summary["val/loss"] == summaries[0]["val/loss"] for summary in summaries)
    assert len(list((desk.folder / "photos" / ".cache").iterdir())) == 1
