"""A recipe, run from Python as a notebook would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from scripts import fit
from scripts.cli.errors import UsageError
from scripts.cli.first_process import RUN_FOLDER_VARIABLE

ROOT = Path(__file__).parents[2]
RECIPE = "configs/digits.yaml"
SMALL = ("--model.network.widths", [8], "--trainer.max_epochs", 1)
OVERLAY = ("-c", "configs/regularizers/disturb_label.yaml")


@pytest.fixture(autouse=True)
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that sees `configs/`."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)


def test_two_lines_run_a_recipe() -> None:
    trainer, model, data = fit(RECIPE, *OVERLAY, *SMALL)
    assert trainer.current_epoch == 1
    assert repr(model.regularizers).count("DisturbLabel") == 1
    assert data.batch_size == 64
    assert (Path(trainer.default_root_dir) / "checkpoints" / "best.ckpt").is_file()
    (metrics,) = trainer.test(model, datamodule=data, verbose=False)
    assert metrics["test/accuracy"] > 0.1


def test_a_second_call_is_a_run_of_its_own_with_the_same_weights() -> None:
    first, second = fit(RECIPE, *SMALL), fit(Path(RECIPE), *SMALL)
    weights = zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)
    assert sorted(path.name for path in Path("runs/digits").iterdir()) == ["version_0", "version_1"]
    assert RUN_FOLDER_VARIABLE not in os.environ


def test_it_is_the_run_of_the_command(desk) -> None:
    model = fit(RECIPE, *OVERLAY, "--model.network.widths", [32], "--trainer.max_epochs", 1).model
    folder = desk.fit("command", *OVERLAY, epochs=1)
    kept = torch.load(folder / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())
    settings = [yaml.safe_load((path / "config.yaml").read_text()) for path in (folder, Path("runs/digits/version_0"))]
    assert settings[0] | {"name": None} == settings[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("configs/digit.yaml",), "did you mean configs/digits.yaml"),
        ((RECIPE, "--trainer.epochs", 3), "did you mean --trainer.max_epochs"),
        ((RECIPE, "--model.network.dropout", 2), "dropout 2"),
    ],
)
def test_a_mistake_is_an_error_and_not_the_end_of_the_notebook(arguments: tuple, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        fit(*arguments)
    assert not Path("runs").exists()


def test_importing_it_imports_no_torch() -> None:
    code = "import sys; from scripts import fit; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
