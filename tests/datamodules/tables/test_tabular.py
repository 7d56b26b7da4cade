"""Tables: features standardised by the training part, what is missing or no number named by row and column."""

import numpy as np
import pytest
import torch

from datamodules import BreastCancer, DataError, Diabetes, Iris, SplitOptions, Tabular, Thermometer, Wine

TABLE = "width, height,kind\n" + "".join(f"{k},{k * k / 7},{'even' if k % 2 == 0 else 'odd'}\n" for k in range(40))


@pytest.fixture
def table(tmp_path):
    """Write a table; return its path."""

    def write(text=TABLE):
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_texts_of_the_target_column_are_the_classes_in_order(table):
    data = Tabular(table(), "kind")
    data.setup()
    assert data.class_names == ("even", "odd")
    assert (data.num_classes, data.num_outputs, data.input_shape) == (2, 2, (2,))
    assert data.samples.targets.tolist() == [k % 2 for k in range(40)]
    assert data.samples.inputs[:, 0].tolist() == list(range(40))


def test_a_continuous_target_is_a_column_of_numbers(table):
    data = Tabular(table(), "height", continuous=True, features=["width"])
    data.setup()
    assert (data.num_classes, data.num_outputs, data.input_shape) == (0, 1, (1,))
    train = data.samples.targets[torch.from_numpy(data.split.train)].double()
    assert data.target_mean == pytest.approx([train.mean().item()])
    assert data.target_std == pytest.approx([train.std(correction=0).item()])


@pytest.mark.parametrize("make", [BreastCancer, Iris, Wine, Diabetes, Thermometer])
def test_each_feature_is_measured_on_the_training_part_alone(make):
    data = make(**({"split": SplitOptions(val_size=2, test_size=2)} if make is Thermometer else {}))
    (inputs, targets), *_ = make_batches(data)
    mean, std = (torch.tensor(data.preprocessing[name]) for name in ("mean", "std"))
    inputs = (inputs - mean) / std
    assert inputs.mean(0).abs().max() < 1e-4
    assert (inputs.std(0, correction=0) - 1).abs().max() < 1e-3
    assert inputs.shape[1:] == data.input_shape
    assert targets.dtype == (torch.int64 if data.class_names else torch.float64)


def make_batches(data):
    data.batch_size = 10_000
    return [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]


def test_bins_of_a_continuous_target_are_spread_evenly(table):
    data = Tabular(
        table(),
        "height",
        continuous=True,
        features=["width"],
        stratify_bins=4,
        split=SplitOptions(test_size=8, val_size=8),
    )
    data.setup()
    for part in data.split.parts().values():
        assert np.bincount(part // 10, minlength=4).min() == len(part) // 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TABLE.replace("3,1.2857142857142858,odd", "3,,odd"), r"row 5, column 'height': the value is missing"),
        (TABLE.replace("3,1.2857142857142858,odd", "3,NA,odd"), r"row 5, column 'height': the value is missing"),
        (TABLE.replace("3,1.2857142857142858,odd", "3,1.28,?"), r"row 5, column 'kind': the value is missing"),
        (TABLE.replace("3,1.2857142857142858,odd", "3,tall,odd"), r"row 5, column 'height': 'tall' is not a number"),
        (TABLE.replace("3,1.2857142857142858,odd", "3,inf,odd"), r"row 5, column 'height': 'inf' is not a number"),
        (TABLE.replace("3,1.2857142857142858,odd", "3,odd"), r"row 5: 2 values, but 3 columns"),
        ("width,height,kind\n", "has no rows"),
        ("", "has no rows"),
        ("kind\nodd\n", "no column beside the target"),
        ("width,width,kind\n1,2,odd\n", "two columns 'width'"),
    ],
)
def test_what_is_wrong_with_a_table_is_named_by_row_and_column(table, text, said):
    with pytest.raises(DataError, match=said):
        Tabular(table(text), "kind")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "colour"}, "no column 'colour'; there are width, height, kind"),
        ({"target": "kind", "features": ["depth"]}, "no column 'depth'"),
        ({"target": "kind", "continuous": True}, "column 'kind': 'even' is not a number"),
        ({"target": "kind", "stratify_bins": 3}, "stratify_bins is for continuous targets only"),
    ],
)
def test_arguments_that_do_not_fit_the_table_are_refused(table, options, said):
    with pytest.raises(DataError, match=said):
        Tabular(table(), **options)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x80")
    for name in ("binary.csv", "nowhere.csv"):
        with pytest.raises(DataError, match=name):
            Tabular(str(tmp_path / name), "kind")


@pytest.mark.parametrize(
    ("features", "words"),
    [(["width", "kind"], "'kind' is the target"), (["width", "width"], "name each column once")],
)
def test_features_that_tell_the_answer_or_repeat_are_refused(table, features, words):
    with pytest.raises(DataError, match=words):
        Tabular(table(), "kind", features=features)


def test_numbers_to_predict_are_no_classes(table):
    with pytest.raises(DataError, match=r"40 different values among 40 .*'height'.*data.continuous true"):
        Tabular(table(), "height", features=["width"])


def test_semicolons_and_a_missing_file_are_named(table, tmp_path):
    with pytest.raises(DataError, match="semicolons"):
        Tabular(table("a;b\n1;2\n"), "b")
    with pytest.raises(DataError, match="does not exist"):
        Tabular(str(tmp_path / "none.csv"), "b")


def test_a_number_too_large_for_single_precision_is_refused(table):
    with pytest.raises(DataError, match="row 2, column 'a': '4e38' is not a number"):
        Tabular(table("a,b\n4e38,x\n1,x\n2,y\n3,y\n"), "b")
