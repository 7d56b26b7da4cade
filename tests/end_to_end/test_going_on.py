"""A run of the command that is killed, interrupted or done, and taken up again with `--ckpt_path`."""

import signal
import time

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from scripts.run_differences import differences, events

LOOKS_AT_PICTURES = True

EPOCHS = 12
SLOW = """
import time
from lightning import Callback


class Slow(Callback):
    def on_train_batch_start(self, *_):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.1)
"""


EARLY = """
import os
import signal
from pathlib import Path

from lightning import Callback


class Early(Callback):
    def on_sanity_check_end(self, *_):
        Path("handler").write_text(signal.getsignal({number}).__qualname__)
        os.kill(os.getpid(), {number})
"""


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


STATUS = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 143}


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_a_run_ended_from_outside_goes_on_to_the_same_folder(new_desk, uninterrupted, how) -> None:
    desk = new_desk()
    process = desk.start("fit", *desk.digits(EPOCHS), "--name", "digits")
    while not process.stdout.readline().startswith("epoch 2/"):
        assert process.poll() is None
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert process.returncode == STATUS[how], out + err
    if how != signal.SIGKILL:
        assert "resume with: holdout fit --ckpt_path runs/digits/version_0/checkpoints/last.ckpt" in out + err
        assert "Traceback" not in out + err
    folder = desk.folder / "runs" / "digits" / "version_0"
    assert 1 <= state(folder)["epoch"] < EPOCHS - 1

    time.sleep(1)  # TensorBoard orders files by the second in their names; a real start takes longer
    done = desk.here("fit", *desk.digits(EPOCHS), "--name", "digits", "--ckpt_path", "last")
    assert "resumed " in done.stdout
    assert differences(uninterrupted, folder) == [], "weights, history, events, figures, summary, names of files"
    assert shown_by_tensorboard(folder) == shown_by_tensorboard(uninterrupted)
    assert [path.name for path in folder.parent.iterdir()] == ["version_0"], "in the folder it began in"


def shown_by_tensorboard(folder) -> dict[str, list[tuple[int, float]]]:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag: [(point.step, point.value) for point in accumulator.Scalars(tag)] for tag in tags}


def test_every_epoch_has_one_point_of_each_metric(uninterrupted) -> None:
    shown = shown_by_tensorboard(uninterrupted)
    for tag in ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "train/epoch"):
        assert len(shown[tag]) == EPOCHS, tag
    tags = [point[:2] for point in events(uninterrupted)]
    assert len(tags) == len(set(tags)), "nothing twice in the files either"


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


def test_a_run_limited_by_steps_goes_on_from_the_end_of_an_epoch_and_says_what_it_has_trained(desk) -> None:
    flags = (*desk.digits(-1), "--name", "steps", "--model.lr_scheduler", "null", "--early_stopping", "null")
    desk.here("fit", *flags, "--trainer.max_steps", "21")  # an epoch
    assert (
        "resumed after epoch 1" in desk.here("fit", *flags, "--trainer.max_steps", "30", "--ckpt_path", "last").stdout
    )
    again = desk.here("fit", *flags, "--trainer.max_steps", "30", "--ckpt_path", "last")
    assert "has trained 30 steps already; raise --trainer.max_steps to continue" in again.stdout
    refused = desk.here("fit", *flags, "--trainer.max_steps", "22", "--ckpt_path", "last", status=2)
    assert "has trained 30 steps already" in refused.stderr
    assert (
        "resumed in epoch 2 after step 30"
        in desk.here("fit", *flags, "--trainer.max_steps", "45", "--ckpt_path", "last").stdout
    )


def test_another_split_than_the_checkpoints_is_refused(desk) -> None:
    folder = desk.fit("split", epochs=1)
    before = (folder / "split.json").read_text()
    done = desk.here(
        *("fit", *desk.digits(2), "--name", "split", "--ckpt_path", "last", "--data.split.seed", "4"), status=2
    )
    assert "data.split.seed was 0, now 4" in done.stderr
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


def test_another_learning_rate_than_the_checkpoints_is_refused(desk) -> None:
    folder = desk.fit("rate", epochs=1)
    before = (folder / "config.yaml").read_text()
    done = desk.here(
        *("fit", *desk.digits(2), "--name", "rate", "--ckpt_path", "last", "--model.optimizer.lr", "0.3"), status=2
    )
    assert "optimizer.lr was 0.002, now 0.3" in done.stderr
    assert (folder / "config.yaml").read_text() == before


def test_from_the_best_epoch_a_run_of_its_own_goes_on(desk) -> None:
    folder = desk.fit("branch", epochs=1)
    best = state(folder, "best")
    branch = desk.fit("branch", "--ckpt_path", "best")
    assert branch.name == "version_1"
    assert state(folder)["epoch"] == 0
    assert same_weights(state(folder, "best"), best)
    assert [row["epoch"] for row in rows(state(branch))] == [0, 1]


def test_a_branch_that_never_improves_points_at_the_best_epoch_before_it(desk) -> None:
    folder = desk.fit("worse", epochs=1)
    path = folder / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    (kept,) = (value for key, value in checkpoint["callbacks"].items() if "holdout.Checkpoint" in key)
    kept["best_model_score"] = torch.tensor(0.0)
    (history,) = (value for key, value in checkpoint["callbacks"].items() if "History" in key)
    history["rows"][0]["val/loss"] = 0.0
    torch.save(checkpoint, path)
    done = desk.here("fit", *desk.digits(2), "--name", "worse", "--ckpt_path", "best")
    assert "best epoch 1 of 2" in done.stdout
    assert "--ckpt_path runs/worse/version_0\n" in done.stdout


@pytest.mark.slow
def test_interrupted_in_its_first_epoch_it_keeps_the_steps_that_were_made(new_desk) -> None:
    desk = new_desk()
    flags = (*desk.digits(2), "--data.batch_size", "2")
    process = desk.start("fit", *flags)
    while not process.stdout.readline().startswith("run "):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert "Ctrl-C again ends at once" in err
    assert state(desk.folder / "runs" / "digits" / "version_0")["global_step"] > 0
    assert "resumed in epoch 1 after step " in desk.here("fit", *flags, "--ckpt_path", "auto").stdout


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 3.0])
def test_interrupted_while_it_starts_it_says_nothing_and_leaves_nothing(new_desk, seconds) -> None:
    desk = new_desk()
    process = desk.start("fit", *desk.digits(2), "--data.batch_size", "2")
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # before Python runs anything it is the system that ends it
    assert "Traceback" not in out + err
    if "run " not in out:
        assert not list((desk.folder / "runs").glob("*/*/*"))


@pytest.mark.slow
def test_a_second_interrupt_ends_at_once(new_desk) -> None:
    desk = new_desk()
    (desk.folder / "slow.py").write_text(SLOW)
    process = desk.start("fit", *desk.digits(2), "--trainer.callbacks", "slow.Slow")
    while not process.stdout.readline().startswith("run "):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None, "in a step that takes a minute"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=5)
    assert process.returncode == 130
    assert "Traceback" not in out + err


def test_a_run_of_one_name_under_another_folder_is_a_run_of_its_own(desk) -> None:
    folder = desk.fit("moved", epochs=1)
    before = state(folder)
    desk.here(
        "fit", "--ckpt_path", f"{folder}/checkpoints/last.ckpt", "--runs_dir", "other", "--trainer.max_epochs", "2"
    )
    assert state(folder)["epoch"] == before["epoch"] == 0
    assert state(desk.folder / "other" / "moved" / "version_0")["epoch"] == 1


def test_no_file_of_a_run_lands_in_the_working_directory(desk) -> None:
    (desk.folder / "config.yaml").write_text("mine")
    done = desk.here("fit", *desk.digits(1), "--trainer.default_root_dir", ".", "--trainer.logger", "false", status=2)
    assert "--runs_dir" in done.stderr
    desk.here("fit", *desk.digits(1), "--trainer.logger", "false")
    assert (desk.folder / "config.yaml").read_text() == "mine"
    assert not (desk.folder / "summary.json").exists()


def test_a_longer_run_says_that_its_schedule_is_another(desk) -> None:
    desk.fit("schedule", epochs=1)
    with pytest.warns(UserWarning, match="the learning-rate schedule was made for"):
        desk.here("fit", *desk.digits(2), "--name", "schedule", "--ckpt_path", "last")


def test_gradients_between_two_steps_are_missed_aloud(desk) -> None:
    flags = ("--trainer.accumulate_grad_batches", "3", "--trainer.val_check_interval", "7")
    desk.fit("accumulate", *flags, "--trainer.max_steps", "3", epochs=1)
    with pytest.warns(UserWarning, match="between two optimizer steps"):
        desk.here("fit", *desk.digits(1), "--name", "accumulate", "--ckpt_path", "best", *flags)


def test_a_recipe_with_overlays_goes_on_by_the_flags_it_had(new_desk) -> None:
    desk = new_desk()
    overlays = ("-c", "configs/regularizers/label_smoothing.yaml", "-c", "configs/regularizers/disturb_label.yaml")
    flags = (*desk.digits(1), *overlays)
    desk.here("fit", *flags)
    done = desk.here("fit", *flags, "--trainer.max_epochs", "2", "--ckpt_path", "last")
    assert "runs/digits/version_0, resumed after epoch 1" in done.stdout
    assert "has trained 2 epochs already" in desk.here("fit", *flags, "--ckpt_path", "last", status=2).stderr


def test_best_means_that_of_the_recipe_whatever_overlays_follow(new_desk) -> None:
    desk = new_desk()
    flags = (*desk.digits(1), "-c", "configs/trainer/cpu.yaml")
    desk.here("fit", *flags)
    assert "test/accuracy" in desk.here("test", *flags, "--ckpt_path", "best").stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_in_the_sanity_check_is_heeded_after_the_first_step(new_desk, number) -> None:
    desk = new_desk()
    (desk.folder / f"early_{int(number)}.py").write_text(EARLY.format(number=int(number)))
    flags = (
        *desk.digits(1),
        "--trainer.num_sanity_val_steps",
        "1",
        "--trainer.callbacks",
        f"early_{int(number)}.Early",
    )
    ended = desk.here("fit", *flags, status=STATUS[number])
    assert "interrupted in epoch 1; resume with: " in ended.stdout
    assert state(desk.folder / "runs" / "digits" / "version_0")["global_step"] == 1
    assert desk.folder.joinpath("handler").read_text() == "StopOnSignal._heed", "Lightning's would wait for all ranks"
