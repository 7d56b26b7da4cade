"""Data of one's own, by one command that names no recipe."""

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_diabetes, load_iris

SHORT = ("--trainer.max_epochs", "2")


@pytest.fixture(scope="module")
def own(new_desk):
    """A desk with a table of classes, a table of numbers."""
    desk = new_desk()
    inputs, labels = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[labels]
    numbers = [";".join(f"{value:.1f}".replace(".", ",") for value in row) for row in inputs]
    lines = [f"{row};{name}" for row, name in zip(numbers, names, strict=True)]
    (desk.folder / "iris.csv").write_text("\n".join(["a;b;c;d;species", *lines]) + "\n")
    inputs, targets = load_diabetes(return_X_y=True)
    lines = [",".join(map(str, [*row, target])) for row, target in zip(inputs, targets, strict=True)]
    (desk.folder / "sugar.csv").write_text("\n".join([",".join([f"x{k}" for k in range(10)] + ["y"]), *lines]) + "\n")
    return desk


def test_a_table_of_classes(own) -> None:
    out = own.here("fit", "--data.path", "iris.csv", "--data.target", "species", *SHORT).stdout
    first, data, *_ = out.splitlines()
    assert first.startswith("recipe ")
    assert "configs/tables.yaml, the one for Tabular, with models.Classifier; choose others with -c" in first
    assert "3 classes, stratified" in data
    config = yaml.safe_load((own.folder / "runs/iris/version_0/config.yaml").read_text())
    assert config["data"]["class_path"].endswith("Tabular")
    tested = own.here("test", "--ckpt_path", "runs/iris/version_0").stdout
    assert "test/accuracy" in tested


def test_a_table_of_numbers_is_a_regression_and_flags_win(own) -> None:
    flags = ("--data.path", "sugar.csv", "--data.target", "y", "--name", "diabetes", "--model.network.widths", "[8]")
    out = own.here("fit", *flags, *SHORT).stdout
    assert "with models.Regressor" in out
    assert "val/r2" in out
    config = yaml.safe_load((own.folder / "runs/diabetes/version_0/config.yaml").read_text())
    assert config["model"]["init_args"]["network"]["init_args"]["widths"] == [8]


def test_an_overlay_needs_no_recipe_before_it(own) -> None:
    flags = ("--data.path", "iris.csv", "--data.target", "species", "--name", "mixed")
    own.here("fit", *flags, "-c", "configs/regularizers/mixup.yaml", *SHORT)
    config = yaml.safe_load((own.folder / "runs/mixed/version_0/config.yaml").read_text())
    assert config["model"]["init_args"]["regularizers"][0]["class_path"].endswith("MixUp")


def test_the_newest_run_of_a_table_goes_on(own) -> None:
    flags = ("--data.path", "iris.csv", "--data.target", "species", "--runs_dir", "again")
    own.here("fit", *flags, *SHORT)
    out = own.here("fit", *flags, "--ckpt_path", "again/iris/version_0", "--trainer.max_epochs", "3").stdout
    assert "resumed after epoch 2" in out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--data.path iris.csv", "data: Tabular needs target"),
        ("--data.path iris.csv --data.target kind", "iris.csv has no column 'kind'; there are a, b, c, d, species"),
        ("--data.path iris.csv --data.target species --model models.Regressor", "the data has classes"),
        ("--data.path none.csv --data.target kind", "none.csv does not exist"),
        ("--data.path iris.csv --data.targt kind", "Tabular has no argument 'targt'; did you mean target?"),
        ("--data Digits", "fit needs a recipe"),
    ],
)
def test_a_mistake_is_one_line(own, flags, said) -> None:
    error = own.here("fit", *flags.split(), status=2).stderr
    assert said in error
    assert error.count("\n") == 1
    assert not list(own.folder.glob("runs/*/version_9"))
