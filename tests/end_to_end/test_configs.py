"""Every recipe and overlay that is shipped, run for two batches on small real data in the dataset's own format."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
import yaml
from PIL import Image
from sklearn.datasets import load_digits

import datamodules
from datamodules import DataError
from scripts.study.reading import read_options
from scripts.study.resolved import resolve_arms
from tests.datamodules.cifar_format import small_cifar, write_cifar

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "configs").glob("*.yaml"))
STUDIES = sorted((ROOT / "configs/studies").glob("*.yaml"))
OVERLAYS = [path for path in sorted((ROOT / "configs").glob("*/*.yaml")) if path not in STUDIES]
# GPUs, or machines: `test_nodes` trains on those that are made of paper.
NEEDS_MORE = tuple(f"trainer/{name}.yaml" for name in ("gpu", "ddp", "fsdp", "nodes", "slurm"))
BRIEF = ("--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2", "--trainer.limit_val_batches", "2")
OWN_DATA = {  # the flags that a recipe for data of one's own needs
    "images": "--data.data_dir DATA/photos",
    "tables": "--data.path DATA/table.csv --data.target kind",
    "sequences": "--data.path DATA/sequences.csv",
    "text": "--data.path DATA/text.csv --data.text text --data.target target",
}
BEGUN_WITH = {"cifar10_transfer": "cifar10_five_classes"}  # the recipe that makes the weights of another


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


@pytest.fixture(scope="session")
def small_data(tmp_path_factory) -> Path:
    """MNIST's files with scikit-learn's digits in them, enlarged to 28×28, and CIFAR-10's with noise."""
    folder = tmp_path_factory.mktemp("data")
    images, targets = load_digits(return_X_y=True)
    images = np.kron(images.reshape(-1, 8, 8), np.ones((3, 3))) * 15
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    for name, part in (("train", slice(0, 600)), ("t10k", slice(600, 800))):
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", images[part])
        write_idx(folder / f"{name}-labels-idx1-ubyte.gz", targets[part])
    write_cifar(folder, batches=small_cifar(train=500))
    for number, image in enumerate(images[:40].astype(np.uint8)):
        path = folder / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    rows = [f"{number % 7},{'xyz'[number % 3]},{'ab'[number % 2]}" for number in range(80)]
    (folder / "table.csv").write_text("\n".join(["size,shape,kind", *rows]) + "\n")
    rows = [f"{n},{step},{n * step % 7},{'ab'[n % 2]}" for n in range(60) for step in range(4)]
    (folder / "sequences.csv").write_text("\n".join(["sequence,time,x,target", *rows]))
    texts = [f"a {('bad', 'good')[n % 2]} film {n},{'ab'[n % 2]}" for n in range(60)]
    (folder / "text.csv").write_text("\n".join(["text,target", *texts]))
    return folder


def recipe_of(config: Path) -> Path:
    """Return the recipe that an overlay's first line puts it on, or the recipe itself."""
    words = config.read_text().splitlines()[0].split()
    named = [word for word in words if word.startswith("configs/")]
    return ROOT / named[0] if named else ROOT / "configs" / "digits.yaml"


def small_enough(recipe: Path, data: Path) -> list[str]:
    """Return the flags that let a recipe run on small data, on the weights of a network that was never trained."""
    settings = yaml.safe_load(recipe.read_text())
    arguments = settings["data"].get("init_args", {})
    network = settings["model"]["init_args"]["network"].get("init_args", {})
    flags = OWN_DATA.get(recipe.stem, "").replace("DATA", str(data)).split()
    if "check_val_every_n_epoch" in settings.get("trainer", {}):
        flags += ["--trainer.check_val_every_n_epoch", "1"]
    if any(name in settings["data"]["class_path"] for name in ("MNIST", "CIFAR")):
        flags += ["--data.data_dir", str(data), "--data.verify", "false"]
    if "CIFAR" in settings["data"]["class_path"]:
        flags += ["--data.batch_size", "16", "--data.eval_batch_size", "16"]
    if arguments.get("split", {}).get("val_size", 0) > 50:
        flags += ["--data.split.val_size", "50"]
    if arguments.get("split", {}).get("train_size", 0) > 50:
        flags += ["--data.split.train_size", "50"]
    if isinstance(network.get("architecture"), str):
        weights = data / f"{network['architecture']}.pt"
        torch.save(torchvision.models.get_model(network["architecture"]).state_dict(), weights)
        flags += [
            "--model.network.weights",
            str(weights),
            "--data.split.val_size",
            "20",
            "--data.split.train_size",
            "20",
        ]
    return flags


def train(desk, recipe: Path, data: Path, *overlays: Path) -> str:
    if recipe.stem in BEGUN_WITH:
        train(desk, ROOT / "configs" / f"{BEGUN_WITH[recipe.stem]}.yaml", data)
    stacked = [argument for overlay in overlays for argument in ("-c", str(overlay))]
    return desk.here("fit", "-c", str(recipe), *stacked, *BRIEF, *small_enough(recipe, data)).stdout


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipe_trains(recipe, new_desk, small_data):
    assert "best epoch 1 of 1" in train(new_desk(), recipe, small_data)


@pytest.mark.slow
@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_overlay_stacks_on_the_recipe_that_it_names(overlay, new_desk, small_data):
    recipe = recipe_of(overlay)
    if str(overlay).endswith(NEEDS_MORE):
        assert new_desk().here("fit", "-c", str(recipe), "-c", str(overlay), "--print_config").stdout
        return
    assert "best epoch" in train(new_desk(), recipe, small_data, overlay)


@pytest.mark.real_data
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipe_splits_its_real_data(recipe, monkeypatch, tmp_path):
    """`pytest -m real_data -rs` lists the recipes whose data are not in `data/`."""
    monkeypatch.chdir(tmp_path)
    if (ROOT / "data").is_dir():
        (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.setattr("socket.getaddrinfo", _no_network)  # what is not there is not downloaded by a test
    if recipe.stem in OWN_DATA:
        pytest.skip("its data are one's own")
    settings = yaml.safe_load(recipe.read_text())["data"]
    arguments = {key: value for key, value in settings.get("init_args", {}).items() if not isinstance(value, dict)}
    arguments.pop("augmentation", None)
    data = getattr(datamodules, settings["class_path"].split(".")[-1])(**arguments)
    try:
        data.prepare_data()
    except DataError as error:
        pytest.skip(str(error))
    data.setup()
    assert data.manifest["parts"]["train"]["size"] > 0


def _no_network(*_):
    raise OSError("no network in tests")


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_study_names_its_command_and_its_arms_can_be_run(study, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert study.read_text().startswith(f"# holdout study --study configs/studies/{study.name}\n")
    options = read_options(["--study", str(study)])
    assert options.name == study.stem
    assert list(resolve_arms(options)) == [arm.name for arm in options.arms]


@pytest.mark.parametrize("config", RECIPES + OVERLAYS + STUDIES, ids=lambda path: path.stem)
def test_config_opens_with_a_comment(config):
    assert config.read_text().startswith("# ")


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_overlay_lies_in_the_folder_of_a_key_that_it_sets(overlay):
    keys = {"optimizers": ("optimizer", "optimizer_wrapper"), "networks": ("network",), "losses": ("loss",)}
    keys |= {"callbacks": ("callbacks", "early_stopping"), "transfer": ("network", "layer_decay")}
    keys |= {"augmentation": ("augmentation", "augmentation_repeats")}
    folder = overlay.parent.name
    settings = yaml.safe_load(overlay.read_text())
    model, data = (settings.get(part, {}).get("init_args", {}) for part in ("model", "data"))
    found = {key.rstrip("+") for key in (*settings, *settings.get("trainer", {}), *model, *data)}
    assert found & set(keys.get(folder, (folder,)))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipe_names_its_command(recipe):
    assert f"holdout fit -c configs/{recipe.name}" in recipe.read_text()
