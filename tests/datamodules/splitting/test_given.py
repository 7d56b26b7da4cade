"""Parts that somebody has made already: read from values and files, written for others, refused on other data."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from callbacks import SaveSplit
from datamodules import DataError, Digits, Samples, SplitOptions, make_split
from datamodules.images.image_layout import part_folders
from datamodules.splitting.given import read_parts
from datamodules.splitting.part_names import SPELLINGS
from models import Classifier
from models.networks import Linear


def ready(**options):
    data = Digits(split=SplitOptions(**options))
    data.setup()
    return data


def same_parts(one, other):
    return all(np.array_equal(indices, other.split.parts()[part]) for part, indices in one.split.parts().items())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with split.json and split.csv, and its data."""
    import lightning as L

    folder = tmp_path_factory.mktemp("run")
    data = ready(seed=3, train_fraction=0.5)
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=folder, callbacks=[SaveSplit()], **options)
    trainer.fit(Classifier(Linear((1, 8, 8), 10), 10), data)
    return folder, data


def test_another_model_trains_on_exactly_the_parts_that_a_run_has_written(run):
    folder, data = run
    again = ready(given=str(folder / "split.csv"))
    assert same_parts(data, again)
    assert f"given by {folder / 'split.csv'}, 647 samples left out" in again.describe()
    assert "stratified" not in again.describe()
    again.check_same_split(data.manifest)


def test_a_run_writes_the_index_and_part_of_each_of_its_samples(run):
    folder, data = run
    header, *rows = (folder / "split.csv").read_text().splitlines()
    assert header == "index,part"
    assert len(rows) == 1797 - 647
    assert [int(row.split(",")[0]) for row in rows if row.endswith(",val")] == data.split.val.tolist()


class OtherDigits(Digits):
    def load(self):
        samples = super().load()
        return Samples(samples.inputs[:-1], samples.targets[:-1])


def test_parts_of_other_data_are_refused(run):
    with pytest.raises(DataError, match=r"belongs to other data: Digits with the hash .*, where OtherDigits has"):
        OtherDigits(split=SplitOptions(given=str(run[0] / "split.csv"))).setup()


def test_an_index_beyond_the_data_is_refused(run, tmp_path):
    (tmp_path / "parts.csv").write_text((run[0] / "split.csv").read_text() + "1797,train\n")
    with pytest.raises(DataError, match=r"row 1152: index '1797' is not in Digits, which has indices 0 to 1796"):
        ready(given=str(tmp_path / "parts.csv"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows below a header"),
        ("index,split\n0,train\n", "has the columns index, split; it must have index and part"),
        ("index,part\n0,train\n0,val\n", "row 3: index '0' is named twice"),
        ("index,part\n-1,train\n", "row 2: index '-1' is not in Digits"),
        ("index,part\n0,train,9\n", "(line 2: 3 values, but 2 columns|Expected 2 fields in line 2, saw 3)"),
        ("index,part\n0,trian\n", "sample 0 has the part 'trian'; it must be train, val or test"),
        ("index,part\n0,val\n", "gives no sample to the training part"),
        ("file,part\na.png,val\n", "names files; the samples of Digits are not files"),
    ],
)
def test_a_file_that_names_no_parts_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "parts.csv").write_text(text)
    with pytest.raises(DataError, match=f"^split.given: .*parts.csv.*{message}"):
        ready(given=str(tmp_path / "parts.csv"))


def test_a_file_that_does_not_exist_is_refused():
    with pytest.raises(DataError, match=r"^split\.given: none/parts\.csv does not exist"):
        ready(given="none/parts.csv")


def test_a_manifest_that_cannot_be_read_is_refused(run, tmp_path):
    (tmp_path / "split.csv").write_text((run[0] / "split.csv").read_text())
    (tmp_path / "split.json").write_text(json.dumps({"source": 1}))
    with pytest.raises(DataError, match=r"split\.json beside it cannot be read"):
        ready(given=str(tmp_path / "split.csv"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_file_of_parts_is_read_as_tables_are(tmp_path, separator, encoding):
    rows = [["Index", "Part", "who"], *([str(i), "train" if i % 3 else "test", "é"] for i in range(60))]
    text = "\r\n".join(separator.join(row) for row in rows)
    (tmp_path / "parts.csv").write_bytes(text.encode(encoding))
    data = ready(given=str(tmp_path / "parts.csv"), val_size=10)
    assert data.split.test.tolist() == list(range(0, 60, 3))


def test_parts_are_read_from_parquet(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    parts = pd.DataFrame({"index": range(1500), "part": [None, "train", "test"] * 500})
    parts.to_parquet(tmp_path / "parts.parquet")
    data = ready(given=str(tmp_path / "parts.parquet"), val_size=10)
    assert data.split.test.tolist() == list(range(2, 1500, 3))


def test_a_folder_is_refused_with_the_file_in_it(run):
    with pytest.raises(DataError, match=r"^split\.given: .* is a folder: name .*split\.csv$"):
        ready(given=str(run[0]))


@pytest.mark.parametrize("part", SPELLINGS)
def test_every_spelling_of_a_part_is_read_in_a_column_and_as_a_folder(part, tmp_path):
    for number, spelling in enumerate(SPELLINGS[part]):
        for written in (spelling, f" {spelling.upper()} ", f"{spelling}_set"):
            values = np.array(["train", written, ""])
            assert getattr(read_parts(values, "the list"), part).tolist() == ([0, 1] if part == "train" else [1])
        for written in (spelling, spelling.upper(), f"{spelling}_set"):
            root = tmp_path / f"{number}_{written}"
            for name in {written, "train"} if part != "train" else {written}:
                (root / name).mkdir(parents=True)
            assert part_folders(root)[part] == root / written


def test_a_folder_that_may_be_a_class_is_a_part_only_beside_training(tmp_path):
    for name in ("dev", "eval"):
        (tmp_path / name).mkdir()
    assert part_folders(tmp_path) == {}


def test_common_spellings_are_parts_and_empty_values_are_left_out():
    values = ["Training", "TRAIN ", "dev", "validation", "Testing", "test", "", None] * 5
    split = make_split(None, SplitOptions(given=values), num_samples=40)
    assert [np.unique(indices % 8).tolist() for indices in split.parts().values()] == [[0, 1], [2, 3], [4, 5]]


def test_a_part_that_is_not_given_is_split_off():
    values = np.repeat(["train", "test"], [80, 20])
    labels = np.tile([0, 1], 50)
    split = make_split(labels, SplitOptions(given=values, val_size=16), num_samples=100)
    assert split.test.tolist() == list(range(80, 100))
    assert (len(split.train), len(split.val)) == (64, 16)
    assert np.bincount(labels[split.val]).tolist() == [8, 8]


def test_given_parts_go_before_official_ones():
    values = np.repeat(["train", "val", "test", ""], 25)
    official = np.arange(10)
    split = make_split(None, SplitOptions(given=values), num_samples=100, official_test=official)
    assert split.test.tolist() == list(range(50, 75))
    assert split.train.tolist() == list(range(25))


def test_given_parts_that_divide_a_group_are_refused_with_the_group():
    values, groups = np.repeat(["train", "val", "test"], 10), np.repeat(np.arange(5), 6)
    with pytest.raises(DataError, match=r"split\.given: 1 group lies both in the test part .*the first: '3'"):
        make_split(None, SplitOptions(given=values, groups=groups), num_samples=30)


def test_a_class_that_a_given_part_lacks_does_not_stop_training_and_evaluation(quiet_trainer):
    labels = load_digits().target
    values = np.where(labels == 9, "train", np.resize(["train", "val", "test", "train"], len(labels)))
    data = Digits(split=SplitOptions(given=values.tolist()))
    trainer, task = quiet_trainer(max_epochs=1), Classifier(Linear((1, 8, 8), 10), 10)
    with pytest.warns(UserWarning, match="class '9' has no sample in the val part"):
        trainer.fit(task, data)
    (metrics,) = trainer.test(task, data, verbose=False)
    assert 0 < metrics["test/accuracy"] < 1
    assert 0 < metrics["test/f1_macro"] < 1


def test_folds_of_a_given_validation_part_are_refused():
    values = np.repeat(["train", "val", "test"], 10)
    with pytest.raises(DataError, match=r"split\.folds: split\.given names a validation part already"):
        make_split(None, SplitOptions(given=values, folds=3), num_samples=30)


def test_a_name_that_no_datamodule_knows_is_refused():
    with pytest.raises(DataError, match=r"^split\.groups: Digits has no column or pattern 'patient'"):
        ready(groups="patient")
