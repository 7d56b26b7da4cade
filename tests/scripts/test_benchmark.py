"""What the benchmark calls ours."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from datamodules import MNIST
from datamodules.samples import Samples
from scripts.benchmarks.mlp_epoch import our_epochs
from scripts.benchmarks.setup import Setup
from scripts.cli.first_process import RUN_FOLDER_VARIABLE


def test_what_is_timed_is_the_command_itself(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    inputs = torch.randint(256, (300, 1, 28, 28), dtype=torch.uint8)
    samples = Samples(inputs, torch.arange(300) % 10, np.arange(200, 300))
    monkeypatch.setattr(MNIST, "prepare_data", lambda self: None)
    monkeypatch.setattr(MNIST, "load", lambda self: samples)
    timer = our_epochs(Setup("elsewhere", Path("timed")), 2)
    assert len(timer.epochs) == len(timer.training) == 2
    assert all(whole > part > 0 for whole, part in zip(timer.epochs, timer.training, strict=True))
    (folder,) = Path("timed").glob("*/version_0")
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"config.yaml", "split.json", "summary.json", "checkpoints/best.ckpt", "checkpoints/last.ckpt"} <= left
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert settings["data"]["init_args"]["batch_size"] == 64
    assert settings["model"]["init_args"]["optimizer"]["class_path"] == "torch.optim.SGD"
    assert capfd.readouterr().out == ""
    assert RUN_FOLDER_VARIABLE not in os.environ, "the next round is a run of its own"
