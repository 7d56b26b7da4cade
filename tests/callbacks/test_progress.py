import pytest

from callbacks import EpochLines, Header, History, LastCheckpoint

PARTS = ("train", "val")


def printed(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_one_line_per_epoch_with_its_metrics(fit, capsys) -> None:
    history = History()
    fit(history, EpochLines(), epochs=3)
    lines = printed(capsys)
    assert len(lines) == 3
    for number, (line, row) in enumerate(zip(lines, history.rows, strict=True), start=1):
        shown = [f"{part}/loss {row[f'{part}/loss']:.4f} accuracy {row[f'{part}/accuracy']:.4f}" for part in PARTS]
        assert line == "  ".join([f"epoch {number}/3", *shown])
        assert len(line) <= 80


def test_the_last_validation_within_an_epoch_has_its_moment_in_the_line(fit, capsys) -> None:
    history = History()
    fit(history, EpochLines(), epochs=2, val_check_interval=4)
    values = {
        part: [f"{part}/loss {row[f'{part}/loss']:.4f} accuracy {row[f'{part}/accuracy']:.4f}" for row in rows]
        for part, rows in (("train", history.rows), ("val", history.validations[1::2]))
    }
    assert printed(capsys) == [
        "  ".join([f"epoch {number + 1}/2", values["train"][number], f"at {number}.73:", values["val"][number]])
        for number in range(2)
    ]


def test_the_line_of_an_epoch_that_the_run_stops_in_says_where(fit, capsys) -> None:
    fit(History(), EpochLines(), epochs=9, max_steps=16)
    assert [line.split("  ")[0] for line in printed(capsys)] == ["epoch 1/9", "epoch 1.45/9"]


def test_a_resumed_run_prints_only_the_new_epochs(fit, tmp_path, capsys) -> None:
    fit(History(), LastCheckpoint(), epochs=2)
    fit(History(), EpochLines(), LastCheckpoint(), epochs=4, resume=tmp_path / "checkpoints" / "last.ckpt")
    assert [line.split()[1] for line in printed(capsys)] == ["3/4", "4/4"]


def test_an_endless_run_has_no_total(fit, capsys) -> None:
    fit(History(), EpochLines(), epochs=-1, max_steps=11)
    assert [line.split("  ")[0] for line in printed(capsys)] == ["epoch 1"]


def test_the_header_says_what_is_trained_on_what(fit, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    fit(Header(), epochs=1, default_root_dir=tmp_path / "runs" / "digits")
    data, model, run = printed(capsys)
    assert data == "data   Digits: 1,294 train · 144 val · 359 test (10 classes, stratified, split seed 0)"
    assert model.startswith("model  Classifier of Linear, 650 parameters, on 1 × cpu")
    assert run == "run    runs/digits"


def test_the_header_of_a_resumed_run_says_after_which_epoch(fit, tmp_path, capsys) -> None:
    fit(History(), LastCheckpoint(), epochs=2)
    fit(Header(), LastCheckpoint(), epochs=3, resume=tmp_path / "checkpoints" / "last.ckpt")
    assert printed(capsys)[-1].endswith(", resumed after epoch 2")


@pytest.mark.parametrize(("batches", "said"), [(True, "1 batch"), (3, "3 batches")])
def test_a_dry_run_says_that_it_keeps_nothing(fit, capsys, batches: bool | int, said: str) -> None:
    fit(Header(), fast_dev_run=batches)
    assert printed(capsys)[-1] == f"run    fast_dev_run: {said} of each part, and nothing is kept"
