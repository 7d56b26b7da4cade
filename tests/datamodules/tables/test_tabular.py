"""Tables: encoded by the training part alone, and a trained model takes new rows."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules import BreastCancer, DataError, Diabetes, Iris, SplitOptions, Tabular, Thermometer, Wine
from datamodules.splitting.given import table_of
from datamodules.tables.reading import read_table
from models import Classifier
from models.networks import TableMLP

RANDOM = np.random.default_rng(0)
TOWNS = RANDOM.choice([f"town {k}" for k in range(40)], 200)
SIZES = RANDOM.normal(10, 3, 200)
KINDS = ["big" if size > 10 else "small" for size in SIZES]
ROWS = [
    f"{SIZES[k] if k % 9 else ''},{TOWNS[k]},{'yes' if k % 3 else ''},2026-01-{1 + k % 28:02},{KINDS[k]}"
    for k in range(200)
]
TABLE = "\n".join(["size,town,member,since,kind", *ROWS]) + "\n"


@pytest.fixture
def table(tmp_path):
    """Write a table; return its path."""

    def write(text=TABLE):
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_each_column_is_encoded_by_the_training_part_alone(table):
    data = Tabular(table(), "kind")
    data.setup()
    assert data.class_names == ("big", "small")
    size, town, member, since = data.encodings
    train = data.split.train
    known = [SIZES[k] for k in train if k % 9]
    assert size.fill == pytest.approx(np.median(known))
    assert size.gaps
    assert town.values == tuple(sorted({TOWNS[k] for k in train}))
    assert member.values == ("", "yes")
    assert since.center == pytest.approx(np.mean([20454 + k % 28 for k in train]))
    assert data.input_shape == (2 + len(town.values) + 2 + 1,)
    assert data.category_blocks == [(2, len(town.values))]


def test_the_manifest_keeps_the_encodings_as_plain_values(table):
    data = Tabular(table(), "kind")
    data.setup()
    columns = json.loads(json.dumps(data.manifest))["columns"]
    assert [column["name"] for column in columns] == ["size", "town", "member", "since"]
    assert columns[1]["values"] == list(data.encodings[1].values)


def test_what_a_split_holds_does_not_depend_on_the_encodings(table):
    whole, small = Tabular(table(), "kind"), Tabular(table(), "kind", split=SplitOptions(train_size=20))
    whole.setup()
    small.setup()
    assert whole.manifest["source"]["sha256"] == small.manifest["source"]["sha256"]
    assert whole.manifest["parts"]["test"] == small.manifest["parts"]["test"]
    assert len(small.encodings[1].values) < len(whole.encodings[1].values)
    assert "cells hold values that training did not see" in small.describe()


def test_a_trained_model_takes_new_rows_and_its_checkpoint_knows_how(table, quiet_trainer, tmp_path):
    data = Tabular(table(), "kind", batch_size=16)
    torch.manual_seed(0)
    network = TableMLP(data.input_shape, data.num_classes, data.category_blocks)
    model, trainer = Classifier(network, data.num_classes), quiet_trainer(max_epochs=15)
    trainer.fit(model, data)
    assert trainer.test(model, data, verbose=False)[0]["test/accuracy"] > 0.75
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    again = Classifier.load_from_checkpoint(tmp_path / "one.ckpt").eval()
    frame, _ = read_table(Path(table()))
    rows = data.encode(frame)
    with torch.no_grad():
        expected = torch.cat(trainer.predict(model, data))
        torch.testing.assert_close(again(rows[data.split.test]).softmax(-1), expected)
    frame.loc[0, "town"] = "nowhere"
    assert data.encode(frame)[0, 1].isnan()
    with pytest.raises(DataError, match="the rows have no column 'town'"):
        data.encode(frame.drop(columns="town"))


def test_a_model_in_half_precision_still_tells_times_apart(table, quiet_trainer):
    text = "time,kind\n" + "".join(
        f"{1_700_000_000 + 10 * k},{'ab'[k % 2]}\n" for k in np.random.default_rng(0).permutation(99)
    )
    data = Tabular(table(text), "kind", features=["time"])
    model = Classifier(TableMLP(data.input_shape, 2), 2)
    quiet_trainer(max_epochs=1).fit(model, data)
    prepared = model.bfloat16().preprocessing(data.samples.inputs)
    assert len(prepared.unique()) == 99


def test_columns_that_are_no_features_are_left_out_by_name_and_can_be_brought_back(table):
    text = "\n".join(f"{k},{line}" for k, line in enumerate(TABLE.splitlines(), start=-1)).replace("-1,", ",", 1)
    with pytest.warns(UserWarning, match="the column '' has no name"):
        data = Tabular(table(text), "kind")
    assert [column.name for column in data.columns] == ["size", "town", "member", "since"]
    assert "1 left out" in data.describe()
    assert len(Tabular(table(text), "kind", features=["", "size"]).columns) == 2


def test_a_column_that_tells_the_class_is_warned_about(table):
    with pytest.warns(UserWarning, match="the column 'size' alone tells the target"):
        Tabular(table(), "kind")
    with warnings.catch_warnings(action="error"):
        Tabular(table(), "kind", features=["town", "since"])


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
    text = "x,height\n" + "".join(f"{k % 7},{k * k / 7}\n" for k in range(40))
    data = Tabular(table(text), "height", stratify_bins=4, split=SplitOptions(test_size=8, val_size=8))
    data.setup()
    for part in data.split.parts().values():
        assert np.bincount(part // 10, minlength=4).min() == len(part) // 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "colour"}, "no column 'colour'; there are size, town, member, since, kind"),
        ({"target": "kind", "features": ["depth"]}, "no column 'depth'"),
        ({"target": "kind", "features": ["size", "kind"]}, "'kind' is the target"),
        ({"target": "kind", "features": ["size", "size"]}, "name each column once"),
        ({"target": "kind", "stratify_bins": 3}, "stratify_bins is for continuous targets only"),
        ({"target": "kind", "mean": [0.0], "std": [1.0]}, r"standardised one by one; choose data\.scaling"),
    ],
)
def test_arguments_that_do_not_fit_the_table_are_refused(table, options, said):
    with pytest.raises(DataError, match=said):
        Tabular(table(), **options)


def test_a_table_without_a_feature_is_refused(table):
    with pytest.raises(DataError, match="no column beside the target 'kind'"):
        Tabular(table("kind\na\nb\na\nb\n"), "kind")


def test_a_number_that_single_precision_cannot_hold_is_refused_by_row_and_column(table):
    rows = "".join(f"{k % 5},{'xy'[k % 2]}\n" for k in range(39))
    data = Tabular(table(f"a,b\n{rows}1e300,x\n"), "b", scaling="robust")
    with pytest.raises(DataError, match="row 41, column 'a': the number is too far"):
        data.setup()


def test_a_column_of_weights_weighs_the_samples_and_is_no_feature(table):
    rows = "".join(f"{k % 7},{1 + k % 3},{'xy'[k % 2]}\n" for k in range(60))
    data = Tabular(table(f"a,w,b\n{rows}"), "b", weights="w")
    data.setup()
    assert [column.name for column in data.columns] == ["a"]
    _, targets, weights = next(iter(data.train_dataloader()))
    assert weights.shape == targets.shape
    train = data.split.train
    assert data.samples.weights[train].sum() == sum(1 + k % 3 for k in train)
    with pytest.raises(DataError, match="the weights in the column 'b' must be numbers"):
        Tabular(table(f"a,w,b\n{rows}"), "a", weights="b")


@pytest.mark.parametrize("missing", ["", "NA", " ", "?"])
def test_rows_without_a_target_are_left_out_and_the_others_keep_their_numbers(table, missing):
    rows = "".join(f"{k % 7},{missing if k % 10 == 3 else 'xy'[k % 2]}\n" for k in range(60))
    with pytest.warns(UserWarning, match="6 rows have no target and are left out, the first row 5"):
        data = Tabular(table(f"a,b\n{rows}"), "b")
    data.setup()
    assert data.class_names == ("x", "y")
    assert data.identify(torch.tensor([0, 3, 53])) == {"index": [0, 3, 53], "row": [2, 6, 61]}
    with pytest.raises(DataError, match="no row has a target"):
        Tabular(table("a,b\n1,\n2,\n"), "b")


def test_a_message_names_the_row_of_the_file_whatever_is_left_out(table):
    rows = "".join(f"{'inf' if k == 20 else k % 7},{'' if k == 3 else 'xy'[k % 2]}\n" for k in range(60))
    with pytest.raises(DataError, match="row 22, column 'a': the number is infinite"):
        Tabular(table(f"a,b\n{rows}"), "b")


def test_a_test_with_other_encodings_is_refused(table):
    trained, other = Tabular(table(), "kind"), Tabular(table(), "kind", scaling="robust")
    trained.setup()
    other.setup()
    recorded = json.loads(json.dumps(trained.manifest))
    Tabular(table(), "kind").check_same_split(recorded)
    with pytest.raises(DataError, match="the column 'size' was encoded otherwise in training"):
        other.check_same_split(recorded)


def test_a_test_with_other_columns_is_refused(table):
    trained, other = Tabular(table(), "kind"), Tabular(table(), "kind", features=["town", "since"])
    trained.setup()
    with pytest.raises(DataError, match="the columns were size, town, member, since, now they are town, since"):
        other.check_same_split(json.loads(json.dumps(trained.manifest)))


def test_the_parts_of_a_run_by_groups_are_given_to_another_run(table, tmp_path):
    rows = "".join(f"{k % 30},{k * k % 97},{'xy'[k % 3 > 0]}\n" for k in range(300))
    path = table(f"patient,a,b\n{rows}")
    grouped = Tabular(path, "b", split=SplitOptions(groups="patient"))
    grouped.setup()
    (tmp_path / "split.json").write_text(json.dumps(grouped.manifest))
    (tmp_path / "split.csv").write_text(table_of(grouped.split.parts(), None))
    given = Tabular(path, "b", features=["a"], split=SplitOptions(given=str(tmp_path / "split.csv")))
    given.setup()
    assert all((given.split.parts()[part] == indices).all() for part, indices in grouped.split.parts().items())


def test_spaces_do_not_make_another_group_and_a_missing_group_is_refused(table):
    rows = "".join(f"p{k % 30}{' ' * (k % 2)},{k * k % 97},{'xy'[k % 3 > 0]}\n" for k in range(300))
    data = Tabular(table(f"patient,a,b\n{rows}"), "b", split=SplitOptions(groups="patient"))
    data.setup()
    parts = [set(indices % 30) for indices in data.split.parts().values()]
    assert sum(map(len, parts)) == 30
    with pytest.raises(DataError, match=r"split\.groups"):
        Tabular(table(f"patient,a,b\n{rows}NA,1,x\n"), "b", split=SplitOptions(groups="patient")).setup()


def test_new_rows_of_another_kind_are_refused_by_column(table):
    data = Tabular(table(), "kind")
    frame, _ = read_table(Path(table()))
    frame["size"] = "abc"
    with pytest.raises(DataError, match="row 2, column 'size': 'abc' is not a number in the form"):
        data.encode(frame)


@pytest.mark.parametrize("options", [{"target": ["size", "size"]}, {"target": "kind", "weights": "kind"}])
def test_a_column_has_one_part_to_play(table, options):
    with pytest.raises(DataError, match="name each column once"):
        Tabular(table(), **options)


def test_weights_and_balanced_batches_are_refused_together(table):
    rows = "".join(f"{k % 7},{1 + k % 3},{'xy'[k % 2]}\n" for k in range(60))
    data = Tabular(table(f"a,w,b\n{rows}"), "b", weights="w", balanced_batches=True)
    with pytest.raises(DataError, match="balanced_batches: samples have weights"):
        data.train_dataloader()


def test_columns_of_many_values_are_named_in_one_line(table):
    rows = "".join(f"n{k % 70},t{k % 60},u{k % 50},v{k % 40},{k % 3},{'xy'[k % 2]}\n" for k in range(300))
    words = Tabular(table(f"name,text,user,visit,a,b\n{rows}"), "b").describe()
    assert "categories of many values: 'name' has 70, 'text' has 60, 'user' has 50, 1 more column" in words
    assert "many values" not in Tabular(table(f"name,text,user,visit,a,b\n{rows}"), "b", features=["a"]).describe()


def test_several_continuous_targets_are_stratified_by_all(table):
    draw = np.random.default_rng(0)
    rows = "".join(f"{draw.normal()},{draw.normal()},{draw.normal()}\n" for _ in range(100))
    options = {"split": SplitOptions(test_size=20, val_size=20), "stratify_bins": 4}
    data = Tabular(table(f"x,p,q\n{rows}"), ["p", "q"], **options)
    data.setup()
    for target in data.target.values.T:
        ranks = target.argsort().argsort() // 25
        for part in data.split.parts().values():
            counts = np.bincount(ranks[part], minlength=4)
            assert abs(counts - len(part) / 4).max() <= 1
    with pytest.raises(DataError, match="stratify_bins: 1 bins"):
        Tabular(table(f"x,p,q\n{rows}"), ["p", "q"], stratify_bins=1).setup()


def test_a_new_row_is_read_as_the_training_file_was(table):
    rows = "".join(f"{k % 9},{k % 10}0;{1 + k % 28:02d}/01/2026;{'xy'[k % 2]}\n" for k in range(60))
    data = Tabular(table(f"price;day;kind\n{rows}"), "kind")
    data.setup()
    row = read_table(Path(table("price;day;kind\n1,50;02/01/2026;x\n")))[0]
    assert data.encode(row).tolist() == [[1.5, 20455]]
    assert data.manifest["columns"][1]["form"]["date"] == "%d/%m/%Y"


@pytest.mark.parametrize("rows", ["1,x\n", "1,x\n2,y\n", "1,x\n2,y\n3,\n"])
def test_a_table_of_fewer_rows_than_parts_is_refused(table, rows):
    with pytest.raises(DataError, match=r"has [12] row\(s\) with a target"):
        Tabular(table(f"a,b\n{rows}"), "b")
