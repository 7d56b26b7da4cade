"""Data of one's own, by one command that names no recipe."""

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.datasets import load_diabetes, load_iris

LOOKS_AT_PICTURES = True

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
    assert "4 number columns as 4 inputs" in data
    config = yaml.safe_load((own.folder / "runs/iris/version_0/config.yaml").read_text())
    assert config["data"]["class_path"].endswith("Tabular")
    tested = own.here("test", "--ckpt_path", "runs/iris/version_0").stdout
    assert "test/accuracy" in tested


def test_a_parquet_file_is_a_table_too_and_lists_in_its_cells_are_labels(own) -> None:
    tags = [["red"] * (k % 2) + ["big"] * (k % 3 > 0) for k in range(90)]
    pd.DataFrame({"x": [k % 7 for k in range(90)], "tags": tags}).to_parquet(own.folder / "lists.parquet")
    out = own.here("fit", "--data.path", "lists.parquet", "--data.target", "tags", *SHORT).stdout
    assert "the one for Tabular, with models.MultiLabelClassifier" in out
    assert "2 labels, multi-label" in out


def test_a_spreadsheet_is_refused_with_what_to_do(own) -> None:
    (own.folder / "book.xlsx").write_bytes(b"PK\3\4 xl/workbook.xml")
    error = own.here("fit", "--data.path", "book.xlsx", "--data.target", "y", status=2).stderr
    assert "book.xlsx is a spreadsheet (Excel); open it there and save the sheet as 'CSV UTF-8'" in error
    assert error.count("\n") == 1


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
        ("--data Digits", "fit needs a recipe: -c FILE, or data of your own (--data.path TABLE --data.target COLUMN"),
        (
            "--data.path iris.csv --data.target a,b",
            "no column 'a,b'; there are a, b, c, d, species; write several as [a, b]",
        ),
        (
            "--data.path iris.csv --data.sequence a --data.target b --data.features [species]",
            "iris.csv, row 2, column 'species': 'setosa' is not a number",
        ),
    ],
)
def test_a_mistake_is_one_line(own, flags, said) -> None:
    error = own.here("fit", *flags.split(), status=2).stderr
    assert said in error
    assert error.count("\n") == 1
    assert not list(own.folder.glob("runs/*/version_9"))


def test_labels_that_a_cell_lists_are_tested_by_the_checkpoint_alone(own) -> None:
    rows = [f"{k % 7},{'|'.join(['red'] * (k % 2) + ['big'] * (k % 3 > 0))}" for k in range(90)]
    (own.folder / "tags.csv").write_text("\n".join(["x,tags", *rows]) + "\n")
    out = own.here(
        "fit", "--data.path", "tags.csv", "--data.target", "tags", "--data.label_separator", "|", *SHORT
    ).stdout
    assert "with models.MultiLabelClassifier" in out
    command = out.splitlines()[-1].removeprefix("test it     holdout ").split()
    assert command == ["test", "--ckpt_path", "runs/tags/version_0"]
    assert "test/exact_match" in own.here(*command).stdout


def test_a_table_is_split_by_dates_as_people_write_them(own) -> None:
    rows = [f"{1 + k % 28:02}.{1 + k // 28:02}.2026,{k % 7},{'xy'[k % 2]}" for k in range(140)]
    (own.folder / "days.csv").write_text("\n".join(["day,a,b", *rows]) + "\n")
    flags = (
        "--data.path",
        "days.csv",
        "--data.target",
        "b",
        "--data.split.by_time",
        "day",
        "--data.split.time_gap",
        "2",
    )
    assert "by time (day), gap 2 days" in own.here("fit", *flags, *SHORT).stdout
