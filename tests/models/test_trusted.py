"""A checkpoint that a stranger may have written does not choose what is imported."""

import importlib
import subprocess  # noqa: F401  imported, and still not a part of a task
import sys

import pytest
import torch

from datamodules import Digits
from models import Classifier
from models.init_args import HYPER_PARAMETERS
from models.networks import MLP
from models.trusted import is_trusted

STRANGER = "from models.networks import MLP\n\n\nclass Net(MLP):\n    pass\n"
CPU = torch.device("cpu")
NET = {"class_path": "stranger.Net", "init_args": {"input_shape": [1, 8, 8], "num_classes": 10, "widths": [8]}}


@pytest.fixture
def checkpoint(quiet_trainer, tmp_path, monkeypatch):
    """A trained checkpoint, which a function changes, beside a module `stranger`."""
    task = Classifier(MLP((1, 8, 8), 10, widths=[8]), 10)
    trainer = quiet_trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=1)
    trainer.fit(task, Digits())
    path = tmp_path / "one.ckpt"
    trainer.save_checkpoint(path)
    (tmp_path / "stranger.py").write_text(STRANGER)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("stranger", None)

    def changed(key=HYPER_PARAMETERS, **arguments):
        content = torch.load(path, weights_only=True)
        content[key] = {**content.get(key, {}), **arguments}
        torch.save(content, path)
        return path

    yield changed
    sys.modules.pop("stranger", None)


@pytest.mark.parametrize(
    "arguments",
    [
        {"network": NET},
        {"network": "stranger.Net"},
        {"loss": {"class_path": "stranger.Net"}},
        {"regularizers": [{"class_path": "stranger.Net"}]},
        {"optimizer": {"class_path": "stranger.Net"}},
        {"key": "hparams", "lr_scheduler": {"class_path": "stranger.Net"}},
    ],
)
def test_a_class_of_a_strangers_module_is_refused_and_not_imported(checkpoint, arguments):
    with pytest.raises(ImportError, match=r"one\.ckpt names stranger\.Net at .*import the module first: import str"):
        Classifier.load_from_checkpoint(checkpoint(**arguments))
    assert "stranger" not in sys.modules


def test_a_class_of_a_module_that_is_imported_is_rebuilt(checkpoint):
    path = checkpoint(network=NET)
    stranger = importlib.import_module("stranger")
    assert isinstance(Classifier.load_from_checkpoint(path).network, stranger.Net)


def test_an_imported_class_that_is_no_part_of_a_task_is_refused(checkpoint):
    path = checkpoint(optimizer={"class_path": "subprocess.Popen", "init_args": {"args": "true"}})
    with pytest.raises(ImportError, match=r"subprocess\.Popen"):
        Classifier.load_from_checkpoint(path)


def test_what_the_caller_gives_need_not_be_trusted(checkpoint):
    network = MLP((1, 8, 8), 10, widths=[8])
    assert Classifier.load_from_checkpoint(checkpoint(network=NET), network=network).network is network


@pytest.fixture
def maps(monkeypatch):
    """Where each file is loaded to, and whether nothing but tensors and plain values is read of it."""
    found, load = [], torch.load

    def noting(*args, map_location=None, weights_only=None, **options):
        found.append((map_location, weights_only))
        return load(*args, map_location=map_location, weights_only=weights_only, **options)

    monkeypatch.setattr(torch, "load", noting)
    return found


@pytest.mark.parametrize(
    ("arguments", "options", "wanted"),
    [((), {}, "cpu"), ((CPU,), {}, CPU), ((), {"map_location": CPU}, CPU)],
)
def test_weights_are_loaded_onto_the_cpu_unless_another_device_is_named(checkpoint, maps, arguments, options, wanted):
    path = checkpoint()
    maps.clear()
    model = Classifier.load_from_checkpoint(path, *arguments, **options)
    assert maps[-1] == (wanted, True)
    assert model.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_model_trained_on_a_gpu_takes_inputs_from_memory(quiet_trainer, tmp_path):
    data, trainer = Digits(), quiet_trainer(max_epochs=1, limit_train_batches=1, accelerator="gpu")
    trainer.fit(Classifier(MLP((1, 8, 8), 10, widths=[8]), 10), data)
    trainer.save_checkpoint(tmp_path / "gpu.ckpt")
    assert Classifier.load_from_checkpoint(tmp_path / "gpu.ckpt")(data.samples.inputs[:5]).shape == (5, 10)


def test_a_module_that_runs_when_it_is_imported_is_not():
    assert not is_trusted("torch.utils.model_dump.__main__.X")
