"""`--compile`: a compiled network trains, resumes, and leaves a run that needs no compiler."""

import re

import pytest
import torch

SAME = ("--model.lr_scheduler", "null", "--trainer.precision", "32")


@pytest.mark.slow
def test_a_compiled_run_is_resumed_tested_and_exported(desk):
    desk.run("fit", *desk.digits(epochs=1), "--compile", *SAME)
    compiled = desk.folder / "runs" / "digits" / "version_0"
    weights = torch.load(compiled / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert not any("_orig_mod" in name for name in weights)
    refused = desk.run("fit", *desk.digits(epochs=2), *SAME, "--ckpt_path", "last", status=2)
    assert "compile was true, now false" in refused.stderr
    resumed = desk.run("fit", *desk.digits(epochs=2), "--compile", *SAME, "--ckpt_path", "last")
    assert "resumed after epoch 1" in resumed.stdout
    desk.here("test", "--ckpt_path", str(compiled))
    desk.here("export", "--ckpt_path", str(compiled), "--format", "safetensors")
    desk.here("fit", *desk.digits(epochs=2), *SAME)
    plain = desk.folder / "runs" / "digits" / "version_1"
    ours, theirs = (
        float(re.search(r'"val/loss": ([\d.]+)', (run / "summary.json").read_text())[1]) for run in (compiled, plain)
    )
    assert ours == pytest.approx(theirs, rel=0.1)  # dropout draws otherwise


def test_without_a_compiler_it_is_one_line(desk, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "none")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    refused = desk.run("fit", *desk.digits(epochs=1), "--compile", status=2)
    assert re.search(r"error: compile: torch.compile fails on MLP: .*; leave --compile out", refused.stderr)


def test_what_cannot_be_compiled_or_trained_is_refused_as_without_compiling(desk):
    penalty = ("-c", "configs/regularizers/jacobian_penalty.yaml")
    refused = desk.here("fit", *desk.digits(epochs=1), *penalty, "--compile", status=2)
    assert "--compile: JacobianPenalty differentiates twice" in refused.stderr
    (desk.folder / "mine.py").write_text(ENDS_IN_SOFTMAX)
    for flags in ((), ("--compile",)):
        words = ("fit", "-c", "configs/digits.yaml", "--model.network", "mine.Net", "--trainer.max_epochs", "1")
        refused = desk.run(*words, "--trainer.precision", "32", *flags, status=2)
        assert "softmax" in refused.stderr


ENDS_IN_SOFTMAX = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, input_shape, num_classes):
        super().__init__(nn.Flatten(), nn.Linear(64, num_classes), nn.Softmax(1))
"""
