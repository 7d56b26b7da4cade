"""Every recipe and overlay that is shipped, run for two batches on small real data in the dataset's own format."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "configs").glob("*.yaml"))
OVERLAYS = sorted((ROOT / "configs").glob("*/*.yaml"))
NEEDS_GPU = ("trainer/gpu.yaml", "trainer/ddp.yaml")
BRIEF = ("--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2", "--trainer.limit_val_batches", "2")


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


@pytest.fixture(scope="session")
def small_mnist(tmp_path_factory) -> Path:
    """MNIST's four files with scikit-learn's digits in them, enlarged to 28×28."""
    folder = tmp_path_factory.mktemp("mnist")
    images, targets = load_digits(return_X_y=True)
    images = np.kron(images.reshape(-1, 8, 8), np.ones((3, 3))) * 15
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    for name, part in (("train", slice(0, 600)), ("t10k", slice(600, 800))):
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", images[part])
        write_idx(folder / f"{name}-labels-idx1-ubyte.gz", targets[part])
    return folder


def data_flags(recipe: Path, small_mnist: Path) -> tuple[str, ...]:
    if "MNIST" in recipe.read_text():
        return ("--data.data_dir", str(small_mnist), "--data.verify", "false")
    return ()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipe_trains(recipe, holdout, small_mnist):
    done = holdout("fit", "-c", str(recipe), *BRIEF, *data_flags(recipe, small_mnist))
    assert "best epoch 1 of 1" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_overlay_stacks_on_a_recipe(overlay, holdout):
    arguments = ["-c", str(ROOT / "configs/digits.yaml"), "-c", str(overlay)]
    if str(overlay).endswith(NEEDS_GPU):
        assert holdout("fit", *arguments, "--print_config").returncode == 0
        return
    assert "best epoch" in holdout("fit", *arguments, *BRIEF).stdout


@pytest.mark.parametrize("config", RECIPES + OVERLAYS, ids=lambda path: path.stem)
def test_config_opens_with_a_comment(config):
    assert config.read_text().startswith("# ")
