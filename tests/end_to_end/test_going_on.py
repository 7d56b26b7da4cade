"""A run of the command that is killed, interrupted or done, and taken up again with `--ckpt_path`."""

import json
import signal

import pytest
import torch

EPOCHS = 12


def state(folder, name="last"):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


def rows(checkpoint):
    (history,) = (value for key, value in checkpoint["callbacks"].items() if "History" in key)
    return history["rows"]


def same_weights(first, second) -> bool:
    return all(torch.equal(first["state_dict"][key], second["state_dict"][key]) for key in first["state_dict"])


@pytest.fixture(scope="module")
def uninterrupted(new_desk):
    return new_desk().fit("digits", epochs=EPOCHS)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_a_run_ended_from_outside_goes_on_to_the_same_weights(new_desk, uninterrupted, how) -> None:
    desk = new_desk()
    process = desk.start("fit", *desk.digits(EPOCHS), "--name", "digits")
    while not process.stdout.readline().startswith("epoch 2/"):
        assert process.poll() is None
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert process.returncode != 0
    if how == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert "go on with --ckpt_path last" in out + err
        assert "Traceback" not in out + err
    folder = desk.folder / "runs" / "digits" / "version_0"
    assert 1 <= state(folder)["epoch"] < EPOCHS - 1

    done = desk.here("fit", *desk.digits(EPOCHS), "--name", "digits", "--ckpt_path", "last")
    assert "going on after epoch " in done.stdout
    assert same_weights(state(folder), state(uninterrupted))
    assert rows(state(folder)) == rows(state(uninterrupted))
    assert {path.name for path in (folder / "checkpoints").glob("*.ckpt")} == {"best.ckpt", "last.ckpt"}
    assert [path.name for path in folder.parent.iterdir()] == ["version_0"], "in the folder it began in"
    summaries = [json.loads((run / "summary.json").read_text()) for run in (folder, uninterrupted)]
    assert summaries[0]["best"] == summaries[1]["best"]


def test_the_best_epoch_remembers_all_epochs_up_to_its_own(uninterrupted) -> None:
    best = state(uninterrupted, "best")
    assert [row["epoch"] for row in rows(best)] == list(range(best["epoch"] + 1))


def test_a_run_goes_on_from_its_path_alone_with_more_epochs(desk) -> None:
    short = desk.fit("longer", "--model.lr_scheduler", "null", epochs=2)
    done = desk.here("fit", "--ckpt_path", f"{short}/checkpoints/last.ckpt", "--trainer.max_epochs", "4")
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("epoch")] == ["3/4", "4/4"]
    long = desk.fit("long", "--model.lr_scheduler", "null", epochs=4)
    assert same_weights(state(short), state(long))
    assert rows(state(short)) == rows(state(long))


def test_a_resumed_runs_config_is_a_recipe_that_starts_afresh(desk) -> None:
    folder = desk.fit("recipe", epochs=1)
    desk.here("fit", *desk.digits(2), "--name", "recipe", "--ckpt_path", "last")
    done = desk.here("fit", "-c", str(folder / "config.yaml"), "--name", "afresh")
    assert "epoch 1/2" in done.stdout


def test_a_run_that_is_done_says_so(desk) -> None:
    desk.fit("done", epochs=1)
    done = desk.here("fit", *desk.digits(1), "--name", "done", "--ckpt_path", "last")
    assert done.stdout + done.stderr != ""


def test_another_split_than_the_checkpoints_is_refused(desk) -> None:
    folder = desk.fit("split", epochs=1)
    before = (folder / "split.json").read_text()
    done = desk.here(
        *("fit", *desk.digits(2), "--name", "split", "--ckpt_path", "last", "--data.split_seed", "4"), status=2
    )
    assert "split_seed was 0, now it is 4" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (folder / "split.json").read_text() == before
    assert state(folder)["epoch"] == 0


def test_another_network_than_the_checkpoints_is_one_line(desk) -> None:
    folder = desk.fit("network", epochs=1)
    done = desk.here(
        *("fit", *desk.digits(2), "--name", "network", "--ckpt_path", "last", "--model.network.widths", "[7]"), status=2
    )
    assert done.stderr.count("\n") == 1
    assert state(folder)["epoch"] == 0
