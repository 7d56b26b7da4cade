"""`holdout export`: the files say what the checkpoint says, by the programs that read them."""

import json
import shutil
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.datasets import load_digits

from models import Task
from models.errors import TrainingError
from models.exporting import FORMATS, load_safetensors
from tests.end_to_end.without_data.test_predict_inputs import calibrated, predict


def export(shop, checkpoint, *flags):
    done = shop.here("export", "--ckpt_path", str(checkpoint), *flags)
    assert done.stderr == ""
    return done.stdout


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def task_of(shop, checkpoint):
    return Task.load_from_checkpoint(shop.folder / checkpoint).eval()


def difference(task, raw, other):
    """Return by how much results of an exported model differ from the original's."""
    with torch.inference_mode():
        return (task.to_results(task(raw)) - other).abs().max().item()


@pytest.mark.slow
def test_pictures_of_any_size_and_number(shop, run_on) -> None:
    checkpoint = run_on("pictures")
    said = export(shop, checkpoint).splitlines()
    assert said[1:3] == ["inputs      uint8 (batch, 3, height, width)", "outputs     probabilities (batch, 2)"]
    assert said[3].endswith("by onnxruntime on 256 random samples (the data is not there: pictures is not a folder)")
    session = session_of((shop.folder / checkpoint).parents[1] / "model.onnx")
    assert [(one.name, one.type, one.shape[1]) for one in session.get_inputs()] == [("inputs", "tensor(uint8)", 3)]
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["class_names"]) == ["cats", "dogs"]
    assert metadata["temperature"] == "1.0"
    assert "RGB with values from 0 to 255, not normalised" in metadata["inputs"]
    task = task_of(shop, checkpoint)
    for count, height, width, most in ((1, 32, 32, 1e-6), (5, 50, 97, 0.01), (2, 20, 20, 0.01)):
        raw = torch.randint(256, (count, 3, height, width), dtype=torch.uint8)
        (found,) = session.run(["probabilities"], {"inputs": raw.numpy()})
        assert found.shape == (count, 2)
        assert difference(task, raw, torch.from_numpy(found)) < most
    export(shop, checkpoint, "--format", "torch_export")
    program = torch.export.load((shop.folder / checkpoint).parents[1] / "model.pt2").module()
    for count, height, width in ((1, 32, 32), (5, 50, 97), (5, 97, 50), (2, 20, 20), (1, 64, 32), (3, 40, 40)):
        raw = torch.randint(256, (count, 3, height, width), dtype=torch.uint8)
        assert difference(task, raw, program(raw)) < 0.01


def test_a_table_on_real_samples_and_a_regression_in_the_targets_unit(shop, run_on) -> None:
    checkpoint = run_on("sugar")
    shutil.copy(shop.folder / "away/sugar.csv", shop.folder)
    said = export(shop, checkpoint, "--format", "torch_export", "--output", "new/sugar.pt2")
    (shop.folder / "sugar.csv").unlink()
    assert "outputs     values (batch, 2)" in said
    assert "by torch.export.load on 35 samples of the validation part" in said
    extra = {"metadata.json": ""}
    program = torch.export.load(shop.folder / "new/sugar.pt2", extra_files=extra).module()
    metadata = json.loads(extra["metadata.json"])
    assert [column["name"] for column in metadata["columns"]] == [f"x{number}" for number in range(10)]
    assert metadata["targets"] == ["y", "z"]
    table = np.loadtxt(shop.folder / "away/sugar.csv", delimiter=",", skiprows=1)
    rows, _ = predict(shop, checkpoint, "away/sugar.csv")
    predicted = [[float(row["prediction_y"]), float(row["prediction_z"])] for row in rows]
    assert program(torch.from_numpy(table[:, :10])).numpy() == pytest.approx(np.array(predicted), abs=1e-2)


@pytest.mark.slow
def test_sequences_of_any_length(shop, run_on) -> None:
    checkpoint = run_on("arrays")
    said = export(shop, checkpoint, "--output", "sequences.onnx")
    assert "inputs      float32 (batch, steps, 2), lengths int64 (batch)\n" in said
    raw, lengths = torch.randn(3, 40, 2), torch.tensor([1, 40, 7])
    session = session_of(shop.folder / "sequences.onnx")
    found = session.run(["probabilities"], {"inputs": raw.numpy(), "lengths": lengths.numpy()})[0]
    assert difference(task_of(shop, checkpoint), (raw, lengths), torch.from_numpy(found)) < 1e-6


def test_safetensors_rebuild_the_task(shop, run_on) -> None:
    checkpoint = run_on("lists")
    export(shop, checkpoint, "--format", "safetensors")
    path = (shop.folder / checkpoint).parents[1] / "model.safetensors"
    task, raw = task_of(shop, checkpoint), torch.arange(9).double().unsqueeze(1)
    rebuilt = load_safetensors(path)
    assert torch.equal(rebuilt(raw), task(raw))
    assert torch.equal(rebuilt.thresholds.values, task.thresholds.values)
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["class_names"]) == ["big", "red"]
        assert all(not name.startswith("optimizer") for name in file.keys())  # noqa: SIM118


def test_safetensors_keep_the_temperature(shop, run_on) -> None:
    shutil.copytree((shop.folder / run_on("digits")).parents[1], shop.folder / "runs" / "calibrated" / "version_0")
    checkpoint = "runs/calibrated/version_0/checkpoints/best.ckpt"
    shop.here("calibrate", "--ckpt_path", checkpoint)
    export(shop, checkpoint, "--format", "safetensors")
    path = shop.folder / "runs/calibrated/version_0/model.safetensors"
    task, raw, rebuilt = task_of(shop, checkpoint), digit_bytes(), load_safetensors(path)
    assert task.temperature == rebuilt.temperature != 1
    assert torch.equal(rebuilt.to_results(rebuilt(raw)), task.to_results(task(raw)))
    content = path.read_bytes()
    for wrong in ("nan", "-1.", "one"):
        text = str(task.temperature).encode()
        path.write_bytes(content.replace(b'"' + text + b'"', b'"' + wrong.encode().ljust(len(text)) + b'"'))
        with pytest.raises((ValueError, TrainingError), match=r"model\.safetensors"):
            load_safetensors(path)


def digit_bytes() -> torch.Tensor:
    """Return five of scikit-learn's digits as raw inputs."""
    return torch.from_numpy(load_digits().images[:5].astype(np.uint8)).unsqueeze(1)


def test_a_strangers_safetensors_import_nothing(shop, run_on) -> None:
    run_on("lists")
    path = shop.folder / "stranger.safetensors"
    export(shop, run_on("lists"), "--format", "safetensors", "--output", str(path))
    text = path.read_bytes()
    path.write_bytes(text.replace(b"models.networks.", b"antigravity.xxxx"))
    with pytest.raises(ImportError, match=r"antigravity\.xxxx"):
        load_safetensors(path)
    assert "antigravity" not in sys.modules
    path.write_bytes(text[:50])
    with pytest.raises(ValueError, match="is not a model that `holdout export` wrote"):
        load_safetensors(path)


MINE = """
import torch
from models.networks import Network

class Choosy(Network):
    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.head = torch.nn.Linear(64, num_classes)

    def forward(self, inputs):
        outputs = self.head(inputs.flatten(1))
        return outputs if outputs.sum() > 0 else 2 * outputs
"""


def test_what_cannot_be_exported_is_one_line_and_no_file(shop, monkeypatch) -> None:
    (shop.folder / "choosy.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(shop.folder))
    flags = ("-c", "configs/digits.yaml", "--name", "choosy", "--trainer.max_epochs", "1")
    shop.here("fit", *flags, "--model.network", "choosy.Choosy", "--trainer.callbacks", "[]")
    run = shop.folder / "runs/choosy/version_0"
    here = ("export", "--ckpt_path", "runs/choosy/version_0", "-c", "runs/choosy/version_0/config.yaml")
    for name in ("onnx", "torch_export"):
        error = shop.here(*here, "--format", name, status=2).stderr
        assert error.startswith(
            "holdout: error: Choosy cannot be exported as a graph, because its operations depend on "
        )
        assert "--format safetensors exports its weights" in error
        assert error.count("\n") == 1
        assert not list(run.glob("*model.*"))
    assert "by load_safetensors" in shop.here(*here, "--format", "safetensors").stdout


def test_a_wrong_format_a_missing_package_and_a_wrong_file(shop, run_on, monkeypatch) -> None:
    here = ("export", "--ckpt_path", str(run_on("digits")))
    assert shop.here(*here, "--format", "tflite", status=2).stderr == (
        "holdout: error: --format tflite: choose onnx, torch_export, safetensors\n"
    )
    monkeypatch.setattr("datamodules.optional.find_spec", lambda name: None)
    assert shop.here(*here, status=2).stderr == (
        "holdout: error: a .onnx file needs onnx: pip install 'holdout[export]'\n"
    )
    monkeypatch.undo()
    safe = FORMATS["safetensors"]
    monkeypatch.setattr(
        type(safe), "read", lambda self, content: lambda inputs: torch.full((len(inputs), 10), torch.nan)
    )
    error = shop.here(*here, "--format", "safetensors", "--output", "wrong.safetensors", status=2).stderr
    assert "wrong.safetensors is not written: its probabilities differ from the model's by nan" in error
    assert not (shop.folder / "wrong.safetensors").exists()


def test_thresholds_decide_on_calibrated_probabilities_as_predict_does(shop, run_on) -> None:
    checkpoint = calibrated(shop, run_on("lists"), "lists.parquet", "tagged")
    export(shop, checkpoint, "--format", "safetensors")
    task, raw = task_of(shop, checkpoint), torch.arange(9).double().unsqueeze(1)
    probabilities = task.to_results(task(raw))
    with safe_open(shop.folder / "runs/tagged/version_0/model.safetensors", "pt") as file:
        thresholds = torch.tensor(json.loads(file.metadata()["thresholds"]))
    assert task.temperature != 1
    assert not torch.equal(thresholds, task.thresholds.values)
    assert torch.equal(probabilities.float() >= thresholds, task.thresholds(probabilities))


def test_a_checkpoint_is_not_replaced_by_its_export(shop, run_on) -> None:
    checkpoint = run_on("irises")
    before = (shop.folder / checkpoint).read_bytes()
    flags = ("--format", "safetensors", "--output", str(checkpoint))
    assert "would replace what is read" in shop.here("export", "--ckpt_path", str(checkpoint), *flags, status=2).stderr
    assert (shop.folder / checkpoint).read_bytes() == before


@pytest.mark.parametrize("stored", ['{"_class_path": "antigravity.X"}', '[["a", 1]]', '"text"', "{}"])
def test_safetensors_that_lack_our_keys_import_nothing(tmp_path, stored) -> None:
    path = tmp_path / "stranger.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"hyper_parameters": stored})
    with pytest.raises((ImportError, ValueError, TypeError)):
        load_safetensors(path)
    assert "antigravity" not in sys.modules
