import csv
import json

from callbacks import SaveSplit


def test_the_split_lies_beside_the_run_as_the_datamodule_describes_it(fit, tmp_path) -> None:
    trainer = fit(SaveSplit(), epochs=1)
    written = json.loads((tmp_path / "split.json").read_text())
    assert written == trainer.datamodule.manifest
    assert sum(written["parts"][part]["size"] for part in ("train", "val", "test")) == 1797


def test_the_index_and_part_of_each_sample_lie_beside_it_for_other_programs(fit, tmp_path) -> None:
    parts = fit(SaveSplit(), epochs=1).datamodule.split.parts()
    with (tmp_path / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for part, indices in parts.items():
        assert [int(row["index"]) for row in rows if row["part"] == part] == indices.tolist()


def test_a_dry_run_leaves_nothing(fit, tmp_path) -> None:
    fit(SaveSplit(), fast_dev_run=True)
    assert not (tmp_path / "split.json").exists()
    assert not (tmp_path / "split.csv").exists()
