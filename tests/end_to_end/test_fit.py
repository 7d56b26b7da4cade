"""What `holdout fit` leaves and says."""

import json
import re
import shlex

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datamodules import Digits
from datamodules.splitting.options import SplitOptions

RUN = "runs/digits/version_0"
FIGURES = ("curves", "first_batch", "gradients", "confusion_matrix_val", "class_accuracy_val")


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


class TestTheRunFolder:
    def test_holds_everything_that_was_promised(self, trained) -> None:
        folder = trained[0].folder / RUN
        found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        events = {name for name in found if name.startswith("events.out.tfevents.")}
        promised = {"config.yaml", "split.csv", "split.json", "summary.json"}
        promised |= {f"figures/{name}.png" for name in FIGURES}
        checkpoints = {"checkpoints/best.ckpt", "checkpoints/last.ckpt"}
        assert len(events) == 1
        assert found - events == promised | checkpoints

    def test_config_says_what_was_run(self, trained) -> None:
        config = yaml.safe_load((trained[0].folder / RUN / "config.yaml").read_text())
        assert config["trainer"]["max_epochs"] == 3
        assert config["data"]["class_path"] == "datamodules.Digits"
        assert config["seed_everything"] == 0
        assert "num_classes" not in config["model"]["init_args"], "the data says it"

    def test_split_is_the_datamodules(self, trained) -> None:
        config = yaml.safe_load((trained[0].folder / RUN / "config.yaml").read_text())
        arguments = config["data"]["init_args"]
        data = Digits(**arguments | {"split": SplitOptions(**arguments["split"])})
        data.setup()
        assert json.loads((trained[0].folder / RUN / "split.json").read_text()) == data.manifest

    def test_summary_is_of_the_epochs_that_were_printed(self, trained) -> None:
        desk, done = trained
        summary = json.loads((desk.folder / RUN / "summary.json").read_text())
        best = f"epoch {summary['best']['epoch'] + 1}/"
        (line,) = (line for line in done.stdout.splitlines() if line.startswith(best))
        assert f"val/loss {summary['best']['val/loss']:.4f}" in line
        assert summary["epochs"] == 3
        assert shlex.split(summary["command"])[1:] == ["fit", "-c", "configs/digits.yaml", "--trainer.max_epochs", "3"]

    def test_events_hold_figures_by_epoch_picture_and_settings(self, trained) -> None:
        events = EventAccumulator(str(trained[0].folder / RUN))
        events.Reload()
        tags = set(events.Tags()["scalars"])
        assert {"train/loss", "train/accuracy", "train/objective", "val/loss", "val/accuracy"} <= tags
        assert "hp_metric" not in tags
        assert set(events.Tags()["images"]) == {f"figures/{name}" for name in FIGURES}
        assert [len(events.Scalars(tag)) for tag in ("train/loss", "val/accuracy")] == [3, 3]
        rows = json.loads((trained[0].folder / RUN / "summary.json").read_text())
        assert events.Scalars("val/loss")[-1].value == pytest.approx(rows["last"]["val/loss"])
        assert events.Scalars("best/loss")[0].value == pytest.approx(rows["best"]["val/loss"])


class TestWhatIsPrinted:
    def test_opens_with_data_model_and_folder(self, trained) -> None:
        lines = trained[1].stdout.splitlines()
        assert [line.split()[0] for line in lines[:3]] == ["data", "model", "run"]
        assert lines[2].split() == ["run", RUN]

    def test_one_line_an_epoch(self, trained) -> None:
        lines = [line for line in trained[1].stdout.splitlines() if line.startswith("epoch ")]
        assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
        assert all(f"{stage}/{name} " in line for line in lines for stage in ("train", "val") for name in ("loss",))

    def test_ends_with_what_a_person_wants(self, trained) -> None:
        printed = trained[1].stdout
        lines = printed[printed.index("best epoch ") :].splitlines()
        assert "val/accuracy" in lines[1]
        assert any(line.startswith("  gap to training: loss ") for line in lines)
        checkpoint, figures, command = lines[-3:]
        assert checkpoint.split() == ["checkpoint", f"{RUN}/checkpoints/best.ckpt"]
        assert figures.split() == ["figures", f"{RUN}/figures"]
        assert command.endswith(f"holdout test --ckpt_path {RUN}")

    def test_nothing_is_complained_of_and_no_bar_drawn(self, trained) -> None:
        assert trained[1].stderr == ""
        assert "\r" not in trained[1].stdout

    def test_it_has_learnt_something(self, trained) -> None:
        summary = json.loads((trained[0].folder / RUN / "summary.json").read_text())
        assert summary["best"]["val/accuracy"] > 0.85


class TestTheSameAgain:
    def test_the_same_command_gives_bit_identical_weights(self, trained_twice) -> None:
        (first, said), (second, said_again) = trained_twice
        untimed = [re.sub(r"\ntime .*", "", out.stdout) for out in (said, said_again)]
        assert untimed[0] == untimed[1]
        assert same(*(weights(desk.folder / RUN / "checkpoints" / "last.ckpt") for desk in (first, second)))

    def test_a_runs_config_as_the_recipe_gives_bit_identical_weights(self, trained) -> None:
        desk, _ = trained
        desk.here("fit", "-c", f"{RUN}/config.yaml", "--name", "again")
        paths = [desk.folder / run / "checkpoints" / "last.ckpt" for run in (RUN, "runs/again/version_0")]
        assert same(*map(weights, paths))

    def test_another_seed_gives_other_weights_on_the_same_split(self, desk) -> None:
        first, second = desk.fit("seed", epochs=1), desk.fit("seed", "--seed_everything", "1", epochs=1)
        assert first != second
        assert not same(*(weights(folder / "checkpoints" / "last.ckpt") for folder in (first, second)))
        assert (first / "split.json").read_text() == (second / "split.json").read_text()


class TestFlagsAndOverlays:
    def test_overlays_and_flags_stack_in_order(self, desk) -> None:
        overlays = [f"configs/regularizers/{name}.yaml" for name in ("label_smoothing", "disturb_label")]
        desk.here("fit", "-c", "configs/digits.yaml", "-c", overlays[0], "-c", overlays[1], "--trainer.max_epochs", "1")
        config = yaml.safe_load((desk.folder / RUN / "config.yaml").read_text())
        chain = [(item["class_path"], item["init_args"]) for item in config["model"]["init_args"]["regularizers"]]
        assert [path for path, _ in chain] == ["models.regularizers.LabelSmoothing", "models.regularizers.DisturbLabel"]
        assert (chain[0][1]["epsilon"], chain[1][1]["alpha"]) == (0.1, 10)
        assert config["trainer"]["max_epochs"] == 1
        assert config["model"]["init_args"]["optimizer"]["class_path"] == "torch.optim.AdamW", "the recipe's own"

    def test_an_optimizer_has_its_own_defaults_and_nobody_elses(self, desk) -> None:
        recipe = yaml.safe_load((desk.folder / "configs" / "digits.yaml").read_text())
        recipe["model"]["init_args"]["optimizer"] = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}
        (desk.folder / "sgd.yaml").write_text(yaml.safe_dump(recipe))
        config = yaml.safe_load(desk.here("fit", "-c", "sgd.yaml", "--print_config").stdout)
        arguments = config["model"]["init_args"]["optimizer"]["init_args"]
        assert (arguments["lr"], arguments["weight_decay"]) == (0.1, 0)

    def test_folds_partition_what_is_not_test(self, desk) -> None:
        folders = [
            desk.fit("folds", "--data.split.folds", "3", "--data.split.fold", str(fold), epochs=1) for fold in range(3)
        ]
        parts = [json.loads((folder / "split.json").read_text())["parts"] for folder in folders]
        assert len({part["test"]["sha256"] for part in parts}) == 1
        assert len({part["val"]["sha256"] for part in parts}) == 3
        assert sum(part["val"]["size"] for part in parts) == 1797 - parts[0]["test"]["size"]
        done = desk.here("test", "--ckpt_path", str(folders[2] / "checkpoints" / "best.ckpt"))
        assert "fold 2 of 3" in done.stdout

    def test_name_and_folder_of_runs_can_be_chosen(self, desk) -> None:
        desk.here("fit", *desk.digits(1), "--name", "a", "--runs_dir", "elsewhere")
        assert (desk.folder / "elsewhere" / "a" / "version_0" / "checkpoints" / "best.ckpt").is_file()

    def test_a_dry_run_leaves_nothing(self, desk) -> None:
        desk.here("fit", *desk.digits(1), "--name", "dry", "--trainer.fast_dev_run", "true")
        assert not (desk.folder / "runs" / "dry").exists()

    def test_name_and_folder_of_runs_can_stand_in_the_recipe(self, desk) -> None:
        recipe = (desk.folder / "configs" / "digits.yaml").read_text() + "name: written\nruns_dir: written_runs\n"
        (desk.folder / "recipe.yaml").write_text(recipe)
        desk.here("fit", "-c", "recipe.yaml", "--trainer.max_epochs", "1")
        assert (desk.folder / "written_runs" / "written" / "version_0" / "summary.json").is_file()

    def test_early_stopping_can_be_set_and_switched_off(self, desk) -> None:
        frozen = ("--model.lr_scheduler", "null", "--model.optimizer.lr", "0", "--model.network.norm", "none")
        stopped = desk.fit("stop", *frozen, "--early_stopping.patience", "2", epochs=6)
        going_on = desk.fit("stop", *frozen, "--early_stopping", "null", epochs=6)
        summaries = [json.loads((folder / "summary.json").read_text()) for folder in (stopped, going_on)]
        assert [summary["epochs"] for summary in summaries] == [3, 6]
        assert summaries[0]["stopped"].startswith("early: val/loss")

    @pytest.mark.parametrize("flags", [("--checkpoint", "null"), ("--trainer.enable_checkpointing", "false")])
    def test_checkpoints_can_be_switched_off(self, desk, flags) -> None:
        folder = desk.fit("unsaved", *flags, epochs=1)
        assert (folder / "summary.json").is_file()
        assert not (folder / "checkpoints").exists()

    def test_the_figure_that_decides_can_be_chosen(self, desk) -> None:
        folder = desk.fit("monitor", "--checkpoint.monitor", "val/accuracy", epochs=3)
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["monitor"] == "val/accuracy"
        assert torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["epoch"] == summary["best"]["epoch"]

    @pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
    def test_it_trains_in_another_precision(self, desk, precision) -> None:
        folder = desk.fit("precision", "--trainer.precision", precision, epochs=1)
        assert json.loads((folder / "summary.json").read_text())["precision"] == precision

    def test_without_a_logger_the_files_lie_in_the_same_place(self, desk) -> None:
        folder = desk.fit("unlogged", "--trainer.logger", "false", epochs=1)
        found = {path.name for path in folder.rglob("*") if path.is_file()}
        assert found == {
            "config.yaml",
            "split.csv",
            "split.json",
            "summary.json",
            *(f"{name}.png" for name in FIGURES),
            "best.ckpt",
            "last.ckpt",
        }

    def test_the_users_callbacks_stand_beside_ours(self, desk) -> None:
        stopping = "{class_path: lightning.pytorch.callbacks.EarlyStopping, init_args: {monitor: train/loss}}"
        own = f"[{{class_path: ModelCheckpoint, init_args: {{filename: own}}}}, {stopping}]"
        folder = desk.fit("own", f"--trainer.callbacks={own}", epochs=1)
        assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt", "own.ckpt"}


class TestWhatCannotGoOn:
    @pytest.mark.slow
    def test_a_loss_that_is_no_number_ends_the_run_with_one_line_and_no_folder(self, new_desk) -> None:
        desk = new_desk()
        done = desk.run("fit", "-c", "configs/digits.yaml", "--model.optimizer.lr", "1e30", status=2)
        assert done.stderr.startswith("holdout: error: the loss is ")
        assert done.stderr.count("\n") == 1
        assert "learning rate" in done.stderr
        assert not list(desk.folder.glob("runs/*"))

    def test_it_leaves_the_checkpoints_of_the_epochs_before(self, desk) -> None:
        schedule = "{class_path: MultiStepLR, init_args: {milestones: [2], gamma: 1.e30}}"
        flags = ("--model.lr_scheduler", schedule, "--model.lr_scheduler_interval", "epoch")
        folder = desk.fit("ruined", *flags, epochs=4, status=2)
        for name in ("best", "last"):
            checkpoint = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
            assert checkpoint["epoch"] < 2
            assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())


class TestQuestions:
    def test_help(self, desk) -> None:
        done = desk.here("--help")
        assert all(word in done.stdout for word in ("fit", "validate", "test", "predict"))
        assert done.stderr == ""

    @pytest.mark.parametrize("subcommand", ["fit", "validate", "test", "predict"])
    def test_help_of_a_subcommand(self, desk, subcommand) -> None:
        done = desk.here(subcommand, "--help")
        assert "--ckpt_path" in done.stdout
        assert ("--output" in done.stdout) == (subcommand == "predict")

    def test_print_config_is_a_recipe(self, desk) -> None:
        done = desk.here("fit", "-c", "configs/digits.yaml", "--trainer.max_epochs", "9", "--print_config")
        config = yaml.safe_load(done.stdout)
        assert config["trainer"]["max_epochs"] == 9
        assert config["model"]["init_args"]["network"]["class_path"] == "models.networks.MLP"
        (desk.folder / "printed.yaml").write_text(done.stdout)
        assert desk.here("fit", "-c", "printed.yaml", "--print_config").stdout == done.stdout


SMALL_NUMBERS = """
import torch

from models.regularizers import Regularizer


class SmallNumbers(Regularizer):
    def perturb(self, inputs, targets):
        kept = (torch.full((1000,), 1e-40) * 1.5).any().item()
        open("kept.txt", "w").write(str(kept))
        return inputs, targets
"""


def test_numbers_too_small_to_matter_do_not_slow_a_run_down(new_desk) -> None:
    desk = new_desk()
    (desk.folder / "small_numbers.py").write_text(SMALL_NUMBERS)
    desk.run("fit", *desk.digits(1), "--model.regularizers+", "small_numbers.SmallNumbers")
    assert (desk.folder / "kept.txt").read_text() == "False"


def test_the_process_is_left_with_the_numbers_that_it_had(desk) -> None:
    desk.fit("numbers", epochs=1)
    assert (torch.full((1000,), 1e-40) * 1.5).all()
