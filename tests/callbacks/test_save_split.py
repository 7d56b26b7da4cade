import json

from callbacks import SaveSplit


def test_the_split_lies_beside_the_run_as_the_datamodule_describes_it(fit, tmp_path) -> None:
    trainer = fit(SaveSplit(), epochs=1)
    written = json.loads((tmp_path / "split.json").read_text())
    assert written == trainer.datamodule.manifest
    assert sum(written["parts"][part]["size"] for part in ("train", "val", "test")) == 1797


def test_a_dry_run_leaves_nothing(fit, tmp_path) -> None:
    fit(SaveSplit(), fast_dev_run=True)
    assert not (tmp_path / "split.json").exists()
