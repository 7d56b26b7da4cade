"""`holdout predict --inputs`: new inputs of every kind, from the checkpoint alone, as `predict` sees the test part."""

import csv
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def predict(shop, checkpoint, inputs, *flags, status=0):
    """Predict to a file; return its rows and what was complained and warned of."""
    words = ("predict", "--ckpt_path", str(checkpoint), "--inputs", str(inputs), "--output", "new.csv", *flags)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = shop.here(*words, status=status)
    warned = [f"warning: {one.message}\n" for one in caught if "Deprecat" not in one.category.__name__]
    return read(shop.folder / "new.csv"), "".join(warned) + done.stderr


def check_same(shop, checkpoint, new, same):
    """Check that the rows of new predictions that are also of the test part say what `predict` said."""
    old = read((shop.folder / checkpoint).parents[1] / "predictions.csv")
    assert len(old) > 5
    for row in old:
        (found,) = [other for other in new if same(row, other)]
        assert any(name.startswith("prediction") for name in row)
        for name in (name for name in row if name.startswith(("prediction", "probability"))):
            value = found[{"prediction_0": "prediction_y", "prediction_1": "prediction_z"}.get(name, name)]
            try:
                assert float(value) == pytest.approx(float(row[name]), abs=1e-5, rel=1e-5)
            except ValueError:
                assert value == row[name]


@pytest.mark.parametrize("kind", ["irises", "sugar", "lists", "reviews"])
def test_rows_of_a_table_without_the_data(shop, run_on, kind) -> None:
    checkpoint = run_on(kind)
    (table,) = (shop.folder / "away").glob(f"{kind}.*")
    new, said = predict(shop, checkpoint, table)
    assert "the target column '" in said
    assert said.count("\n") == 1, said
    check_same(shop, checkpoint, new, lambda old, row: old["row"] == row["row"])


@pytest.mark.parametrize("kind", ["pictures", "moves"])
def test_files_in_a_folder_without_the_data(shop, run_on, kind) -> None:
    checkpoint = run_on(kind)
    new, said = predict(shop, checkpoint, f"away/{kind}")
    assert not said
    check_same(shop, checkpoint, new, lambda old, row: old["file"] == row["file"])
    one = new[7]["file"]
    assert predict(shop, checkpoint, f"away/{kind}/{one}")[0] == [{**new[7], "file": f"away/{kind}/{one}"}]


def test_pictures_need_no_classes_and_may_lie_deep(shop, run_on) -> None:
    checkpoint = run_on("pictures")
    shutil.copytree(shop.folder / "away/pictures/cats", shop.folder / "album/2024/spring")
    (shop.folder / "album/.hidden.png").write_bytes(b"")
    (shop.folder / "album/notes.md").write_text("from the spring")
    shutil.copy(shop.folder / "away/pictures/dogs/01.png", shop.folder / "album")
    new, said = predict(shop, checkpoint, "album")
    assert said == "warning: album: 1 other file left out\n"
    files = [f"2024/spring/{number:02}.png" for number in range(0, 30, 2)]
    assert [row["file"] for row in new] == ["01.png", *files]


@pytest.mark.parametrize("kind", ["gestures", "phases"])
def test_a_long_table_without_the_data(shop, run_on, kind) -> None:
    checkpoint = run_on(kind)
    new, said = predict(shop, checkpoint, f"away/{kind}.csv")
    assert not said
    assert {row["sequence"] for row in new} == {f"r{number}" for number in range(60)}

    def same(old, row):
        return row["sequence"] == f"r{old['index']}" and row.get("step") == old.get("step")

    check_same(shop, checkpoint, new, same)


def test_arrays_without_targets(shop, run_on) -> None:
    checkpoint = run_on("arrays")
    arrays = np.load(shop.folder / "away/arrays.npz")
    np.savez(shop.folder / "new.npz", sequences=arrays["x"], lengths=arrays["lengths"])
    new, _ = predict(shop, checkpoint, "new.npz")
    check_same(shop, checkpoint, new, lambda old, row: old["index"] == row["sequence"])
    np.save(shop.folder / "one.npy", arrays["x"][4, : arrays["lengths"][4]])
    (one,), _ = predict(shop, checkpoint, "one.npy")
    assert one["probability"] == new[4]["probability"]


def test_the_lines_of_a_text_file(shop, run_on) -> None:
    checkpoint = run_on("reviews")
    (shop.folder / "new.txt").write_text("a good film, 3 really\n\na bad film, 4 really\n")
    (good, empty, bad), _ = predict(shop, checkpoint, "new.txt")
    table, _ = predict(shop, checkpoint, "away/reviews.csv")
    assert [good["row"], empty["row"], bad["row"]] == ["1", "2", "3"]
    assert float(good["probability_pos"]) == pytest.approx(float(table[3]["probability_pos"]), abs=1e-5)
    assert float(bad["probability_pos"]) == pytest.approx(float(table[4]["probability_pos"]), abs=1e-5)


def test_several_numbers_to_predict_are_named_after_their_columns(shop, run_on) -> None:
    checkpoint = run_on("sugar")
    done = shop.here("predict", "--ckpt_path", str(checkpoint), "--inputs", "away/sugar.csv")
    header, *rows, more = done.stdout.splitlines()
    assert header.split() == ["row", "prediction_y", "prediction_z"]
    assert more == "… 422 more; --output FILE keeps them all"
    assert len(rows) == 20


def write_digits(folder, numbers):
    """Write some of the digits as PNG files."""
    folder.mkdir()
    for number in numbers:
        pixels = np.round(load_digits().images[number] * 255 / 16).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.png")


def test_pictures_of_digits_whatever_their_colours(shop, run_on) -> None:
    checkpoint = run_on("digits")
    shop.here("predict", "--ckpt_path", str(checkpoint))
    test = read((shop.folder / checkpoint).parents[1] / "predictions.csv")[:40]
    folder = shop.folder / "digits"
    write_digits(folder, [int(row["index"]) for row in test])
    for number, path in enumerate(sorted(folder.iterdir())):
        if number % 2:
            Image.open(path).convert("RGB").save(path)
    new, said = predict(shop, checkpoint, "digits")
    assert not said
    for old, row in zip(test, new, strict=True):
        assert row["file"] == f"{int(old['index']):04}.png"
        assert float(row[f"probability_{old['prediction']}"]) == pytest.approx(
            float(old[f"probability_{old['prediction']}"]), abs=0.02
        )
    Image.open(folder / new[0]["file"]).resize((30, 24)).save(folder / "large.png")
    larger, said = predict(shop, checkpoint, "digits")
    assert "1 of 41 images are not 8×8 pixels, as all in training were" in said
    assert len(larger) == 41


def test_what_cannot_be_read_is_named_and_the_rest_is_predicted(shop, run_on) -> None:
    checkpoint, folder = run_on("digits"), shop.folder / "mixed"
    write_digits(folder, range(5))
    (folder / "0001a.png").write_bytes(b"")
    (folder / "0002.png").write_bytes((folder / "0002.png").read_bytes()[:60])
    new, said = predict(shop, checkpoint, "mixed", status=1)
    assert [row["file"] for row in new] == ["0000.png", "0001.png", "0003.png", "0004.png"]
    assert "mixed/0001a.png: the file is empty\n" in said
    assert "mixed/0002.png: " in said
    assert said.endswith("holdout: 2 files could not be read\n")
    for path in folder.glob("000[0134]*.png"):
        path.write_bytes(b"")
    (shop.folder / "new.csv").write_text("before")
    done = shop.here("predict", "--ckpt_path", str(checkpoint), "--inputs", "mixed", "--output", "new.csv", status=2)
    assert done.stderr.endswith("holdout: error: mixed: none of 6 files could be read\n")
    assert (shop.folder / "new.csv").read_text() == "before"
    assert not list(shop.folder.glob(".new.csv*"))


def test_parquet_holds_the_same_as_csv(shop, run_on) -> None:
    checkpoint = run_on("irises")
    rows, _ = predict(shop, checkpoint, "away/irises.csv", "--data.eval_batch_size", "40")
    here = ("predict", "--ckpt_path", str(checkpoint), "--inputs", "away/irises.csv", "--output")
    shop.here(*here, "new.parquet")
    frame = pd.read_parquet(shop.folder / "new.parquet")
    assert frame.columns.tolist() == list(rows[0])
    assert frame["row"].tolist() == list(range(2, 152))
    assert frame["probability_setosa"].tolist() == pytest.approx(
        [float(row["probability_setosa"]) for row in rows], abs=1e-5
    )
    assert "name a .csv or .parquet or .pq file" in shop.here(*here, "new.xlsx", status=2).stderr


def test_columns_that_are_missing_and_categories_that_are_new(shop, run_on) -> None:
    checkpoint, lines = run_on("irises"), (shop.folder / "away/irises.csv").read_text().splitlines()
    rows = [line.split(";") for line in lines]
    short = [";".join((row[0], row[3], row[4])) for row in rows]
    (shop.folder / "short.csv").write_text("\n".join(short))
    here = ("predict", "--ckpt_path", str(checkpoint), "--inputs")
    error = shop.here(*here, "short.csv", status=2).stderr
    assert error == "holdout: error: short.csv has no columns 'b', 'c', which the model was trained on\n"
    moved = [";".join([*row[:4], "elsewhere" if row[4] == "x" else row[4]]) for row in rows]
    (shop.folder / "moved.csv").write_text("\n".join(moved))
    _, said = predict(shop, checkpoint, "moved.csv")
    assert said == "warning: moved.csv: 50 cells hold categories that training did not see\n"
    (shop.folder / "dots.csv").write_text("\n".join(line.replace(",", ".") for line in lines))
    assert (
        "dots.csv, row 2, column 'a': '5.1' is not a number in the form"
        in shop.here(*here, "dots.csv", status=2).stderr
    )


@pytest.mark.parametrize(
    ("kind", "words", "complaint"),
    [
        ("irises", "--inputs nowhere.csv", "nowhere.csv does not exist; name a file or a folder of new inputs"),
        (
            "irises",
            "--inputs runs/irises/version_0/checkpoints",
            "runs/irises/version_0/checkpoints holds no file that ends in .csv",
        ),
        ("irises", "--inputs away --model.network.dropout 0.1", "--model.network.dropout: the model is that of the "),
        ("irises", "--inputs away --trainer.devices 2", "trainer.devices: 2: new inputs are predicted on one device"),
        ("digits", "--inputs away/irises.csv", "away/irises.csv: not an image"),
        ("arrays", "--inputs wide.npy", "wide.npy has 5 features a step; the model takes 2"),
        ("moves", "--inputs other.csv", "other.csv has no column 'north', which the model was trained on"),
        ("reviews", "--inputs other.csv", "other.csv has no column 'review' (data.text)"),
    ],
)
def test_what_the_model_does_not_take_is_one_line(shop, run_on, kind, words, complaint) -> None:
    checkpoint = run_on(kind)
    run_on("irises")
    np.save(shop.folder / "wide.npy", np.zeros((4, 5)))
    (shop.folder / "other.csv").write_text("east,up\n1,2\n3,4\n")
    error = shop.here("predict", "--ckpt_path", str(checkpoint), *words.split(), status=2).stderr
    assert error.startswith(f"holdout: error: {complaint}")
    assert error.count("\n") == 1


def calibrated(shop, checkpoint, data, name) -> str:
    """Calibrate a copy of a run with its data, which is put away again; return the copy's checkpoint."""
    shutil.copytree((shop.folder / checkpoint).parents[1], shop.folder / "runs" / name / "version_0")
    copy = f"runs/{name}/version_0/checkpoints/best.ckpt"
    (shop.folder / "away" / data).rename(shop.folder / data)
    shop.here("calibrate", "--ckpt_path", copy, "--coverage", "0.5")
    (shop.folder / data).rename(shop.folder / "away" / data)
    return copy


def test_a_calibrated_regression_has_intervals(shop, run_on) -> None:
    checkpoint = calibrated(shop, run_on("sugar"), "sugar.csv", "intervals")
    rows, _ = predict(shop, checkpoint, "away/sugar.csv")
    for row in rows:
        for name in ("y", "z"):
            below, value, above = (float(row[f"{end}_{name}"]) for end in ("lower", "prediction", "upper"))
            assert below < value < above


@pytest.mark.parametrize("output", ["away/irises.csv", "folder/irises.csv"])
def test_what_is_read_is_not_replaced(shop, run_on, output) -> None:
    checkpoint = run_on("irises")
    (shop.folder / "folder").mkdir(exist_ok=True)
    shutil.copy(shop.folder / "away" / "irises.csv", shop.folder / "folder")
    inputs, before = output.replace("folder/irises.csv", "folder"), (shop.folder / output).read_bytes()
    said = shop.here("predict", "--ckpt_path", str(checkpoint), "--inputs", inputs, "--output", output, status=2).stderr
    assert said == f"holdout: error: --output {output} would replace what is read from {inputs}; name another\n"
    assert (shop.folder / output).read_bytes() == before
