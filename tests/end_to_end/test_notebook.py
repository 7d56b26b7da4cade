"""A checkpoint, used from a script that knows nothing of the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from datamodules import Digits

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow
SCRIPT = """
import sys, torch
from models import Classifier

model = Classifier.load_from_checkpoint(sys.argv[1], weights_only=True, map_location="cpu").eval()
inputs = torch.load(sys.argv[2], weights_only=True)
with torch.inference_mode():
    logits = model(inputs)
torch.save({"logits": logits, "network": repr(model.network), "regularizers": repr(model.regularizers)}, sys.argv[3])
"""


@pytest.fixture(scope="module")
def rebuilt(desk):
    folder = desk.fit("notebook", "-c", "configs/regularizers/disturb_label.yaml", "--model.network.dropout", "0.3")
    checkpoint = folder / "checkpoints" / "best.ckpt"
    data = Digits()
    data.setup()
    torch.save(data.samples.inputs[data.split.test], desk.folder / "inputs.pt")
    arguments = [str(checkpoint), str(desk.folder / "inputs.pt"), str(desk.folder / "out.pt")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", SCRIPT, *arguments], env=environment, check=True)
    desk.here("predict", "--ckpt_path", str(checkpoint), "--output", "predicted.csv")
    return desk, torch.load(desk.folder / "out.pt", weights_only=True)


def test_the_nested_network_is_rebuilt_without_an_argument(rebuilt) -> None:
    _, result = rebuilt
    assert "Linear(in_features=64, out_features=32" in result["network"]
    assert "Dropout(p=0.3" in result["network"]
    assert "DisturbLabel(alpha=10" in result["regularizers"]


def test_it_gives_what_the_command_line_gives(rebuilt) -> None:
    desk, result = rebuilt
    lines = (desk.folder / "predicted.csv").read_text().splitlines()[1:]
    shares = torch.tensor([[float(value) for value in line.split(",")[3:]] for line in lines])
    assert torch.allclose(result["logits"].softmax(-1), shares, atol=1e-5)
