"""Sequences of different lengths: read from files, normalised by true steps, cut to the longest of a batch."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules import DataError, Samples, SequenceDataModule, SequenceFiles, Sequences, SplitOptions
from datamodules.sequences import ragged
from models import Classifier
from models.networks import Recurrent
from models.regularizers import LabelSmoothing


def make(path, count=60, kind="sequence", features=2, seed=0, **others):
    """Write sequences that rise or fall, and return them: (sequences, targets)."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 12, count)
    rising = random.integers(0, 2, count)
    noise = [random.normal(size=(length, features)) for length in lengths]
    values = [one + (2 * rise - 1) * np.arange(len(one))[:, None] for one, rise in zip(noise, rising, strict=True)]
    targets = rising
    if kind == "steps":
        targets = np.concatenate([(one[:, 0] > 0).astype(int) for one in values])
        targets[random.random(len(targets)) < 0.3] = -100
        targets[np.cumsum(lengths) - 1] = 1
    if kind == "numbers":
        targets = np.array([np.quantile(one, np.linspace(0, 1, 20)) for one in values])
    np.savez(path, **({"values": np.concatenate(values), "lengths": lengths, "targets": targets} | others))
    return [torch.tensor(one, dtype=torch.float32) for one in values], targets


class Equal(SequenceDataModule):
    """Fifty sequences of four steps, whose three features are of different sizes."""

    class_names = ("a", "b")
    input_shape = (4, 3)

    def load(self):
        random = torch.Generator().manual_seed(0)
        inputs = torch.randn(50, 4, 3, generator=random) * torch.tensor([1.0, 10.0, 100.0]) + 5
        return Samples(inputs, torch.arange(50) % 2)


def ready(data):
    data.setup()
    return data


def batches(data, loader):
    """Return a loader's batches as a network is given them."""
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


def test_an_npz_file_is_read_sequence_by_sequence(tmp_path):
    values, targets = make(tmp_path / "data.npz")
    data = ready(SequenceFiles(str(tmp_path / "data.npz")))
    assert data.input_shape == (max(map(len, values)), 2)
    assert data.class_names == ("0", "1")
    assert data.samples.targets.tolist() == targets.tolist()
    for row, sequence in enumerate(values):
        assert data.samples.lengths[row] == len(sequence)
        assert torch.equal(data.samples.inputs[row], sequence)


def test_a_folder_is_read_class_by_class(tmp_path):
    random = np.random.default_rng(0)
    arrays = {}
    for name in ("walk", "run"):
        (tmp_path / name).mkdir()
        for number in range(10):
            arrays[name, number] = random.normal(size=(random.integers(1, 6), 3)).astype(np.float32)
            np.save(tmp_path / name / f"{number}.npy", arrays[name, number])
    (tmp_path / "read me.txt").write_text("not a class")
    data = ready(SequenceFiles(str(tmp_path)))
    assert data.class_names == ("run", "walk")
    expected = [arrays[name, number] for name in ("run", "walk") for number in range(10)]
    assert data.samples.targets.tolist() == [0] * 10 + [1] * 10
    assert data.samples.lengths.tolist() == [len(array) for array in expected]
    for row, array in enumerate(expected):
        assert np.array_equal(data.samples.inputs[row], array)


@pytest.mark.parametrize("header", [["x", "y"], []])
def test_a_folder_of_csv_files_is_read_class_by_class(tmp_path, header):
    random = np.random.default_rng(0)
    arrays = []
    for name in ("01", "1"):
        (tmp_path / name).mkdir()
        for number in range(10):
            array = random.normal(size=(random.integers(1, 6), 2))
            columns = [1, 0] if header and number == 3 else [0, 1]
            lines = [",".join(header[column] for column in columns)] if header else []
            lines += [",".join(repr(float(row[column])) for column in columns) for row in array]
            (tmp_path / name / f"{number}.csv").write_text("\n".join(lines) + "\n")
            arrays.append(array)
    data = ready(SequenceFiles(str(tmp_path)))
    assert data.class_names == ("01", "1")
    for row, array in enumerate(arrays):
        assert np.array_equal(data.samples.inputs[row], array.astype(np.float32)), "columns are found by their names"


@pytest.mark.parametrize(
    "content",
    [
        "1.5,2\n-3,1200.25\n",
        "x;y\n1,5;2\n-3;1.200,25\n",
        ",x,y\n0,1.5,2\n1,-3,1200.25\n",
        "x\ty\n1.5\t2\n-3\t1200.25\n",
        "'x','y'\n'1.5','2'\n'-3','1200.25'\n",
    ],
)
def test_a_csv_file_is_read_as_any_table_is(tmp_path, content):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.csv").write_bytes(content.encode("utf-16"))
    recorded = SequenceFiles(str(tmp_path))._recorded
    assert recorded.values.tolist() == [[1.5, 2.0], [-3.0, 1200.25]] * 4


def test_all_files_of_a_folder_show_together_how_numbers_are_written(tmp_path):
    for name, content in (("a", "x;y\n1,5;7\n2.000,25;8\n"), ("b", "x;y\n3.000;9\n1,125;10\n")):
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.csv").write_text(content)
    values = SequenceFiles(str(tmp_path))._recorded.values
    assert values.tolist() == [[1.5, 7], [2000.25, 8]] * 2 + [[3000, 9], [1.125, 10]] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2\n3\n", r"2\.csv, line 2: 1 values, but 2 columns"),
        ("1,2\n3,high\n", r"2\.csv, row 2, column 'feature 1': 'high' is not a number"),
        ("1,2\n3,4\n5,\n", r"2\.csv, row 3, column 'feature 1': the value is missing; fill it in or remove the row"),
        ("1,2\n3,nan\n", r"2\.csv, row 2, column 'feature 1': the value is missing"),
        ("1,2\n3,inf\n", r"2\.csv, row 2, column 'feature 1': the number is infinite"),
        ("", r"2\.csv has no steps"),
        ("x,y\n", r"2\.csv has no steps"),
        ("x,y\n1,2\n", r"2\.csv has the columns x, y; .*1\.csv has feature 0, feature 1"),
        ("1,2,3\n", r"2\.csv has 3 features a step; .*1\.csv has 2"),
        ("x,x\n1,2\n", r"2\.csv has two columns of the same name"),
        ("x,y\n1,2,3\n", r"2\.csv cannot be read as a table: Expected 2 fields in line 2, saw 3"),
    ],
)
def test_a_csv_file_that_is_no_sequence_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.csv").write_text("1,2\n")
    (tmp_path / "a" / "2.csv").write_text(content)
    with pytest.raises(DataError, match=message) as refused:
        SequenceFiles(str(tmp_path))
    assert "\n" not in str(refused.value)


def test_continuous_targets_of_steps_are_padded_with_nan(tmp_path):
    values, _ = make(tmp_path / "data.npz")
    targets = np.concatenate([one[:, 0].cumsum(0).numpy() for one in values])
    targets[1] = np.nan
    steps = {"values": np.concatenate(values), "lengths": [len(one) for one in values], "targets": targets}
    np.savez(tmp_path / "steps.npz", **steps)
    data = ready(SequenceFiles(str(tmp_path / "steps.npz"), eval_batch_size=4))
    longest = max(map(len, values))
    assert data.samples.targets.shape == (60, longest, 1)
    for row, one in enumerate(values):
        expected = one[:, 0].numpy().cumsum(0)
        if row == 0:
            expected[1] = np.nan
        assert np.allclose(data.samples.targets[row, : len(one), 0], expected, equal_nan=True)
        assert data.samples.targets[row, len(one) :].isnan().all()
    for inputs, of_steps in batches(data, data.test_dataloader()):
        assert of_steps.shape == (*inputs.values.shape[:2], 1)


def test_sequences_that_no_memory_would_hold_together_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ragged, "LARGEST_PADDED", 2**20)
    lengths = [1] * 99 + [3_000]
    arrays = {"values": np.arange(5.0 * sum(lengths)).reshape(-1, 5), "lengths": lengths, "targets": np.arange(100) % 2}
    np.savez(tmp_path / "d.npz", **arrays)
    message = r"d\.npz: 100 sequences padded to the longest \(sequence 99, 3,000 steps\) take .*; at most"
    with pytest.raises(DataError, match=message):
        ready(SequenceFiles(str(tmp_path / "d.npz")))
    ready(SequenceFiles(str(tmp_path / "d.npz"), batch_size=8, eval_batch_size=8))
    np.savez(tmp_path / "steps.npz", **(arrays | {"targets": np.arange(sum(lengths)) % 2}))
    with pytest.raises(DataError, match=r"steps\.npz: 100 sequences padded .*: cut it into shorter ones"):
        ready(SequenceFiles(str(tmp_path / "steps.npz"), batch_size=8, eval_batch_size=8))


def test_options_of_a_long_table_are_refused_for_arrays(tmp_path):
    make(tmp_path / "data.npz")
    with pytest.raises(DataError, match=r"time is for a long table; .*data\.npz is not"):
        SequenceFiles(str(tmp_path / "data.npz"), time="t")


def test_sequences_of_numbers_have_one_feature(tmp_path):
    np.savez(tmp_path / "d.npz", values=np.arange(60), lengths=np.full(20, 3), targets=np.arange(20) % 2)
    data = ready(SequenceFiles(str(tmp_path / "d.npz")))
    assert data.input_shape == (3, 1)
    assert data.samples.inputs[1].flatten().tolist() == [3, 4, 5]


def test_floats_are_continuous_targets(tmp_path):
    _, targets = make(tmp_path / "data.npz", kind="numbers")
    data = ready(SequenceFiles(str(tmp_path / "data.npz"), batch_size=10))
    assert data.class_names == ()
    assert data.num_outputs == 20, "more than there are steps"
    assert data.targets.tolist() == targets.tolist(), "not a digit is lost"
    assert all(targets.shape == (len(inputs.lengths), 20) for inputs, targets in batches(data, data.val_dataloader()))


def test_classes_have_the_names_that_the_file_gives(tmp_path):
    make(tmp_path / "data.npz", class_names=np.array(["falls", "rises"]))
    assert SequenceFiles(str(tmp_path / "data.npz")).class_names == ("falls", "rises")


@given(lengths=st.lists(st.integers(1, 9), min_size=12, max_size=25), batch_size=st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_a_batch_is_cut_after_its_longest_sequence(tmp_path_factory, lengths, batch_size):
    path, lengths = tmp_path_factory.mktemp("data") / "data.npz", [9, *lengths]
    values, steps = np.random.default_rng(0).normal(size=(sum(lengths), 2)), np.arange(sum(lengths)) % 3
    np.savez(path, values=values, lengths=lengths, targets=steps, class_names=["a", "b", "c"])
    data = ready(
        SequenceFiles(
            str(path), eval_batch_size=batch_size, mean=[0.0], std=[1.0], split=SplitOptions(duplicates="drop")
        )
    )
    starts = np.cumsum(lengths) - lengths
    rest = data.split.test.tolist()
    for inputs, targets in batches(data, data.test_dataloader()):
        assert isinstance(inputs, Sequences)
        chosen, rest = rest[: len(targets)], rest[len(targets) :]
        assert inputs.lengths.tolist() == [lengths[index] for index in chosen]
        assert inputs.values.shape == (len(chosen), int(inputs.lengths.max()), 2)
        assert targets.shape == inputs.values.shape[:2]
        for row, index in enumerate(chosen):
            own = slice(starts[index], starts[index] + lengths[index])
            assert np.array_equal(inputs.values[row, : lengths[index]], values[own].astype(np.float32))
            assert targets[row].tolist()[: lengths[index]] == steps[own].tolist()
            assert (targets[row, lengths[index] :] == -100).all()
    assert rest == []


def test_each_feature_is_measured_on_the_true_steps_of_the_training_part(tmp_path):
    values, _ = make(tmp_path / "data.npz", features=3)
    data = ready(SequenceFiles(str(tmp_path / "data.npz"), eval_batch_size=7))
    steps = torch.cat([values[index] for index in data.split.train]).double()
    assert data.normalization.mean == pytest.approx(steps.mean(0).tolist(), rel=1e-5)
    assert data.normalization.std == pytest.approx(steps.std(0, correction=0).tolist(), rel=1e-5)


def test_sequences_of_one_length_are_plain_tensors_measured_by_feature_too():
    data = ready(Equal(eval_batch_size=7))
    steps = data.samples.inputs[data.split.train].flatten(0, 1)
    assert data.normalization.mean == pytest.approx(steps.mean(0).tolist(), rel=1e-5)
    for inputs, targets in batches(data, data.val_dataloader()):
        assert inputs.shape == (len(targets), 4, 3)
    assert torch.equal(inputs[-1], data.samples.inputs[data.split.val[-1]])
    assert data.preprocessing["channel_axis"] == -1


def test_the_number_of_stated_statistics_must_be_that_of_the_features(tmp_path):
    make(tmp_path / "data.npz", features=3)
    with pytest.raises(DataError, match="mean and std: 2 values for 3 channels"):
        SequenceFiles(str(tmp_path / "data.npz"), mean=[0.0, 0.0], std=[1.0, 1.0]).setup()


def test_a_sequence_that_is_the_beginning_of_another_is_no_duplicate(tmp_path):
    values = np.zeros((30 * 31) // 2)
    np.savez(tmp_path / "d.npz", values=values, lengths=np.arange(1, 31), targets=np.arange(30) % 2)
    data = ready(SequenceFiles(str(tmp_path / "d.npz")))
    assert set(data.manifest["duplicates"].values()) == {0}
    np.savez(tmp_path / "same.npz", values=np.zeros(90), lengths=np.full(30, 3), targets=np.arange(30) % 2)
    with pytest.raises(DataError, match="byte-identical"):
        SequenceFiles(str(tmp_path / "same.npz"), split=SplitOptions(duplicates="raise")).setup()


def test_the_manifest_has_the_hash_of_what_is_in_the_file(tmp_path):
    hashes = set()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make(tmp_path / f"{name}.npz", seed=seed)
        hashes.add(ready(SequenceFiles(str(tmp_path / f"{name}.npz"))).manifest["source"]["sha256"])
    assert len(hashes) == 2


@pytest.mark.parametrize(("kind", "output"), [("sequence", "last"), ("sequence", "mean"), ("steps", "every")])
def test_a_network_learns_sequences_of_different_lengths(tmp_path, quiet_trainer, kind, output):
    torch.manual_seed(0)
    make(tmp_path / "data.npz", 300, kind)
    data = SequenceFiles(str(tmp_path / "data.npz"), batch_size=16, eval_batch_size=11)
    network = Recurrent(data.input_shape, 2, "gru", 16, output=output)
    smoothing = [LabelSmoothing(0.05)]
    task = Classifier(network, 2, regularizers=smoothing, optimizer=lambda p: torch.optim.Adam(p, 0.02))
    trainer = quiet_trainer(max_epochs=4, gradient_clip_val=1.0)
    trainer.fit(task, data)
    assert trainer.callback_metrics["val/accuracy"] > 0.93
    (small,) = trainer.test(task, data, verbose=False)
    again = SequenceFiles(str(tmp_path / "data.npz"), eval_batch_size=1000)
    (large,) = trainer.test(task, again, verbose=False)
    assert small == pytest.approx(large, abs=1e-5), "padding depends on the batch, figures do not"
    count = (data.targets[data.split.test] != -100).sum()
    assert torch.cat(trainer.predict(task, data)).shape == (count, 2)


GOOD = {"values": np.zeros((6, 2)), "lengths": np.array([1, 2, 3]), "targets": np.array([0, 1, 0])}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"values": None},
            r"has no array that is called as values are \(values, x, .*\); it holds lengths \(3,\) int64, tar",
        ),
        (
            {"lengths": np.array([1, 2, 4])},
            r"lengths add up to 7 steps; values has the shape \(6, 2\), .* The file holds lengths \(3,\) int64, ",
        ),
        ({"lengths": np.array([0, 3, 3])}, "sequence 0 has length 0"),
        ({"lengths": np.array([1.0, 2.0, 3.0])}, r"lengths must be whole numbers \(N,\); they are float64"),
        ({"lengths": np.array([], dtype=int)}, "lengths must be whole numbers"),
        (
            {"values": np.array([[1.0, 2]] * 5 + [[np.nan, 0]])},
            r"sequence 2 of values holds NaN or infinite values \(step 2, feature 0",
        ),
        ({"values": np.array(["a"] * 6)}, r"values is <U1 \(6,\); sequences are numbers"),
        ({"values": np.zeros((6, 2, 2))}, r"values has the shape \(6, 2, 2\), which is neither"),
        ({"targets": np.array([0, 1])}, "one target for each of 3 sequences, or one for each of 6 steps"),
        ({"targets": np.array([0.5, 1])}, "one target for each of 3 sequences"),
        ({"targets": np.array([0.5, 1, np.inf])}, "must be finite numbers"),
        ({"targets": np.array(["a", " ", "c"])}, "targets of sequence 1 is missing"),
        ({"targets": np.array([0, -100, 1])}, "targets of sequence 1 is missing"),
        ({"targets": np.array([1, 2, 3]) * 1j}, "targets is complex128"),
        (
            {"targets": np.array([0, {}, 1])},
            r"targets holds Python objects, .* save targets=np\.array\(labels, dtype=str\)",
        ),
        ({"values": np.array([[1], [2, 3], [4, 5]], object)}, r"values holds Python objects, .*values=np\.concatenate"),
    ],
)
def test_a_file_that_holds_no_sequences_is_refused_in_one_line(tmp_path, changed, message):
    arrays = {name: array for name, array in (GOOD | changed).items() if array is not None}
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(DataError, match=message) as refused:
        SequenceFiles(str(tmp_path / "data.npz"))
    assert str(tmp_path / "data.npz") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_label_without_a_class_name_is_refused(tmp_path):
    make(tmp_path / "data.npz", kind="steps", class_names=np.array(["only"]))
    with pytest.raises(DataError, match=r"sample \d+ has label 1 at step \d+; there are 1 classes"):
        SequenceFiles(str(tmp_path / "data.npz")).setup()


def damaged(folder):
    make(folder / "d.npz")
    content = (folder / "d.npz").read_bytes()
    (folder / "d.npz").write_bytes(content[: len(content) // 2])
    return folder / "d.npz"


def flipped(folder):
    path = folder / "d.npz"
    np.savez_compressed(path, values=np.random.default_rng(0).integers(0, 9, 3000), lengths=[3000], targets=[0])
    content = bytearray(path.read_bytes())
    content[100:200] = bytes([255]) * 100
    path.write_bytes(content)
    return path


def text(folder):
    (folder / "d.npz").write_text("no array")
    return folder / "d.npz"


def one_array(folder):
    np.save(folder / "d.npy", np.zeros(3))
    return folder / "d.npy"


def objects(folder):
    (folder / "a").mkdir()
    np.save(folder / "a" / "d.npy", np.array([{}]))
    return folder


def other_features(folder):
    (folder / "a").mkdir()
    np.save(folder / "a" / "1.npy", np.zeros((3, 2)))
    np.save(folder / "a" / "2.npy", np.zeros((3, 4)))
    return folder


def empty_class(folder):
    (folder / "a").mkdir()
    return folder


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: folder / "nowhere.npz", "nowhere.npz does not exist"),
        (lambda folder: folder, "holds no class folders"),
        (empty_class, "a holds no .npy file"),
        (damaged, "d.npz cannot be read"),
        (flipped, "d.npz cannot be read"),
        (text, "d.npz cannot be read"),
        (one_array, r"d.npy holds one array; save the targets with it, np\.savez\(path, x=sequences, y=targets\)"),
        (objects, "d.npy holds Python objects, which are never unpickled; save numbers"),
        (other_features, "2.npy has 4 features a step; .*1.npy has 2"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, spoil, message):
    with pytest.raises(DataError, match=message) as refused:
        SequenceFiles(str(spoil(tmp_path)))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.r_[np.arange(599.0), 1e30], r"d\.npz: float32 keeps 2 of 600 different values of feature 0"),
        (np.arange(600) * 1e299, r"d\.npz: the values reach .*e\+301"),
    ],
)
def test_values_that_float32_cannot_hold_are_refused(tmp_path, values, message):
    np.savez(tmp_path / "d.npz", values=values, lengths=np.full(100, 6), targets=np.arange(100) % 2)
    data = SequenceFiles(str(tmp_path / "d.npz"), split=SplitOptions(seed=3))  # the outlier is in the training part
    with pytest.raises(DataError, match=message):
        data.setup()


def test_half_precision_rounds_values_only_once_they_are_standardised(tmp_path, quiet_trainer):
    class Watching(Recurrent):
        seen: ClassVar[list[float]] = []

        def forward(self, inputs):
            self.seen.extend(inputs.values.flatten().tolist())
            return super().forward(inputs)

    values = 1.7e9 + 10 * np.arange(600.0)
    np.savez(tmp_path / "d.npz", values=values, lengths=np.full(100, 6), targets=np.arange(100) % 2)
    data = SequenceFiles(str(tmp_path / "d.npz"))
    quiet_trainer(max_epochs=1, precision="bf16-true", limit_val_batches=0).fit(
        Classifier(Watching((6, 1), 2), 2), data
    )
    assert len(set(Watching.seen)) > 100
