"""`holdout test`, `validate` and `predict` of weights that no run made."""

import csv
import json

import pytest
import safetensors.torch
import torch

from callbacks import load_checkpoint

NET = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self, input_shape, num_classes):
        super().__init__(nn.Flatten(), nn.Linear(64, num_classes))
"""
DIGITS = "-c configs/digits.yaml"
PRETRAINED = f"{DIGITS} --model.network models.networks.Pretrained"


@pytest.fixture(scope="module")
def given(new_desk):
    """A desk with a trained run, and its network's weights as files."""
    desk = new_desk()
    run = desk.fit("digits")
    state = load_checkpoint(desk.folder / run / "checkpoints" / "best.ckpt")["state_dict"]
    weights = {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}
    torch.save(weights, desk.folder / "mlp.pt")
    safetensors.torch.save_file(weights, desk.folder / "mlp.safetensors")
    exported = ("--format", "safetensors", "--output", "exported.safetensors")
    desk.here("export", "--ckpt_path", str(run / "checkpoints" / "best.ckpt"), *exported)
    desk.here("test", "--ckpt_path", str(run))
    desk.tested = json.loads((desk.folder / run / "test.json").read_text())["metrics"]
    (desk.folder / "bare.py").write_text(NET)
    torch.manual_seed(0)
    torch.save({"1.weight": torch.randn(10, 64), "1.bias": torch.zeros(10)}, desk.folder / "bare.pt")
    return desk


def metrics_in(out: str) -> dict[str, float]:
    lines = [line.split() for line in out.splitlines()]
    return {words[0]: float(words[1]) for words in lines if len(words) == 2 and "/" in words[0]}


@pytest.mark.parametrize("file", ["mlp.pt", "mlp.safetensors", "exported.safetensors"])
def test_the_weights_of_a_run_measure_as_the_run_does_and_leave_nothing(given, file) -> None:
    before = sorted(given.folder.rglob("*"))
    words = f"test {DIGITS} --model.network.widths [32] --model.network.weights {file}"
    out = given.here(*words.split()).stdout
    assert metrics_in(out) == pytest.approx(given.tested, abs=6e-5)
    first, inputs, outputs, measured, *_ = out.splitlines()
    assert first == f"weights {file}, which no run made: nothing is written beside them"
    assert "inputs are normalised by the mean and standard deviation of the training part: 0.3053 and 0.3761" in inputs
    assert "the data's classes in this order: 0, 1, 2, ..." in outputs
    assert measured.startswith("given weights: 1,294 train · 144 val · 359 test")
    assert [path for path in given.folder.rglob("*") if "__pycache__" not in str(path)] != []
    assert sorted(given.folder.rglob("*")) == before


def test_a_class_of_ones_own_is_validated_and_predicts(given) -> None:
    words = f"{DIGITS} --model.network bare.Net --model.network.weights=bare.pt"
    assert "val/accuracy" in given.here("validate", *words.split()).stdout
    given.here("predict", *words.split(), "--output", "mine.csv")
    assert len(list(csv.reader((given.folder / "mine.csv").open()))) == 360


def test_a_pretrained_network_keeps_its_head(given) -> None:
    own = f"{PRETRAINED} --model.network.architecture models.networks.MLP --model.network.architecture.widths [32]"
    run = "runs/digits/version_0/checkpoints/best.ckpt"
    flags = "--model.network.architecture.norm batch --model.network.architecture.dropout 0.2 --model.network.weights"
    out = given.here("test", *f"{own} {flags} {run}".split()).stdout
    assert metrics_in(out) == pytest.approx(given.tested, abs=6e-5)
    assert "inputs are normalised by the weights' own statistics: 0.3053 and 0.3761" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"test {DIGITS}", "test needs a checkpoint: --ckpt_path runs/NAME/version_N/checkpoints/best.ckpt; or, for"),
        (f"test {DIGITS} --model.network.weights null", "test needs a checkpoint"),
        ("test --model.network.weights mlp.pt", "test needs a checkpoint"),
        (f"test {DIGITS} --model.network.weights none.pt", "weights: there is no file none.pt"),
        (f"test {DIGITS} --model.network.weights mlp.pt", "weights: mlp.pt does not fit this MLP: no "),
        (f"test {DIGITS} --model.network.weights configs/digits.yaml", "cannot be read; it is damaged, or holds"),
        (f"test {DIGITS} --model.network.weights a.ckpt", "a.ckpt is a checkpoint: give it as --ckpt_path a.ckpt"),
        (f"fit {DIGITS} --model.network.weights mlp.pt", "MLP has no argument 'weights'"),
        (f"predict {DIGITS} --model.network.weights mlp.pt --output configs", "--output configs is a folder"),
        (
            f"test {PRETRAINED} --model.network.architecture models.networks.MLP --model.network.weights mlp.pt "
            f"--model.network.architecture.widths [32] --model.network.architecture.norm batch --data.classes [1,2]",
            "Digits has no argument 'classes'",
        ),
    ],
)
def test_a_mistake_is_one_line(given, words, said) -> None:
    error = given.here(*words.split(), status=2).stderr
    assert said in error
    assert error.count("\n") == 1


def test_weights_of_other_classes_are_refused(given) -> None:
    weights = torch.load(given.folder / "mlp.pt", weights_only=True)
    torch.save(weights | {"head.weight": torch.zeros(7, 32), "head.bias": torch.zeros(7)}, given.folder / "seven.pt")
    flags = "--model.network.architecture models.networks.MLP --model.network.architecture.widths [32]"
    words = f"test {PRETRAINED} {flags} --model.network.architecture.norm batch --model.network.weights seven.pt"
    error = given.here(*words.split(), status=2).stderr
    assert "weights: seven.pt has a head (7, 32), and the data needs one of (10, 32): without training only" in error
