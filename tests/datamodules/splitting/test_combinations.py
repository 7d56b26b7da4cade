"""Options of a split in combination, over tables, images, sequences and texts: what holds of each holds of all."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from datamodules import (
    DataError,
    ExponentialImbalance,
    ImageFolder,
    SequenceFiles,
    SplitOptions,
    SymmetricNoise,
    Tabular,
    TextSequences,
)
from datamodules.splitting.given import table_of

SAMPLES, PATIENTS = 160, 20
ROWS = np.arange(SAMPLES)
PATIENT = ROWS // (SAMPLES // PATIENTS)
DAY = np.random.default_rng(0).permutation(ROWS) // 2
LABEL = (ROWS + PATIENT) % 2
CONTENT = np.where(ROWS % 20 == 7, 7, ROWS)  # eight samples are the same
USAGE = np.array(["train", "valid", "test", "training", "", "train", "dev", "Test"])[ROWS % 8]
NO_VAL = np.array(["train", "", "test", "training", "", "train", "", "Test"])[ROWS % 8]


def write_table(root):
    cells = zip(PATIENT, DAY, USAGE, NO_VAL, CONTENT, LABEL, strict=True)
    lines = [f"p{p},{d},{u},{n},{c * 0.37 % 1:.4f},word{c} common,{'ab'[y]}" for p, d, u, n, c, y in cells]
    (root / "rows.csv").write_text("\n".join(["patient,day,usage,no_val,width,words,kind", *lines]))


def write_images(root):
    for row in ROWS:
        name = f"{row:03}-p{PATIENT[row]}-d{DAY[row]}-u{USAGE[row]}-n{NO_VAL[row]}-.png"
        path = root / "images" / "ab"[LABEL[row]] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), CONTENT[row], dtype=np.uint8)).save(path)


def write_sequences(root):
    values = np.repeat(CONTENT, 2)[:, None] * 0.37 % 1
    columns = {"patient": PATIENT, "day": DAY, "usage": USAGE, "no_val": NO_VAL}
    np.savez(root / "steps.npz", values=values, lengths=np.full(SAMPLES, 2), targets=LABEL, **columns)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for write in (write_table, write_images, write_sequences):
        write(folder)
    return folder


PATTERNS = {"patient": r"-p(\d+)-", "day": r"-d(\d+)-", "usage": r"-u(\w*)-", "no_val": r"-n(\w*)-"}
KINDS = {
    "table": lambda root, **options: Tabular(str(root / "rows.csv"), "kind", features=["width"], **options),
    "images": lambda root, **options: ImageFolder(str(root / "images"), **options),
    "sequences": lambda root, **options: SequenceFiles(str(root / "steps.npz"), **options),
    "texts": lambda root, **options: TextSequences(str(root / "rows.csv"), "words", "kind", **options),
}


def ready(kind, root, options, **others):
    if kind == "images":
        named = {name: getattr(options, name) for name in ("groups", "by_time", "given")}
        options = replace(options, **{name: PATTERNS.get(value, value) for name, value in named.items()})
    data = KINDS[kind](root, split=options, **others)
    data.prepare_data()
    data.setup()
    return data


def rows_of(kind, data):
    """Return the number in this file of each sample."""
    if kind == "images":
        return np.array([int(file.split("/")[1].split("-")[0]) for file in data.sample_files()])
    return ROWS


OPTIONS = {
    "groups": st.just("patient"),
    "by_time": st.just("day"),
    "time_gap": st.sampled_from([1.0, 3.0]),
    "given": st.sampled_from(["usage", "no_val"]),
    "folds": st.integers(2, 4),
    "test_size": st.integers(16, 40),
    "val_size": st.integers(8, 30),
    "train_size": st.integers(20, 40),
    "train_fraction": st.floats(0.5, 1),
    "duplicates": st.sampled_from(["drop", "group"]),
}
CHANGES = {
    "label_noise": st.builds(SymmetricNoise, st.just(0.3)),
    "imbalance": st.builds(ExponentialImbalance, st.just(2.0)),
}
EVERY = [*combinations([*OPTIONS, *CHANGES], 2), *combinations([*OPTIONS, *CHANGES], 3)]


def refusal(options):
    """Return the two options that exclude each other, None if none do."""
    if options.by_time is None:
        if options.time_gap:
            return "time_gap", "by_time"
        return ("folds", "given") if options.folds and options.given == "usage" else None
    for name in ("groups", "given"):
        if getattr(options, name) is not None:
            return "by_time", name
    return ("duplicates", "by_time") if options.duplicates == "group" else None


def check_parts(data, rows, options, whole):
    train, val, test = data.split.parts().values()
    assert len(np.unique(np.concatenate([train, val, test]))) == len(train) + len(val) + len(test)
    assert min(len(train), len(val), len(test)) > 0
    if options.groups is not None:
        homes = [set(PATIENT[rows[part]]) for part in (train, val, test)]
        assert len(set.union(*homes)) == sum(map(len, homes))
    if options.by_time is not None:
        days = [DAY[rows[part]] for part in (train, val, test)]
        for earlier, later in ((days[0], days[1]), (days[1], days[2])):
            assert earlier.max() < later.min()
            assert later.min() - earlier.max() >= options.time_gap
    if options.given is not None:
        named = {"usage": USAGE, "no_val": NO_VAL}[options.given]
        assert {str(name).lower() for name in named[rows[test]]} == {"test"}
        assert set(named[rows[train]]) <= {"train", "training"}
        if options.given == "usage":
            assert set(named[rows[val]]) <= {"valid", "dev"}
    exact = options.groups is None and options.by_time is None and options.duplicates != "group"
    if exact and options.test_size is not None and options.given is None:
        assert len(test) == options.test_size
    if exact and options.val_size is not None and options.given != "usage" and not options.folds:
        assert len(val) == options.val_size
    if options.train_size is not None and data.imbalance is None:
        assert len(train) == options.train_size if exact or options.by_time else len(train) <= options.train_size
    if options.duplicates == "drop":
        assert data.manifest["duplicates"]["train/val"] == data.manifest["duplicates"]["train/test"] == 0
    if options.duplicates == "group" and options.given is None:
        assert set(data.manifest["duplicates"].values()) == {0}
    assert set(train) <= set(whole.split.train), "a subset"
    assert np.array_equal(val, whole.split.val)
    assert np.array_equal(test, whole.split.test)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.sampled_from(EVERY), seed=st.integers(0, 2**32 - 1), draw=st.data())
def test_what_holds_of_each_option_holds_of_all_together(kind, root, chosen, seed, draw):
    stated = {name: draw.draw(OPTIONS[name], label=name) for name in chosen if name in OPTIONS}
    others = {name: draw.draw(CHANGES[name], label=name) for name in chosen if name in CHANGES}
    options = SplitOptions(seed=seed, **stated)
    both = refusal(options)
    try:
        data = ready(kind, root, options, **others)
    except DataError as error:
        message = str(error)
        assert "\n" not in message
        if both is not None:
            assert all(name in message for name in both)
        else:  # what no sizes allow: the message names an option, a class or a group
            assert message.startswith(("split.", "class ", "the "))
            assert {"groups", "given", "duplicates", "by_time"} & set(stated), message
        return
    assert both is None
    rows = rows_of(kind, data)
    whole = ready(kind, root, replace(options, train_size=None, train_fraction=1.0))
    check_parts(data, rows, options, whole)
    again = ready(kind, root, options, **others)
    assert again.manifest == data.manifest
    assert all(np.array_equal(part, again.split.parts()[name]) for name, part in data.split.parts().items())
    held_out = np.concatenate([data.split.val, data.split.test])
    assert (data.targets[held_out] == data.samples.targets[held_out]).all()
    (root / "parts.csv").write_text(table_of(data.split.parts(), data.origins()))
    copy = ready(kind, root, SplitOptions(given=str(root / "parts.csv")))
    assert all(np.array_equal(part, copy.split.parts()[name]) for name, part in data.split.parts().items())
    if options.folds:
        splits = [ready(kind, root, replace(options, fold=fold)).split for fold in range(options.folds)]
        vals = np.concatenate([split.val for split in splits])
        assert len(np.unique(vals)) == len(vals)
        assert all(np.array_equal(split.test, data.split.test) for split in splits)
        if options.by_time is None and options.duplicates == "warn" and options.given is None:
            assert len(vals) + len(data.split.test) == SAMPLES
