"""Lists of regularizers from the command line: overlays stack, and one that makes no sense is one line."""

import json

import pytest
import yaml

LOOKS_AT_PICTURES = True


def overlays(*names: str) -> list[str]:
    return [part for name in names for part in ("-c", f"configs/regularizers/{name}.yaml")]


def test_overlays_stack_in_their_order_and_the_run_is_tested_clean(desk) -> None:
    run = desk.fit(
        "stack",
        *overlays("disturb_label", "mixup", "label_smoothing", "l2", "max_norm"),
        "-c",
        "configs/optimizers/sam.yaml",
    )
    arguments = yaml.safe_load((run / "config.yaml").read_text())["model"]["init_args"]
    names = [item["class_path"].rsplit(".", 1)[-1] for item in arguments["regularizers"]]
    assert names == ["DisturbLabel", "MixUp", "LabelSmoothing", "L2", "MaxNorm"]
    assert arguments["optimizer_wrapper"]["class_path"] == "models.SAM"
    desk.here("test", "--ckpt_path", str(run / "checkpoints" / "best.ckpt"))
    assert json.loads((run / "test.json").read_text())["metrics"]["test/accuracy"] > 0.5


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("mixup", "disturb_label"), "DisturbLabel after MixUp"),
        (("mixup", "cutmix"), "MixUp and CutMix both mix samples"),
        (("label_smoothing", "bootstrap_labels"), "LabelSmoothing and BootstrapLabels both soften labels"),
        (("l1", "l1"), "L1 is in the list of regularizers twice"),
        (("disturb_value",), "DisturbValue is for continuous targets"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused_in_one_line_and_leaves_nothing(new_desk, names, said) -> None:
    desk = new_desk()
    error = desk.here("fit", *desk.digits(1), *overlays(*names), status=2).stderr
    (line,) = [line for line in error.splitlines() if line.startswith("holdout")]
    assert said in line
    assert "Traceback" not in error
    assert not (desk.folder / "runs").exists()


def test_a_penalty_that_matches_no_weight_is_refused(new_desk) -> None:
    desk = new_desk()
    penalty = "--model.regularizers=[{class_path: L2, init_args: {pattern: convolution}}]"
    error = desk.here("fit", *desk.digits(1), penalty, status=2).stderr
    assert "L2: no weight's name matches 'convolution'" in error


def test_what_was_measured_alike_is_printed_and_drawn(desk) -> None:
    noise = ["--data.label_noise", "SymmetricNoise", "--data.label_noise.rate", "0.3"]
    callbacks = ["-c", "configs/callbacks/generalization_gap.yaml", "-c", "configs/callbacks/memorization.yaml"]
    printed = desk.here("fit", "-c", "configs/digits.yaml", *callbacks, *noise, "--trainer.max_epochs", "2").stdout
    assert "gap to training samples evaluated alike: " in printed
    assert "memorization/wrong_label 0." in printed
    (figure,) = (desk.folder / "runs" / "digits").glob("version_*/figures/memorization.png")
    assert figure.stat().st_size > 5000


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["[FocalLoss]"], "model.regularizers: FocalLoss is not a Regularizer"),
        (["DisturbLabel,MixUp"], "write a list as [A, B], and add to one with --model.regularizers+ A"),
        (["{class_path: L2}"], "write a list as [A, B]"),
        (["[L2, 5]"], "'5' is not a Regularizer"),
        (["[{class_path: DisturbLabel, alpha: 20}]"], "the arguments of an item go under its init_args"),
        ([], "no item has an argument 'alpha'; add an item to the list first"),
    ],
)
def test_a_list_that_is_none_is_told_how_lists_are_written(desk, given, said) -> None:
    flags = ["--model.regularizers", *given] if given else ["--model.regularizers.alpha", "5"]
    done = desk.here("fit", *desk.digits(1), *flags, status=2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_callback_that_is_there_twice_is_refused(desk) -> None:
    gap = ("-c", "configs/callbacks/generalization_gap.yaml")
    done = desk.here("fit", *desk.digits(1), *gap, *gap, status=2)
    assert done.stderr == "holdout: error: trainer.callbacks: GeneralizationGap is given twice; leave one out\n"


def test_what_a_probe_measures_cannot_be_monitored(desk) -> None:
    gap = ("-c", "configs/callbacks/generalization_gap.yaml", "--checkpoint.monitor", "gap/loss")
    done = desk.here("fit", *desk.digits(1), *gap, status=2)
    assert "checkpoint.monitor: gap/loss is measured too late in an epoch" in done.stderr


def test_a_callback_of_the_users_takes_the_place_of_the_one_that_is_there_anyway(desk) -> None:
    callbacks = ["--trainer.callbacks+", "Curves", "--trainer.callbacks.metrics", "[loss]"]
    assert (desk.fit("loss_alone", *callbacks, epochs=1) / "figures" / "curves.png").is_file()
    named = ["--model.loss", "ProbabilityMAE", "--model.loss.foo", "1"]
    error = desk.here("fit", *desk.digits(1), *named, status=2).stderr
    assert "ProbabilityMAE has no argument 'foo'\n" in error
