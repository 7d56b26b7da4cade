"""Names in `split.groups`, `by_time` and `given`: columns of tables, patterns over image files, arrays of sequences."""

import json

import numpy as np
import pytest
from PIL import Image

from callbacks import SaveSplit
from datamodules import DataError, ImageFolder, SequenceFiles, SplitOptions, Tabular
from models import Classifier
from models.networks import Linear


def ready(data):
    data.prepare_data()
    data.setup()
    return data


def table(tmp_path, **options):
    """Ten rows of each of 30 patients, one patient a day; the label is the patient's parity."""
    lines = ["patient,day,usage,width,kind"]
    for row in range(300):
        patient, usage = row % 30, ("Training", "valid", "TEST", "")[row // 30 % 4]
        lines.append(f"p{patient:02},2024-01-{patient + 1:02},{usage},{row},{('even', 'odd')[patient % 2]}")
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    return ready(Tabular(str(tmp_path / "rows.csv"), "kind", features=["width"], split=SplitOptions(**options)))


@pytest.fixture
def images(tmp_path):
    """Four images of each of 12 patients, in two classes."""
    random = np.random.default_rng(0)
    for number in range(48):
        path = tmp_path / "images" / "ab"[number % 2] / f"patient{number // 4}_{number % 4}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return tmp_path / "images"


def folder(images, **options):
    return ready(ImageFolder(str(images), split=SplitOptions(**options)))


def test_rows_are_grouped_by_a_column(tmp_path):
    data = table(tmp_path, groups="patient")
    assert "stratified, grouped by patient, 30 groups" in data.describe()
    of_part = [set(indices % 30) for indices in data.split.parts().values()]
    assert sum(map(len, of_part)) == 30
    counts = data.manifest["groups"]
    assert [counts[part] for part in ("train", "val", "test")] == list(map(len, of_part))


def test_a_column_that_the_split_goes_by_is_not_a_feature(tmp_path):
    (tmp_path / "rows.csv").write_text(
        "patient,width,kind\n" + "".join(f"{row % 30},{row * row % 97},{row % 2}\n" for row in range(300))
    )
    path = str(tmp_path / "rows.csv")
    assert Tabular(path, "kind").input_shape == (2,)
    assert Tabular(path, "kind", split=SplitOptions(groups="patient")).input_shape == (1,)
    assert Tabular(path, "kind", features=["patient"], split=SplitOptions(groups="patient")).input_shape == (1,)


def test_rows_are_split_by_a_date_with_a_gap_of_days(tmp_path):
    data = table(tmp_path, by_time="day", time_gap=3)
    days = [indices % 30 for indices in data.split.parts().values()]
    assert days[1].min() - days[0].max() == 3
    assert days[2].min() - days[1].max() == 3
    assert "by time (day), gap 3 days, 40 samples left out" in data.describe()


def test_rows_are_in_the_part_that_a_column_gives_them(tmp_path):
    data = table(tmp_path, given="usage")
    assert [np.unique(indices // 30 % 4).tolist() for indices in data.split.parts().values()] == [[0], [1], [2]]
    assert "given by usage, 60 samples left out" in data.describe()


def test_a_column_goes_before_a_file_of_its_name_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    column = table(tmp_path, given="usage").split.test.tolist()
    (tmp_path / "usage").write_text(
        "index,part\n" + "".join(f"{i},{'test' if i % 2 else 'train'}\n" for i in range(300))
    )
    with pytest.warns(UserWarning, match=r"^split\.given: 'usage' is a column, and is used; the file is \./usage$"):
        assert table(tmp_path, given="usage").split.test.tolist() == column
    assert table(tmp_path, given="./usage").split.test.tolist() == list(range(1, 300, 2))


def test_a_name_that_is_neither_a_column_nor_a_file_is_refused_as_what_it_looks_like(tmp_path):
    with pytest.raises(DataError, match=r"^split\.given: .* has no column 'usge'; there are patient"):
        table(tmp_path, given="usge")
    for path in ("runs/x/split", "split.csv", "parts.parquet"):
        with pytest.raises(DataError, match=rf"^split\.given: {path} does not exist$"):
            table(tmp_path, given=path)


def test_images_are_grouped_by_a_pattern_over_their_paths(images):
    data = folder(images, groups=r"(patient\d+)_", test_fraction=0.25)
    files = np.array([file.split("/")[1].split("_")[0] for file in data.sample_files()])
    train, val, test = (set(files[indices]) for indices in data.split.parts().values())
    assert len(train) + len(val) + len(test) == 12
    assert len(test) == 3
    assert r"grouped by (patient\d+)_, 12 groups" in data.describe()


def test_a_pattern_without_a_group_stands_for_its_whole_match(images):
    values = folder(images).sample_values(r"patient\d+")
    assert set(values) == {f"patient{number}" for number in range(12)}


def test_a_file_that_a_pattern_does_not_match_is_named(images):
    (images / "a" / "patient0_0.png").rename(images / "a" / "other.png")
    with pytest.raises(DataError, match=r"^split\.groups: the pattern .* does not match a/other\.png below .*1 of 48"):
        folder(images, groups=r"(patient\d+)_")


def test_a_pattern_that_is_no_regular_expression_is_refused(images):
    with pytest.raises(DataError, match=r"^split\.groups: '\(patient' is not a regular expression: missing \)"):
        folder(images, groups="(patient")


def test_a_column_that_does_not_exist_is_refused_with_those_that_do(tmp_path):
    with pytest.raises(DataError, match=r"^split\.groups: .* has no column 'patiant'; there are patient, day"):
        table(tmp_path, groups="patiant")


def test_images_are_in_the_parts_that_a_run_has_written_by_their_names(images, tmp_path, quiet_trainer):
    data = folder(images, seed=5)
    trainer = quiet_trainer(max_epochs=1, callbacks=[SaveSplit()])
    trainer.fit(Classifier(Linear((3, 8, 8), 2), 2), data)
    written = next(tmp_path.rglob("split.csv"))
    assert written.read_text().splitlines()[:2] == ["index,part,file", f"0,{_part_of(data, 0)},a/patient0_0.png"]
    again = folder(images, given=str(written))
    assert again.manifest["parts"] == data.manifest["parts"]
    lines = written.read_text().splitlines()
    (tmp_path / "by_file.csv").write_text("\n".join(["file,part", *(f"{r[2]},{r[1]}" for r in _rows(lines[:0:-1]))]))
    assert folder(images, given=str(tmp_path / "by_file.csv")).manifest["parts"] == data.manifest["parts"]


def _rows(lines):
    return [line.split(",") for line in lines]


def _part_of(data, index):
    return next(part for part, indices in data.split.parts().items() if index in indices)


def test_a_file_that_names_an_image_that_is_not_there_is_refused(images, tmp_path):
    (tmp_path / "parts.csv").write_text("file;part\na/patient0_0.png;train\na/nobody.png;val\n")
    with pytest.raises(DataError, match=r"row 3: file 'a/nobody\.png' is not in ImageFolder"):
        folder(images, given=str(tmp_path / "parts.csv"))


def test_sequences_are_grouped_by_an_array_of_their_file(tmp_path):
    people = np.repeat(np.arange(20), 5)
    values = np.random.default_rng(0).random((200, 3))
    arrays = {"values": values, "lengths": np.full(100, 2), "targets": np.tile([0, 1], 50), "person": people}
    np.savez(tmp_path / "gestures.npz", **arrays)
    path = str(tmp_path / "gestures.npz")
    data = ready(SequenceFiles(path, split=SplitOptions(groups="person")))
    assert sum(len(set(people[indices])) for indices in data.split.parts().values()) == 20
    with pytest.raises(
        DataError,
        match=r"^split\.groups: .*gestures\.npz has no array 'user' beside sequences and targets; there are person",
    ):
        ready(SequenceFiles(path, split=SplitOptions(groups="user")))


def test_a_manifest_with_values_per_sample_survives_json_and_tells_other_groups(tmp_path):
    path, one = str(tmp_path / "rows.csv"), table(tmp_path, groups="patient")
    assert json.loads(json.dumps(one.manifest)) == one.manifest
    (tmp_path / "rows.csv").write_text((tmp_path / "rows.csv").read_text().replace("p07,", "p08,"))
    with pytest.raises(DataError, match=r"the groups \(patient\) have changed; different samples in"):
        ready(Tabular(path, "kind", features=["width"], split=SplitOptions(groups="patient"))).check_same_split(
            one.manifest
        )
    listed = SplitOptions(groups=(np.arange(300) % 30).tolist())
    manifest = ready(Tabular(path, "kind", features=["width"], split=listed)).manifest
    assert json.loads(json.dumps(manifest)) == manifest
    assert manifest["arguments"]["groups"]["values"] == 300
