"""A user's own sequences and texts, by the command that they type."""

import csv
import json

import numpy as np
import pytest
import torch

from datamodules import Vocabulary
from models import Classifier

LOOKS_AT_PICTURES = True

BRIEF = ("--model.network.hidden_size", "8", "--trainer.max_epochs", "3")


def write_recordings(path):
    """Write sixty recordings of three gestures, at Unix times, and a number at each step."""
    random = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["recording", "time", "x", "gesture", "level", "phase"])
        for number in range(60):
            level = 0.0
            for step in range(random.integers(4, 9)):
                x = np.sin(step * (number % 3 + 1) / 2)
                level += x
                shown = level if step else ""
                rows.writerow(
                    [number, 1_700_000_000 + 10 * step, x, f"0{number % 3}", shown, "up" if x > 0 else "down"]
                )


@pytest.fixture(scope="module")
def own(new_desk):
    desk = new_desk()
    write_recordings(desk.folder / "gestures.csv")
    with (desk.folder / "reviews.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["review", "sentiment"])
        rows.writerows([f"a {('bad', 'good')[n % 2]} film, {n}\nreally", ("neg", "pos")[n % 2]] for n in range(60))
    return desk


def named(*words):
    file = ("--data.path", "gestures.csv", "--data.sequence", "recording")
    return ("fit", "-c", "configs/sequences.yaml", *file, *words)


def test_a_long_table_of_classes_trains_is_tested_and_predicted(own):
    flags = ("--data.target", "gesture", "--data.features", "[x, time]", "--data.time", "time")
    done = own.here(*named(*flags, *BRIEF, "--name", "gestures"))
    assert "a class for each sequence" in done.stdout
    checkpoint = "runs/gestures/version_0/checkpoints/best.ckpt"
    assert "test/class_accuracy/00" in own.here("test", "--ckpt_path", checkpoint).stdout
    own.here("predict", "--ckpt_path", checkpoint, "--output", "p.csv")
    header, *rows = csv.reader((own.folder / "p.csv").open())
    assert header == ["index", "target", "prediction", "probability_00", "probability_01", "probability_02"]
    assert len(rows) == 12


def test_numbers_at_each_step_train_a_regressor(own):
    flags = ("--data.target", "level", "--data.features", "[x]", "--model.network.output", "every")
    done = own.here(*named(*flags, *BRIEF, "--model", "Regressor", "--name", "levels"))
    assert "a number for each step" in done.stdout
    own.here("predict", "--ckpt_path", "runs/levels/version_0/checkpoints/best.ckpt", "--output", "steps.csv")
    header, *rows = csv.reader((own.folder / "steps.csv").open())
    assert header == ["index", "step", "target", "prediction"]
    assert "0" not in {row[1] for row in rows}, "the first step has no target"


@pytest.mark.parametrize("target", ["level", "phase"])
def test_without_a_recipe_task_and_output_follow_from_targets_of_steps(own, target):
    flags = ("--data.sequence", "recording", "--data.target", target, "--data.features", "[x]")
    done = own.here("fit", "--data.path", "gestures.csv", *flags, *BRIEF, "--name", f"by_{target}")
    assert "and an output for each step (--model.network.output every)" in done.stdout
    assert f"{'a number' if target == 'level' else 'a class'} for each step" in done.stdout
    if target == "level":
        refused = own.here(
            "fit", "--data.path", "gestures.csv", *flags, *BRIEF, "--model.network.output", "last", status=2
        )
        assert "--model.network.output every" in refused.stderr, "what the user says wins"


def test_a_task_or_an_output_that_does_not_fit_is_one_line(own):
    done = own.here(*named("--data.target", "level", "--data.features", "[x]"), status=2)
    assert "use models.Regressor" in done.stderr
    done = own.here(*named("--data.target", "level", "--data.features", "[x]", "--model", "Regressor"), status=2)
    assert "--model.network.output every" in done.stderr
    done = own.here(*named("--data.target", "gesture", "--data.sequence", "id"), status=2)
    assert "no column 'id' (data.sequence)" in done.stderr
    assert "Traceback" not in done.stderr


def test_texts_train_and_a_checkpoint_takes_new_ones(own):
    flags = ("--data.path", "reviews.csv", "--data.text", "review", "--data.target", "sentiment")
    done = own.here("fit", "-c", "configs/text.yaml", *flags, *BRIEF, "--name", "reviews")
    assert "words in test unknown" in done.stdout
    run = own.folder / "runs" / "reviews" / "version_0"
    assert "good" in json.loads((run / "split.json").read_text())["vocabulary"]["known"]
    checkpoint = run / "checkpoints" / "best.ckpt"
    assert "test/accuracy" in own.here("test", "--ckpt_path", str(checkpoint)).stdout
    vocabulary = torch.load(checkpoint, weights_only=True)["split"]["vocabulary"]
    model = Classifier.load_from_checkpoint(checkpoint).eval()
    assert model(Vocabulary(**vocabulary).encode(["A good film", "no"])).shape == (2, 2)


def test_a_folder_needs_no_more_than_its_path_and_predictions_name_the_files(own):
    random = np.random.default_rng(0)
    for name in ("walk", "run"):
        (own.folder / "moves" / name).mkdir(parents=True)
        for number in range(20):
            steps = random.normal(size=(random.integers(2, 6), 2)) + (name == "run")
            np.save(own.folder / "moves" / name / f"p{number // 4}_{number}.npy", steps)
    groups = ("--data.split.groups", r"(p\d+)_", "--data.split.val_size", "8")
    done = own.here("fit", "--data.path", "moves", *groups, *BRIEF)
    assert "the one for SequenceFiles" in done.stdout
    run = own.folder / "runs" / "moves" / "version_0"
    own.here("predict", "--ckpt_path", str(run / "checkpoints" / "best.ckpt"), "--output", "moves.csv")
    header, *rows = csv.reader((own.folder / "moves.csv").open())
    assert header[:2] == ["index", "file"]
    parts = {row["file"]: row["part"] for row in csv.DictReader((run / "split.csv").open())}
    assert {parts[row[1]] for row in rows} == {"test"}
    people = {part: {file.split("/")[1][:2] for file, own in parts.items() if own == part} for part in parts.values()}
    assert not people["train"] & people["test"]
