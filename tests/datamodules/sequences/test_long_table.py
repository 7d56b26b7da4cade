"""Sequences in a long table: rows find their sequence and their order, targets their steps, faults their row."""

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules import DataError, SequenceFiles
from models import Classifier
from models.networks import Recurrent
from models.preprocessing import Preprocessing


def table(count=40, seed=0):
    """Return rows of sequences that rise or fall, interleaved, each in the order of its time."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        rises = number % 2
        for time in range(random.integers(3, 9)):
            value = (2 * rises - 1) * time + random.normal(scale=0.1)
            rows.append({"sequence": f"s{number}", "time": time, "x": value, "y": 1.5, "target": f"0{rises}"})
    return pd.DataFrame(rows)


def write(frame, path):
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return str(path)


def read(frame, tmp_path, name="long.csv", **options):
    data = SequenceFiles(write(frame, tmp_path / name), **options)
    data.setup()
    return data


@pytest.mark.parametrize("name", ["long.csv", "long.parquet"])
def test_rows_in_any_order_become_sequences_in_the_order_of_time(tmp_path, name):
    frame = table()
    shuffled = frame.sample(frac=1, random_state=0)
    data = read(shuffled, tmp_path, name, time="time")
    assert data.class_names == ("00", "01"), "as the file says"
    assert data.samples.targets.shape == (40,)
    assert data.input_shape == (8, 2), "the time is not a feature unless it is named"
    for number, key in enumerate(shuffled["sequence"].unique()):
        own = frame[frame["sequence"] == key]
        assert torch.equal(data.samples.inputs[number], torch.tensor(own[["x", "y"]].to_numpy(), dtype=torch.float32))
        assert data.class_names[data.samples.targets[number]] == own["target"].iloc[0]
    assert "a class for each sequence" in data.describe()


def test_dates_order_rows_and_the_order_of_the_file_is_kept_without_a_time(tmp_path):
    frame = table()
    dates = pd.Timestamp("2024-01-30") + pd.to_timedelta(frame.pop("time"), unit="D")
    frame["day"] = dates.dt.strftime("%Y-%m-%d")
    for options in ({"time": "day"}, {"features": ["x", "y"]}):
        given = frame.iloc[::-1] if "time" in options else frame
        data = read(given, tmp_path, **options)
        first = frame[frame["sequence"] == given["sequence"].iloc[0]]
        assert torch.equal(data.samples.inputs[0][:, 0], torch.tensor(first["x"].to_numpy()).float())


def test_targets_that_change_within_a_sequence_are_of_steps_and_gaps_have_none(tmp_path):
    frame = table()
    frame["target"] = np.where(frame["x"] > 0, "up", "down")
    frame.loc[frame.index % 5 == 1, "target"] = ""
    data = read(frame, tmp_path, time="time")
    labels = data.samples.targets
    for number, (_, own) in enumerate(frame.groupby("sequence", sort=False)):
        expected = [{"down": 0, "up": 1, "": -100}[label] for label in own["target"]]
        assert labels[number].tolist() == expected + [-100] * (labels.shape[1] - len(expected))


@pytest.mark.parametrize(("per_step", "shape"), [(False, (40, 1)), (True, (40, 8, 1))])
def test_numbers_are_continuous_targets_of_sequences_or_of_steps(tmp_path, per_step, shape):
    frame = table()
    by_sequence = frame.groupby("sequence")["x"]
    frame["target"] = by_sequence.cumsum() if per_step else by_sequence.transform("mean")
    frame["target"] = frame["target"].astype(object)
    if per_step:
        frame.loc[frame.index % 5 == 1, "target"] = ""
    data = read(frame, tmp_path, features=["x"])
    assert data.class_names == ()
    assert data.samples.targets.shape == shape
    assert data.num_outputs == 1
    train = data.targets[data.split.train]
    known = train[~train.isnan()].double()
    assert data.target_mean == pytest.approx([known.mean().item()])
    assert data.target_std == pytest.approx([known.std(correction=0).item()])


def test_whole_numbers_are_classes_if_they_are_few_and_the_user_can_say_otherwise(tmp_path):
    frame = table()
    frame["target"] = frame.groupby("sequence").ngroup() % 3
    assert read(frame, tmp_path).class_names == ("0", "1", "2")
    assert read(frame, tmp_path, continuous=True).class_names == ()
    frame["target"] = frame.groupby("sequence").ngroup()
    assert read(frame, tmp_path).class_names == ()


def test_unix_times_ten_seconds_apart_stay_apart(tmp_path):
    frame = table()
    frame["x"] = 1.7e9 + 10 * np.random.default_rng(0).permutation(len(frame))
    data = read(frame, tmp_path, features=["x"])
    prepare = Preprocessing(**data.preprocessing)
    standardised = prepare(data.samples.inputs[:], torch.float32)
    assert standardised.values.dtype == torch.float32
    true = torch.arange(standardised.values.shape[1]) < standardised.lengths.unsqueeze(1)
    assert len(standardised.values[true].unique()) == len(frame)
    assert data.normalization.std[0] == pytest.approx(10 * np.std(np.arange(len(frame))), rel=0.1)


@pytest.mark.parametrize("per_step", [False, True])
def test_weights_are_a_column_that_is_the_same_in_a_sequence(tmp_path, quiet_trainer, per_step):
    frame = table()
    frame["w"] = frame["sequence"].str[1:].astype(int) % 3 + 0.5
    if per_step:
        frame["target"] = np.where(frame["x"] > 0, "up", "down")
    data = read(frame, tmp_path, weights="w")
    assert data.samples.weights.tolist() == [number % 3 + 0.5 for number in range(40)]
    assert data.input_shape == (8, 3), "w is not a feature"
    network = Recurrent(data.input_shape, 2, hidden_size=4, output="every" if per_step else "last")
    quiet_trainer(max_epochs=1).fit(Classifier(network, 2), data)
    frame.loc[0, "w"] = 9
    with pytest.raises(DataError, match=r"the column 'w' changes within the sequence 's0'"):
        read(frame, tmp_path, weights="w")
    with pytest.raises(DataError, match=r"the weights in the column 'w' must be numbers"):
        read(frame.assign(w="heavy"), tmp_path, weights="w")
    with pytest.raises(DataError, match="'w' is not a feature"):
        read(frame, tmp_path, weights="w", features=["x", "w"])


def spoiled(**cells):
    frame = table().astype(object)
    for name, value in cells.items():
        frame.loc[6, name] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (spoiled(x="high"), {}, r"row 8, column 'x': 'high' is not a number.*data\.features chooses"),
        (spoiled(x=""), {}, r"row 8, column 'x': the value is missing \(1 in all are\); fill them in.*data\.features"),
        (spoiled(x="inf"), {}, "row 8, column 'x': the number is infinite"),
        (spoiled(sequence=""), {}, "row 8, column 'sequence': the sequence is missing"),
        (spoiled(time="soon"), {"time": "time"}, "row 8, column 'time': 'soon' is not a number, as the others are"),
        (table(), {"target": "label"}, r"no column 'label' \(data\.target\); there are sequence, time, x"),
        (table(), {"sequence": "patient"}, r"no column 'patient' \(data\.sequence\)"),
        (table(), {"features": ["target"]}, "'target' is not a feature"),
        (table()[["sequence", "target"]], {}, "no features"),
        (table(1), {}, "holds 1 sequence"),
        (table().iloc[:0], {}, "has no rows below a header"),
        (table().assign(target=""), {}, "no row has a value in the column 'target', the target"),
        (table().assign(target=table()["sequence"]), {"continuous": True}, "'s0' is not a number"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line_that_names_it(tmp_path, frame, options, message):
    with pytest.raises(DataError, match=message) as refused:
        read(frame, tmp_path, **options)
    assert "\n" not in str(refused.value)
    assert "long.csv" in str(refused.value) or "features" in message or "feature" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows below a header"),
        ("sequence,x,target\na,1,2\na,1\n", "line 3: 2 values, but 3 columns"),
        ("sequence,x,target\na,1,2,3\n", "Expected 3 fields in line 2, saw 4"),
        ("sequence,x,x\na,1,2\n", "two columns 'x'"),
        ('sequence,x,target\na,1,"2\nb,1,2\n', r"EOF inside string"),
        ("sequence,x,target\na,1,é\n".encode("latin-1"), "holds 1 sequence"),
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "broken.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message) as refused:
        SequenceFiles(str(tmp_path / "broken.csv"))
    assert "broken.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_decimal_commas_thousands_dates_and_truth_are_numbers(tmp_path):
    frame = table().drop(columns="y")
    written = frame.assign(
        x=[f"{x:.4f}".replace(".", ",") for x in frame["x"]],
        price=[f"{1_000_000 + 500 * number:,}".replace(",", ".") + ",5" for number in range(len(frame))],
        day=[f"{1 + time:02}.03.2024" for time in frame["time"]],
        on=np.where(frame["time"] % 2, "True", "False"),
    )
    written.to_csv(tmp_path / "long.csv", index=False, sep=";")
    data = SequenceFiles(str(tmp_path / "long.csv"), time="time")
    values = data._recorded.values
    assert np.allclose(values[:, 0], frame["x"].round(4))
    assert np.allclose(values[:, 1], 1_000_000.5 + 500 * np.arange(len(frame)))
    assert np.allclose(values[:, 2] - values[0, 2], frame["time"])
    assert values[:, 3].tolist() == (frame["time"] % 2).tolist()


def test_numeric_classes_are_in_the_order_of_numbers_and_none_may_be_a_class(tmp_path):
    frame = table()
    frame["target"] = np.array(["100", "9", "10"])[frame.groupby("sequence").ngroup() % 3]
    assert read(frame, tmp_path).class_names == ("9", "10", "100")
    frame["target"] = np.where(frame["target"] == "9", "None", frame["target"])
    assert "None" in read(frame, tmp_path).class_names


def test_counters_of_rows_are_left_out_and_unsorted_times_are_said(tmp_path):
    frame = table().reset_index(names="row").sort_values("target")
    frame["row"] = np.arange(len(frame))
    with pytest.warns(UserWarning, match=r"'row' counts the rows of the table and is left out"):
        data = read(frame, tmp_path)
    assert data.input_shape == (8, 3)
    frame.to_csv(tmp_path / "index.csv")
    with pytest.warns(UserWarning, match=r"'' has no name and is left out"):
        assert SequenceFiles(str(tmp_path / "index.csv"), features=None).input_shape == (8, 3)
    shuffled = table().sample(frac=1, random_state=0)
    with pytest.warns(UserWarning, match=r"'time' goes up and down within a sequence; data\.time time puts"):
        read(shuffled, tmp_path)
    assert read(frame, tmp_path, features=["row"]).input_shape == (8, 1)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_a_byte_order_mark_are_read(tmp_path, separator):
    table().to_csv(tmp_path / "long.csv", index=False, sep=separator, encoding="utf-8-sig", lineterminator="\r\n")
    assert SequenceFiles(str(tmp_path / "long.csv")).input_shape == (8, 3)
