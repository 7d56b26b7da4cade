"""A notebook's own arrays: every form that they may have, real training on digits, and one line for each mistake."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_digits

from callbacks import Memorization
from datamodules import (
    Arrays,
    DataError,
    DataModule,
    ExponentialImbalance,
    HorizontalFlip,
    RaggedSequences,
    RandomTranslate,
    SplitOptions,
    SymmetricNoise,
)
from models import Classifier, MultiLabelClassifier, Regressor
from models.networks import MLP, Linear, Recurrent
from models.regularizers import LabelSmoothing

DIGITS = load_digits()
IMAGES, LABELS = DIGITS.images.astype(np.uint8), DIGITS.target
HALVES = LABELS[:40] % 2
SMOOTHING = LabelSmoothing(0.1)
RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (40, 16, 12, 3)).astype(np.uint8)
TABLE = RANDOM.normal(size=(40, 5))
FRAME = pd.DataFrame(TABLE, columns=list("abcde"))
STEPS = RANDOM.normal(size=(40, 6, 3))
RAGGED = [steps[: 2 + place % 5] for place, steps in enumerate(STEPS)]


def ready(*arguments, **options):
    data = Arrays(*arguments, **options)
    data.setup()
    return data


def sequences(data):
    inputs = data.samples.inputs
    return [one.numpy() for one in inputs]


# Forms of inputs


@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize(
    ("given", "options"),
    [
        (BYTES, {}),
        (BYTES.transpose(0, 3, 1, 2), {}),
        (BYTES.astype(np.int64), {}),
        (list(BYTES), {}),
        (BYTES, {"channels": "last"}),
        (BYTES.transpose(0, 3, 1, 2), {"channels": "first", "kind": "images"}),
        (BYTES[:, :, ::-1][:, :, ::-1], {}),
    ],
)
def test_images_are_brought_into_one_form(given, options, as_tensor):
    given = torch.from_numpy(np.array(given)) if as_tensor else given
    data = ready(given, HALVES, **options)
    assert data.input_shape == (3, 16, 12)
    assert data.samples.inputs.dtype == torch.uint8
    assert np.array_equal(data.samples.inputs.numpy(), BYTES.transpose(0, 3, 1, 2))
    assert data.maximum == 255
    assert np.array_equal(data.encode(given).numpy(), data.samples.inputs.numpy())


@pytest.mark.parametrize(
    ("given", "maximum"),
    [
        (IMAGES, 16),
        (DIGITS.images / 16, 1),
        (IMAGES > 7, 1),
        (DIGITS.images * 15.9, 255),
        (IMAGES.astype(np.uint16) * 4000, 65535),
    ],
)
def test_the_largest_value_of_images_is_found(given, maximum):
    data = ready(given, LABELS, kind="images")
    assert data.maximum == maximum
    assert f"images (1, 8, 8) divided by {maximum:g}" in data.describe()
    batch, _ = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch.dtype == torch.float32
    assert 0.9 < float(batch.max()) <= 1


@given(
    st.sampled_from([np.uint8, np.int16, np.int64, np.float16, np.float32, np.float64, bool, ">f8", "<i4"]),
    st.integers(1, 4),
    st.booleans(),
    st.integers(12, 30),
)
@settings(max_examples=25)
def test_a_table_keeps_its_values_in_any_type(dtype, features, as_tensor, count):
    rows = np.random.default_rng(count).integers(0, 50, (count, features)).astype(dtype)
    targets = np.arange(count) % 2
    inputs = torch.from_numpy(rows) if as_tensor and rows.dtype.isnative else rows
    data = Arrays(inputs, targets)
    assert data.input_shape == (features,)
    assert np.array_equal(data.load().inputs.numpy(), rows.astype(np.float64))
    assert data.load().inputs.dtype == torch.float32
    assert data.load().targets.tolist() == targets.tolist()


@given(st.lists(st.integers(1, 7), min_size=12, max_size=20), st.integers(1, 3), st.booleans())
@settings(max_examples=25)
def test_sequences_come_in_a_list_or_padded_with_nan(lengths, features, padded):
    random = np.random.default_rng(len(lengths))
    lists = [random.normal(size=(length, features)) for length in lengths]
    inputs = lists
    if padded:
        inputs = np.full((len(lengths), max(lengths), features), np.nan)
        for place, own in enumerate(lists):
            inputs[place, : len(own)] = own
    data = ready(inputs, np.arange(len(lengths)) % 2, kind="sequences")
    assert data.input_shape == (max(lengths), features)
    for own, expected in zip(sequences(data), lists, strict=True):
        assert np.array_equal(own, expected.astype(np.float32))
    ragged = len(set(lengths)) > 1
    assert isinstance(data.samples.inputs, RaggedSequences) == ragged
    network = Recurrent(data.input_shape, 2, hidden_size=4)
    assert Classifier(network, 2)(data.encode(inputs)).shape == (len(lengths), 2)


@pytest.mark.parametrize("inputs", [FRAME, FRAME.astype("float32"), FRAME.round().astype("Int64")])
def test_a_data_frame_is_a_table_whose_columns_have_names(inputs):
    data = ready(inputs, pd.Series(HALVES).map({0: "no", 1: "yes"}).astype("category"))
    assert data.class_names == ("no", "yes")
    assert data.feature_names() == list("abcde")
    shuffled = inputs[list("edcba")].assign(other="text")
    assert torch.equal(data.encode(shuffled), data.samples.inputs)


def test_times_of_unix_stay_apart_in_new_rows_too():
    times = 1_700_000_000 + 10 * np.arange(40.0)[:, None]
    data = ready(times, HALVES)
    assert data.samples.inputs.dtype == data.encode(times[3:4]).dtype == torch.float64
    assert float(data.encode(times[3:4])) == times[3, 0]


def test_an_array_that_is_changed_later_changes_nothing():
    images = IMAGES.copy()
    data = ready(images, LABELS)
    images[:] = 0
    assert torch.equal(data.samples.inputs[:, 0], torch.from_numpy(IMAGES))


# Forms of targets

WORDS = np.array(["cat", "dog"])[HALVES]


@pytest.mark.parametrize(
    ("targets", "options", "names", "labels"),
    [
        (HALVES, {}, ("0", "1"), HALVES),
        (HALVES.tolist(), {}, ("0", "1"), HALVES),
        (torch.from_numpy(HALVES).int(), {"class_names": ["even", "odd"]}, ("even", "odd"), HALVES),
        (HALVES + 5, {}, ("5", "6"), HALVES),
        (HALVES == 1, {}, ("False", "True"), HALVES),
        (HALVES.astype(float), {"class_names": ("a", "b")}, ("a", "b"), HALVES),
        (HALVES.astype(float), {"continuous": False}, ("0", "1"), HALVES),
        (WORDS, {}, ("cat", "dog"), HALVES),
        (WORDS.astype(object), {}, ("cat", "dog"), HALVES),
        (WORDS.tolist(), {"class_names": ["dog", "cat"]}, ("dog", "cat"), 1 - HALVES),
        (pd.Series(WORDS), {}, ("cat", "dog"), HALVES),
        (np.stack([HALVES == 1, TABLE[:, 0] > 0], 1), {"class_names": ["odd", "high"]}, ("odd", "high"), None),
        (np.stack([HALVES, TABLE[:, 0] > 0], 1).astype(int), {}, ("0", "1"), None),
        (TABLE[:, 0], {}, (), TABLE[:, :1]),
        (TABLE[:, :2].tolist(), {}, (), TABLE[:, :2]),
        (HALVES, {"continuous": True}, (), HALVES[:, None]),
    ],
)
def test_targets_are_read_as_what_they_are(targets, options, names, labels):
    data = ready(TABLE, targets, **options)
    assert data.class_names == names
    expected = np.asarray(targets).astype(bool) if labels is None else labels
    assert np.array_equal(data.samples.targets.numpy(), expected)


def test_one_hot_targets_are_classes_and_say_so():
    with pytest.warns(UserWarning, match=r"targets \(40, 2\) read as one-hot classes"):
        data = Arrays(TABLE, np.eye(2)[HALVES])
    assert data.load().targets.tolist() == HALVES.tolist()


def test_classes_in_floats_are_suspected():
    with pytest.warns(UserWarning, match="targets holds floats, .* pass continuous=False"):
        Arrays(TABLE, HALVES.astype(float))


@pytest.mark.parametrize("inputs", [STEPS, RAGGED])
def test_steps_may_have_targets(inputs):
    of_steps = [np.arange(len(steps)) % 2 for steps in inputs]
    data = ready(inputs, np.stack(of_steps) if inputs is STEPS else of_steps, kind="sequences")
    assert data.class_names == ("0", "1")
    assert "a class for each step" in data.describe()
    for own, expected in zip(data.samples.targets, of_steps, strict=True):
        assert own[: len(expected)].tolist() == expected.tolist()


# All else that data have


def test_it_has_splits_noise_imbalance_weights_and_augmentation():
    patients = np.arange(1797) // 6
    data = ready(
        IMAGES,
        LABELS,
        batch_size=64,
        split=SplitOptions(groups=patients, seed=3),
        label_noise=SymmetricNoise(0.2),
        imbalance=ExponentialImbalance(5),
        augmentation=[HorizontalFlip(), RandomTranslate(1)],
        weights=np.linspace(1, 2, 1797),
    )
    held = [set(patients[part]) for part in data.split.parts().values()]
    assert not held[0] & held[1]
    assert not (held[0] | held[1]) & held[2]
    train = data.split.train
    assert 0.1 < float((data.targets[train] != data.samples.targets[train]).float().mean()) < 0.3
    assert data.class_counts[0] > 2 * data.class_counts[9]
    assert data.weights[train].mean() == pytest.approx(1)
    assert len(data.augmentation) == 2


def test_known_parts_and_times_are_kept():
    parts = np.array(["train"] * 1400 + ["test"] * 397)
    data = ready(IMAGES, LABELS, split=SplitOptions(given=parts))
    assert data.split.test.tolist() == list(range(1400, 1797))
    data = ready(IMAGES, LABELS, split=SplitOptions(by_time=pd.date_range("2024-01-01", periods=1797).to_numpy()))
    assert data.split.train.max() < data.split.val.min() <= data.split.val.max() < data.split.test.min()


def test_the_split_is_that_of_the_same_data_elsewhere_and_other_data_are_another_split():
    data, again = ready(IMAGES, LABELS), ready(torch.from_numpy(IMAGES), LABELS.tolist())
    again.check_same_split(data.manifest)
    with pytest.raises(DataError, match="the data of Arrays has changed"):
        ready(IMAGES, (LABELS + 1) % 10).check_same_split(data.manifest)


@pytest.mark.parametrize(
    ("data", "task", "metric", "least"),
    [
        (
            lambda: Arrays(IMAGES, LABELS.astype(str), batch_size=32),
            lambda data: Classifier(MLP(data.input_shape, 10, [32]), 10),
            "test/accuracy",
            0.8,
        ),
        (
            lambda: Arrays(DIGITS.data, LABELS, batch_size=16),
            lambda data: Classifier(Linear((64,), 10), 10),
            "test/accuracy",
            0.8,
        ),
        (
            lambda: Arrays(
                [image[: 6 + place % 3] for place, image in enumerate(DIGITS.images)], LABELS, batch_size=32
            ),
            lambda data: Classifier(Recurrent(data.input_shape, 10, hidden_size=32), 10, regularizers=SMOOTHING),
            "test/accuracy",
            0.5,
        ),
        (
            lambda: Arrays(DIGITS.images, np.stack([LABELS % 2 == 0, LABELS > 4], 1), kind="images", batch_size=32),
            lambda data: MultiLabelClassifier(MLP(data.input_shape, 2, [32]), 2),
            "test/exact_match",
            0.7,
        ),
        (
            lambda: Arrays(*load_diabetes(return_X_y=True), batch_size=8),
            lambda data: Regressor(MLP((10,), 1, [32]), data.target_mean, data.target_std),
            "test/r2",
            0.2,
        ),
    ],
    ids=["images", "table", "sequences", "labels", "numbers"],
)
def test_it_trains_with_every_task_and_resumes(data, task, metric, least, quiet_trainer, tmp_path):
    torch.manual_seed(0)
    first = data()
    trainer = quiet_trainer(max_epochs=2)
    trainer.fit(task(first), datamodule=first)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    second = data()
    trainer = quiet_trainer(max_epochs=4)
    model = task(second)
    trainer.fit(model, datamodule=second, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    (measured,) = trainer.test(model, datamodule=second, verbose=False)
    assert measured[metric] > least
    again = type(model).load_from_checkpoint(tmp_path / "half.ckpt").eval()
    inputs = second.samples.inputs
    some = inputs[:5]
    assert again(some).shape == (5, second.num_outputs)


def test_probes_watch_it(quiet_trainer):
    data = Arrays(IMAGES, LABELS, label_noise=SymmetricNoise(0.3))
    trainer = quiet_trainer(max_epochs=1, callbacks=[Memorization(samples=100)])
    trainer.fit(Classifier(Linear((1, 8, 8), 10), 10), datamodule=data)
    assert "memorization/wrong_label" in trainer.callback_metrics


def test_it_is_one_class_for_a_user_and_help_shows_its_arguments():
    import inspect

    data = Arrays(IMAGES, LABELS)
    assert isinstance(data, Arrays)
    assert isinstance(data, DataModule)
    assert list(inspect.signature(Arrays).parameters)[:4] == ["inputs", "targets", "class_names", "kind"]


# Mistakes

NAN = TABLE.copy()
NAN[3, 2] = np.nan
ANY = np.array([object()] * 40)


@pytest.mark.parametrize(
    ("inputs", "targets", "options", "message"),
    [
        (TABLE, HALVES[:5], {}, "there are 40 inputs and 5 targets"),
        (RAGGED, HALVES[:5], {}, r"targets is int64 \(5,\); it must hold one target for each of 40 sequences"),
        (
            RAGGED,
            [np.zeros(len(s) + (n == 4)) for n, s in enumerate(RAGGED)],
            {},
            r"targets\[4\] holds 7 ",
        ),
        (np.zeros((0, 3)), [], {}, "inputs is empty"),
        (TABLE, [], {}, "targets is empty"),
        ([], [], {}, "inputs is empty"),
        (NAN, HALVES, {}, r"inputs of sample 3 \(feature 2\) hold NaN or an infinite value \(1 in all\)"),
        (pd.DataFrame(NAN), HALVES, {}, "inputs of sample 3, column '2': the value is missing"),
        (np.ma.masked_invalid(NAN), HALVES, {}, "inputs of sample 3: the value is missing"),
        (np.where(BYTES.max() == BYTES, np.inf, BYTES), HALVES, {}, "inputs of sample 0 hold NaN or an infinite"),
        ([*RAGGED[:4], np.full((2, 3), np.nan), *RAGGED[5:]], HALVES, {}, r"inputs\[4\] holds NaN or infinite values"),
        ([*RAGGED[:4], np.zeros((2, 4)), *RAGGED[5:]], HALVES, {}, r"inputs\[4\] \(2, 4\) has another number of feat"),
        (TABLE, NAN[:, 2], {}, r"targets of sample 3 is \[nan\]; targets must be finite numbers"),
        (TABLE, [*WORDS[:-1], None], {}, "targets of sample 39 is missing; every sample needs a target"),
        (TABLE, [*HALVES[:-1], -100], {}, "targets of sample 39 is missing"),
        (TABLE, ANY, {}, "targets holds Python objects, such as a object"),
        (ANY, HALVES, {}, "inputs holds Python objects, such as a object"),
        (np.array(["a"] * 40), HALVES, {}, "inputs holds texts, such as 'a', not numbers"),
        (FRAME.assign(city="Seoul"), HALVES, {}, "the column 'city' of the data frame does not hold numbers; Tabular"),
        (np.arange(40).astype("datetime64[D]"), HALVES, {}, "inputs holds dates"),
        (TABLE * 1j, HALVES, {}, "inputs holds complex128 values"),
        ("table.npy", HALVES, {}, "inputs is 'table.npy', not an array; files are read by Tabular"),
        (None, HALVES, {}, "inputs is a NoneType; it must be an array"),
        (TABLE, {"a": 1}, {}, "targets is a dict; it must be an array"),
        (TABLE, 3, {}, "targets is 3; it must hold one item for each sample"),
        (DIGITS.images, LABELS, {}, r"inputs \(1797, 8, 8\) may be images \(N, H, W\) or sequences .* kind='images'"),
        (np.zeros((40, 4, 4, 3)), HALVES, {}, "it cannot be told where the channels .* channels='first'"),
        (np.zeros((40, 9, 9, 9)), HALVES, {}, "it cannot be told where the channels .* channels='first'"),
        (np.zeros((40, 2, 2, 2, 2)), HALVES, {}, r"inputs \(40, 2, 2, 2, 2\) are not images"),
        (
            [image[: 9 + n % 3] for n, image in enumerate(BYTES)],
            HALVES,
            {},
            "inputs are images of different sizes",
        ),
        (TABLE, HALVES, {"kind": "images"}, r"inputs \(40, 5\) are not images"),
        (STEPS, HALVES, {"kind": "table"}, r"inputs \(40, 6, 3\) are not a table"),
        (TABLE, HALVES, {"channels": "last"}, "channels is for images, which these inputs are not"),
        (TABLE, HALVES, {"maximum": 9.0}, "maximum is for images"),
        (TABLE, np.arange(40), {}, "40 different values among 40 in targets are not classes; .* continuous=True"),
        (TABLE, HALVES * 2, {"class_names": ["a", "b"]}, "sample 1 has label 2; there are 2 classes"),
        (TABLE, WORDS, {"class_names": ["cat", "cow"]}, "targets holds the class 'dog', which is not one of cat, cow"),
        (TABLE, WORDS, {"continuous": True}, "targets holds texts, such as 'cat', not numbers"),
        (TABLE, STEPS, {}, r"targets \(40, 6, 3\) are neither \(N,\) nor \(N, L\)"),
        (TABLE, HALVES, {"weights": [1.0] * 39}, r"weights is torch.float32 \(39,\)"),
        (TABLE, HALVES, {"weights": [-1.0] + [1.0] * 39}, "sample 0 has the weight -1"),
        (TABLE, HALVES, {"split": SplitOptions(groups=[1, 2])}, r"split.groups: \(2,\) values for 40 samples"),
        (TABLE, HALVES, {"split": SplitOptions(groups="patient")}, "no column or pattern 'patient'.* list of values"),
        (np.zeros((40, 2)), HALVES, {}, r"all \d+ training samples are equal"),
    ],
)
def test_a_mistake_is_one_line(inputs, targets, options, message):
    with pytest.raises(DataError, match=message) as refused:
        ready(inputs, targets, **options)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Arrays(), TypeError, "inputs and targets"),
        (lambda: Arrays(TABLE), TypeError, "'targets'"),
        (lambda: Arrays(TABLE, HALVES, kind="pictures"), ValueError, "Arrays: kind 'pictures' is not one of images,"),
        (lambda: Arrays(TABLE, HALVES, batch=3), TypeError, "batch"),
        (lambda: Arrays(TABLE, HALVES, mean=[0.0], std=[0.0]), DataError, "std must be above 0"),
        (
            lambda: ready(TABLE, HALVES).encode(TABLE[:, :3]),
            DataError,
            r"new inputs are \(3,\) each, those",
        ),
        (lambda: ready(FRAME, HALVES).encode(FRAME[["a"]]), DataError, "the new rows have no column 'b'"),
        (lambda: ready(BYTES, HALVES).encode(BYTES[:, 1:]), DataError, r"new inputs are \(3, 15, 12\) each"),
        (lambda: ready(RAGGED, HALVES).encode([STEPS[0, :, :2]]), DataError, r"new inputs are \(2,\) each"),
    ],
)
def test_a_wrong_call_is_one_line(call, error, message):
    with pytest.raises(error, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("maximum", [0, -1, float("nan")])
def test_a_maximum_is_above_0(maximum):
    with pytest.raises(ValueError, match="maximum"):
        Arrays(np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2, maximum=maximum)


def test_weights_are_numbers():
    with pytest.raises(DataError, match="weights"):
        Arrays(np.zeros((20, 3)), np.arange(20) % 2, weights=["a"] * 20)


def test_two_columns_of_one_name_are_refused():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["a", "a"])
    with pytest.raises(DataError, match="two columns of the data frame are called 'a'"):
        Arrays(frame, np.arange(20) % 2)
