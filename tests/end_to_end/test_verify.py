"""`holdout verify` and `holdout compare` on real runs."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from scripts.cli import verifying
from scripts.cli.verifying import stretches_of

SLOW_TO_IMPROVE = ("--early_stopping", "null", "--model.optimizer.lr", "0.05", "--data.label_noise", "SymmetricNoise")


@pytest.fixture(scope="module")
def run(desk) -> Path:
    """A run whose best epoch is not its last."""
    return desk.fit(
        "noisy", *SLOW_TO_IMPROVE, "--data.label_noise.rate", "0.4", "--model.lr_scheduler", "null", epochs=8
    )


def test_each_stretch_of_a_run_is_what_training_again_gives(desk, run, monkeypatch) -> None:
    stretches = stretches_of(run, {"device": "1 × cpu"})
    assert [(stretch.start and stretch.start.name, stretch.end.name) for stretch in stretches] == [
        (None, "best.ckpt"),
        ("best.ckpt", "last.ckpt"),
    ]
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    for stretch in stretches:
        monkeypatch.setattr(verifying.random, "choice", lambda _, stretch=stretch: stretch)
        assert "bit for bit" in desk.here("verify", str(run)).stdout
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_whole_run_is_verified_from_nothing(desk, run) -> None:
    said = desk.here("verify", str(run), "--whole").stdout
    assert "training the whole of" in said
    assert re.search(r"verified .+last\.ckpt and .+best\.ckpt are bit for bit", said)


@pytest.mark.parametrize("name", ["last", "best"])
def test_a_checkpoint_that_was_touched_up_is_found_out(desk, run, name, tmp_path) -> None:
    copy = tmp_path / "noisy/version_0"
    shutil.copytree(run, copy)
    path = copy / f"checkpoints/{name}.ckpt"
    content = torch.load(path, weights_only=True)
    next(iter(content["state_dict"].values())).view(-1)[0] += 1e-6
    torch.save(content, path)
    said = desk.here("verify", str(copy), "--whole", status=2)
    assert f"{name}.ckpt is not what training again gives: state_dict." in said.stderr
    path.write_bytes(path.read_bytes()[:1000])
    assert "is not a checkpoint that can be read" in desk.here("verify", str(copy), status=2).stderr


@pytest.mark.parametrize("deterministic", ["true", "warn", None])
def test_a_run_of_a_gpu_is_said_to_repeat_only_if_it_was_deterministic(desk, run, tmp_path, deterministic) -> None:
    copy = tmp_path / "noisy/version_0"
    shutil.copytree(run, copy)
    summary = json.loads((copy / "summary.json").read_text())
    (copy / "summary.json").write_text(json.dumps(summary | {"device": "1 × cuda (NVIDIA H100)"}))
    if deterministic:
        recipe = copy / "config.yaml"
        recipe.write_text(re.sub(r"deterministic: .*", f"deterministic: {deterministic}", recipe.read_text()))
    said = desk.here("verify", str(copy), "--whole").stdout
    assert ("only with --trainer.deterministic true" in said) == (deterministic != "true")


def test_the_best_epoch_is_verified_where_it_is_the_last(desk) -> None:
    said = desk.here("verify", str(desk.fit("short", epochs=2))).stdout
    assert re.search(r"verified .+last\.ckpt and .+best\.ckpt are bit for bit", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "which run? holdout verify RUN"),
        (("runs/nothing",), "runs/nothing: no such file"),
        (("runs/noisy",), "did you mean runs/noisy/version_0?"),
        (("runs/noisy/version_0", "runs/noisy/version_0"), "which run?"),
        (("runs/noisy/version_0", "--all"), "unknown argument --all"),
    ],
)
def test_what_cannot_be_verified_is_refused_in_a_line(desk, run, words, said) -> None:
    assert said in desk.here("verify", *words, status=2).stderr


def test_an_unfinished_run_is_not_verified(desk) -> None:
    run = desk.fit("unfinished")
    (run / "summary.json").unlink()
    assert (
        "if its training has not ended, go on with holdout fit --ckpt_path"
        in desk.here("verify", str(run), status=2).stderr
    )


def test_two_runs_are_compared_sample_by_sample(desk) -> None:
    runs = [desk.fit("pair", "--seed_everything", str(seed)) for seed in (0, 1)]
    said = desk.here("compare", *map(str, runs)).stdout
    alone = [int(count) for count in re.search(r"A alone is right on (\d+) samples, B alone on (\d+)", said).groups()]
    accuracy = [float(value) for value in re.search(r"accuracy  A ([\d.]+)   B ([\d.]+)", said).groups()]
    assert (alone[1] - alone[0]) / 359 == pytest.approx(accuracy[1] - accuracy[0], abs=2e-4)
    assert "McNemar's exact test: p = " in said
    assert "test part read 2 times, for 1 model" in said


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (("--data.split.seed", "1"), "have different test parts"),
        (("-c", "configs/diabetes_mlp.yaml"), "have different test parts"),
    ],
)
def test_runs_without_a_shared_test_part_are_not_compared(desk, run, other, said) -> None:
    if other[0] == "-c":
        desk.here("fit", *other, "--name", "other", "--trainer.max_epochs", "1")
        second = max((desk.folder / "runs/other").iterdir())
    else:
        second = desk.fit("split", *other)
    assert said in desk.here("compare", str(run), str(second), status=2).stderr
    assert "which two runs?" in desk.here("compare", str(run), status=2).stderr


def test_models_of_numbers_and_of_labels_are_compared_by_their_losses(desk) -> None:
    for seed in ("0", "1"):
        desk.here("fit", "-c", "configs/diabetes_mlp.yaml", "--trainer.max_epochs", "2", "--seed_everything", seed)
    said = desk.here("compare", "runs/diabetes_mlp/version_0", "runs/diabetes_mlp/version_1").stdout
    assert "squared error  A " in said
    assert "sign-flip permutation test of the mean: p = " in said
