"""A folder of sequence files: classes, parts, groups by file name, given parts by file, and what is left out."""

import csv

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules import DataError, SequenceFiles, SplitOptions


def fill(folder, classes=("run", "walk"), count=12, seed=0):
    """Write files that two recordings of each person share: class/p<person>_<number>.npy or .csv."""
    random = np.random.default_rng(seed)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            steps = random.normal(size=(random.integers(2, 6), 2))
            stem = folder / name / f"p{number // 2}_{number:02}"
            if number % 2:
                np.save(stem.with_suffix(".npy"), steps)
            else:
                np.savetxt(stem.with_suffix(".csv"), steps, delimiter=",")
    return folder


def ready(folder, **options):
    data = SequenceFiles(str(folder), **options)
    data.setup()
    return data


def test_a_pattern_over_file_names_keeps_groups_together(tmp_path):
    data = ready(fill(tmp_path), split=SplitOptions(groups=r"/(p\d+)_", val_size=4, test_size=4))
    people = np.array([file.split("/")[1].split("_")[0] for file in data.sample_files()])
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not set(people[data.split.parts()[first]]) & set(people[data.split.parts()[second]])
    with pytest.raises(DataError, match=r"split\.groups: the pattern 'q\(' is|'q\(' is not a regular expression"):
        ready(tmp_path, split=SplitOptions(groups="q("))
    with pytest.raises(DataError, match=r"'nobody' does not match run/p0_00\.csv"):
        ready(tmp_path, split=SplitOptions(groups="nobody"))


def test_parts_are_given_by_file_and_predictions_name_the_file(tmp_path):
    data = ready(fill(tmp_path / "data"))
    files = data.sample_files()
    assert files[:2] == ["run/p0_00.csv", "run/p0_01.npy"]
    with (tmp_path / "parts.csv").open("w") as lines:
        rows = csv.writer(lines)
        rows.writerow(["file", "part"])
        rows.writerows([file, ("train", "train", "val", "test")[number % 4]] for number, file in enumerate(files))
    data = ready(tmp_path / "data", split=SplitOptions(given=str(tmp_path / "parts.csv")))
    assert data.split.test.tolist() == list(range(3, 24, 4))
    shown = data.identify(torch.tensor([13, 2]))
    assert shown == {"index": [13, 2], "file": ["walk/p0_01.npy", "run/p1_02.csv"]}
    assert len(data.samples.inputs[13]) == len(np.load(tmp_path / "data" / shown["file"][0]))


def test_folders_of_parts_are_the_parts_of_the_split(tmp_path):
    for part, seed in (("Training", 0), ("test", 1)):
        fill(tmp_path / part, seed=seed)
    data = ready(tmp_path)
    assert data.class_names == ("run", "walk")
    assert [data.sample_files()[index].split("/")[0] for index in data.split.test] == ["test"] * 24
    assert {data.sample_files()[index].split("/")[0] for index in data.split.train} == {"Training"}


def test_files_in_subfolders_count_and_what_is_left_out_is_said(tmp_path):
    fill(tmp_path)
    (tmp_path / "run" / "monday").mkdir()
    np.save(tmp_path / "run" / "monday" / "a.npy", np.zeros((3, 2)))
    (tmp_path / "run" / "notes.txt").write_text("nothing")
    (tmp_path / "run" / ".hidden.npy").write_text("nothing")
    (tmp_path / "stray.npy").write_text("nothing")
    data = ready(tmp_path)
    assert "run/monday/a.npy" in data.sample_files()
    assert "2 other files ignored, 1 stray file ignored" in data.describe()


def test_one_class_and_options_of_tables_are_refused(tmp_path):
    fill(tmp_path, classes=("only",))
    with pytest.raises(DataError, match=r"holds one class folder \(only\); put the sequences of two or more"):
        ready(tmp_path)
    fill(tmp_path, classes=("other",))
    with pytest.raises(DataError, match="weights is for a long table or an"):
        ready(tmp_path, weights="w")
    with pytest.raises(DataError, match="continuous is for a table or an"):
        ready(tmp_path, continuous=True)
    with pytest.raises(DataError, match="target is for a table or an"):
        ready(tmp_path, target="label")


def test_the_names_that_pandas_gives_to_columns_are_no_step(tmp_path):
    for number in range(12):
        folder = tmp_path / ("run", "walk")[number % 2]
        folder.mkdir(exist_ok=True)
        steps = np.random.default_rng(number).normal(size=(4, 3))
        pd.DataFrame(steps).to_csv(folder / f"{number}.csv", index=False)
    with pytest.warns(UserWarning, match="the first lines of .csv files that count the columns are not steps"):
        data = ready(tmp_path)
    assert set(data.samples.lengths.tolist()) == {4}


def test_numbers_with_underscores_are_refused_in_files_as_in_tables(tmp_path):
    fill(tmp_path)
    (tmp_path / "run" / "odd.csv").write_text("1,2\n1_000,3\n")
    with pytest.raises(DataError, match=r"odd\.csv, row 2, column 'feature 0': '1_000' is not a number"):
        ready(tmp_path)
