"""`--trainer.precision auto`: measured when a run begins, and kept by whatever goes on with it."""

import json

from models.networks import ResNet
from scripts.cli import measured_step, trainer
from scripts.cli.measured_step import FULL, HALF


def test_a_run_keeps_the_precision_that_was_faster_when_it_began(desk, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(trainer, "_cpu_has_bfloat16", lambda: True)
    steps = {FULL: 1.0, HALF: 0.5}
    monkeypatch.setattr(measured_step, "measure_step", lambda *_: {name: [each] for name, each in steps.items()})
    auto = ("--trainer.precision", "auto")
    folder = desk.fit("auto", *auto, epochs=1)
    assert json.loads((folder / "summary.json").read_text())["precision"] == HALF
    assert f"precision: {HALF}" in (folder / "config.yaml").read_text()  # which repeats the run
    said = desk.here("fit", *desk.digits(1), *auto, "--name", "again").stdout
    assert f"auto   precision {HALF}: 2 times as fast as {FULL} here (measured before)" in said
    steps[HALF] = 3.0
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    for words in (
        ("--ckpt_path", str(folder), "--trainer.max_epochs", "2"),
        (*desk.digits(3), *auto, "--name", "auto", "--ckpt_path", str(folder)),
    ):
        desk.here("fit", *words)
        assert json.loads((folder / "summary.json").read_text())["precision"] == HALF
    other = desk.fit("other", *auto, epochs=1)
    assert json.loads((other / "summary.json").read_text())["precision"] == FULL
    steps[HALF] = 0.1
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a third"))
    assert "bit for bit" in desk.here("verify", str(other), "--whole").stdout


def test_a_run_keeps_the_layout_of_images_that_it_began_with(desk, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = ("--model.network", "models.networks.ResNet", "--trainer.limit_train_batches", "2")
    auto = (*network, "--trainer.precision", "auto")
    monkeypatch.setattr(ResNet, "lays_out_channels_last", False)
    fast = {True: 0.3, False: 1.0}
    monkeypatch.setattr(
        measured_step, "measure_step", lambda *given: {str(kind): [fast[kind.channels_last]] for kind in given[2]}
    )
    folder = desk.fit("auto", *auto, epochs=1)
    assert json.loads((folder / "summary.json").read_text())["channels_last"] is True
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    fast[True] = 3.0
    assert "bit for bit" in desk.here("verify", str(folder), "--whole").stdout
    said = desk.here("fit", "--ckpt_path", str(folder), "--trainer.max_epochs", "2").stdout
    assert "channels last" in said
    assert json.loads((folder / "summary.json").read_text())["channels_last"] is True
    longer = (*desk.digits(3), *network, "--name", "auto", "--ckpt_path", str(folder))
    refused = desk.here("fit", *longer, "--trainer.channels_last", "false", status=2).stderr
    assert "trainer.channels_last was true, now false" in refused
    other = desk.fit("other", *network, "--trainer.channels_last", "true", epochs=1)
    assert json.loads((other / "summary.json").read_text())["channels_last"] is True
