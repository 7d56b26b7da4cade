"""An .npz file is read in the forms in which people have it, and what may be two things is refused."""

import numpy as np
import pytest

from datamodules import DataError, SequenceFiles, SplitOptions

COUNT, STEPS, FEATURES = 40, 6, 3
RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=(COUNT, STEPS, FEATURES))
LABELS = np.arange(COUNT) % 2
LENGTHS = RANDOM.integers(2, STEPS + 1, COUNT)
LENGTHS[0] = STEPS


def read(tmp_path, options=None, **arrays):
    np.savez(tmp_path / "data.npz", **arrays)
    data = SequenceFiles(str(tmp_path / "data.npz"), **(options or {}))
    data.setup()
    return data


def sequences(data):
    return [one.numpy() for one in data.samples.inputs]


@pytest.mark.parametrize(
    "names",
    [("x", "y"), ("X", "Y"), ("inputs", "labels"), ("Data", "Targets"), ("features", "target"), ("arr_0", "arr_1")],
)
def test_usual_names_in_any_case_are_sequences_and_targets(tmp_path, names):
    data = read(tmp_path, **dict(zip(names, (VALUES, LABELS), strict=True)))
    for own, expected in zip(sequences(data), VALUES, strict=True):
        assert np.array_equal(own, expected.astype(np.float32))
    assert data.samples.targets.tolist() == LABELS.tolist()
    assert f"{names[0]} (40, 6, 3) read as 40 sequences of 6 steps of 3 features" in data.describe()


def padded(filler):
    values = VALUES.copy()
    values[np.arange(STEPS) >= LENGTHS[:, None]] = filler
    return values


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": padded(99.0), "lengths": LENGTHS},
        {"x": padded(np.nan)},
        {"x": VALUES[np.arange(STEPS) < LENGTHS[:, None]], "lengths": LENGTHS},
    ],
    ids=["lengths", "NaN", "one after the other"],
)
@pytest.mark.parametrize("of_steps", [False, True])
def test_padding_is_cut_off(tmp_path, arrays, of_steps):
    true = np.arange(STEPS) < LENGTHS[:, None]
    of_each_step = np.arange(COUNT * STEPS).reshape(COUNT, STEPS) % 3
    labels = (of_each_step if arrays["x"].ndim == 3 else of_each_step[true]) if of_steps else LABELS
    data = read(tmp_path, **arrays, y=labels)
    for number, own in enumerate(sequences(data)):
        assert np.array_equal(own, VALUES[number, : LENGTHS[number]].astype(np.float32))
    if of_steps:
        assert np.array_equal(data.samples.targets.numpy(), np.where(true, of_each_step, -100))
    assert "a class for each step" in data.describe() or not of_steps


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float16, bool, ">f4"])
def test_small_types_are_numbers_and_a_matrix_is_sequences_of_one_feature(tmp_path, dtype):
    values = RANDOM.integers(0, 2 if dtype is bool else 100, (COUNT, STEPS)).astype(dtype)
    data = read(tmp_path, x=values, y=LABELS)
    assert data.input_shape == (STEPS, 1)
    assert np.array_equal(np.stack(sequences(data))[..., 0], values.astype(np.float32))
    assert data.samples.inputs.values.dtype.itemsize == 4


@pytest.mark.parametrize(
    ("targets", "classes", "options"),
    [
        (np.array(["sit", "walk "])[LABELS], ("sit", "walk"), {}),
        (np.array([b"sit", b"w\xc3\xa4"])[LABELS], ("sit", "wä"), {}),
        (np.array(["10", "9"])[LABELS], ("9", "10"), {}),
        (np.array([-1, 1])[LABELS], ("-1", "1"), {}),
        (np.array([3, 10**12])[LABELS], ("3", "1000000000000"), {}),
        (np.array([False, True])[LABELS], ("False", "True"), {}),
        (LABELS[:, None], ("0", "1"), {}),
        (np.eye(2)[LABELS], ("0", "1"), {}),
        (np.eye(2, dtype=bool)[LABELS], ("0", "1"), {}),
        (LABELS.astype(float), ("0", "1"), {"continuous": False}),
        (LABELS, (), {"continuous": True}),
        (np.eye(2)[LABELS], (), {"continuous": True}),
    ],
)
def test_targets_are_texts_numbers_or_one_hot_classes(tmp_path, targets, classes, options):
    data = read(tmp_path, options, x=VALUES, y=targets)
    assert data.class_names == classes
    if classes:
        expected = LABELS if classes != ("9", "10") else 1 - LABELS
        assert data.samples.targets.tolist() == expected.tolist()
    else:
        assert data.samples.targets.tolist() == targets.reshape(COUNT, -1).tolist()


def test_the_user_can_name_the_array_of_targets(tmp_path):
    arrays = {"x": VALUES, "y": LABELS, "speed": np.arange(COUNT) / 7}
    assert read(tmp_path, {"target": "speed"}, **arrays).num_outputs == 1
    assert read(tmp_path, **arrays).class_names == ("0", "1")
    with pytest.raises(DataError, match=r"no array 'pace' \(data\.target\); it holds speed \(40,\) float64, x"):
        read(tmp_path, {"target": "pace"}, **arrays)


def test_several_ones_in_a_row_are_yes_no_labels(tmp_path):
    labels = RANDOM.integers(0, 2, (COUNT, 3))
    data = read(tmp_path, x=VALUES, y=labels, class_names=np.array(["a", "b", "c"]))
    assert data.num_labels == 3
    assert data.class_names == ("a", "b", "c")
    assert data.samples.targets.tolist() == (labels == 1).tolist()


def test_texts_of_steps_may_be_empty_and_names_give_the_order(tmp_path):
    words = np.array(["", "up", "down"])[RANDOM.integers(0, 3, (COUNT, STEPS))]
    words[:, 0] = "up"
    data = read(tmp_path, x=VALUES, y=words, class_names=["up", "down"])
    assert data.samples.targets.tolist() == [[{"": -100, "up": 0, "down": 1}[word] for word in row] for row in words]


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("train_data", "train_labels", "test_data", "test_labels"),
        ("xtrain", "ytrain", "xtest", "ytest"),
    ],
)
def test_parts_that_the_file_names_are_the_parts_of_the_split(tmp_path, names):
    given = dict(zip(names, (VALUES[:30], LABELS[:30], VALUES[30:, :4], LABELS[30:]), strict=True))
    data = read(tmp_path, **given, subject_test=np.arange(10), subject_train=np.arange(30))
    assert data.split.test.tolist() == list(range(30, 40))
    assert len(data.split.train) + len(data.split.val) == 30
    assert data.samples.lengths.tolist() == [6] * 30 + [4] * 10
    assert "official test part" in data.describe()
    assert data.sample_values("subject").tolist() == [*range(30), *range(10)]


def test_a_validation_part_is_taken_too(tmp_path):
    parts = {"train": slice(0, 20), "val": slice(20, 30), "test": slice(30, 40)}
    arrays = {f"{name}_{part}": of[own] for part, own in parts.items() for name, of in (("x", VALUES), ("y", LABELS))}
    data = read(tmp_path, **arrays)
    assert (len(data.split.train), data.split.val.tolist()) == (20, list(range(20, 30)))
    assert "official validation part" in data.describe()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"images": VALUES, "y": LABELS},
            r"no array that is called as values are .*images \(40, 6, 3\) float64, y \(40,",
        ),
        ({"x": VALUES}, r"no array that is called as targets are \(targets, .* it holds x \(40, 6, 3\) float64"),
        ({"x": VALUES, "data": VALUES, "y": LABELS}, "x and data may both be the values; call one of them values"),
        ({"x": VALUES, "y": LABELS[:30]}, r"y is int64 \(30,\); .* each of 40 sequences, .* holds x \(40, 6, 3\)"),
        ({"x": VALUES[..., None], "y": LABELS}, r"x \(40, 6, 3, 1\) is not sequences .*ImageFolder"),
        ({"x": np.arange(90.0), "y": LABELS}, r"x \(90,\) is not sequences .* need an array of lengths"),
        ({"x": VALUES, "y": np.eye(6)[LABELS]}, r"y \(40, 6\) may be one-hot classes of sequences or a label for each"),
        ({"x_test": VALUES, "y_test": LABELS}, "arrays of the test part and none of the training part"),
        ({"x_train": VALUES, "y_train": LABELS, "x_test": VALUES}, "called as targets of the test part are"),
        (
            {"x_train": VALUES, "y_train": LABELS, "x_test": VALUES[..., :2], "y_test": LABELS},
            "different numbers of features: 3 in train, 2 in test",
        ),
        ({"x": VALUES, "y": np.array(["", "a"])[LABELS]}, "y of sequence 0 is missing"),
        ({"x": VALUES, "y": LABELS + 0.5, "options": {"continuous": False}}, "y holds 0.5, which is not a class"),
        ({"x": VALUES, "y": np.arange(COUNT).astype(str)}, "40 different values among 40 in y are not classes"),
        ({"x": VALUES, "y": np.array(["a", "b"])[LABELS], "class_names": ["a"]}, "class 'b', which is not one of a"),
        (
            {"x": VALUES, "y": np.array(["a", "b"])[LABELS], "options": {"continuous": True}},
            "y holds texts, such as 'a'",
        ),
        ({"x": np.full((COUNT, 2, 1), np.nan), "y": LABELS}, "sequence 0 of x is nothing but NaN"),
        ({"x": VALUES, "y": LABELS, "options": {"weights": "w"}}, "no array 'w' beside sequences and targets"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_with_the_shapes(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message) as refused:
        read(tmp_path, **arrays)
    assert "data.npz" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_objects_that_nothing_needs_do_not_matter_and_are_never_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    data = read(tmp_path, x=VALUES, y=LABELS, about=np.array([Evil()], object))
    assert not (tmp_path / "ran").exists()
    with pytest.raises(DataError, match="about holds Python objects, which are never unpickled"):
        data.sample_values("about")
    assert not (tmp_path / "ran").exists()


def test_weights_and_groups_are_arrays_of_the_file(tmp_path):
    weights, people = np.arange(COUNT) + 1.0, np.repeat([f"p{number}" for number in range(10)], 4)
    options = {"weights": "importance", "split": SplitOptions(groups="person")}
    data = read(tmp_path, options, x=VALUES, y=LABELS, importance=weights, person=people)
    assert data.samples.weights.tolist() == weights.tolist()
    assert not set(people[data.split.train]) & set(people[data.split.test])
    for *_, targets, own in data.train_dataloader():
        assert own.shape == targets.shape[:1]


@pytest.mark.parametrize("other", ["x_dev", "val_x", "xval"])
def test_two_arrays_of_one_part_are_refused(tmp_path, other):
    arrays = {"x_train": VALUES, "y_train": LABELS, "x_val": VALUES, "y_val": LABELS, other: VALUES[:3]}
    with pytest.raises(DataError, match=f"x_val and {other} are of the same part; it holds"):
        read(tmp_path, **arrays)


def test_false_and_true_are_the_first_and_the_second_of_two_names(tmp_path):
    data = read(tmp_path, x=VALUES, y=LABELS.astype(bool), class_names=np.array(["no", "yes"]))
    assert data.class_names == ("no", "yes")
    assert data.samples.targets.tolist() == LABELS.tolist()


def test_classes_are_called_as_the_file_says(tmp_path):
    data = read(tmp_path, x=VALUES, y=LABELS.astype(np.uint64) + 2**63)
    assert data.class_names == ("9223372036854775808", "9223372036854775809")


def test_the_order_of_classes_that_are_equal_numbers_is_the_same_in_every_process(tmp_path):
    spellings = ["1", "1.0", "1.00", "01", "01.0", "001"]
    data = read(tmp_path, x=VALUES, y=np.resize(spellings, COUNT))
    assert list(data.class_names) == sorted(spellings)
