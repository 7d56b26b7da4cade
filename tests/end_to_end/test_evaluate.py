"""What `holdout validate`, `test` and `predict` make of a checkpoint alone."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.nn.functional import cross_entropy

from datamodules import Digits
from models import Classifier

RUN = "runs/digits/version_0"
BEST = f"{RUN}/checkpoints/best.ckpt"


@pytest.fixture(scope="module")
def desk(trained, new_desk):
    """A folder with a copy of a trained run, as another user might get it."""
    desk = new_desk()
    shutil.copytree(trained[0].folder / "runs", desk.folder / "runs")
    return desk


@pytest.fixture(scope="module")
def tested(desk):
    """`holdout test --ckpt_path …/best.ckpt`, for real, with nothing else."""
    return desk.run("test", "--ckpt_path", BEST)


@pytest.fixture(scope="module")
def by_hand(desk):
    """Logits and targets of the test part, computed without the command line."""
    model = Classifier.load_from_checkpoint(desk.folder / BEST, weights_only=True).eval().cpu()
    data = Digits()
    data.setup()
    indices = torch.from_numpy(data.split.test)
    with torch.inference_mode():
        logits = model(data.samples.inputs[indices])
    return logits, data.samples.targets[indices]


def figures_of(stdout: str) -> str:
    """Return what is printed before the test part's account, which grows with each test."""
    return stdout.partition("test part read")[0]


def printed_figures(stdout: str) -> dict[str, float]:
    lines = [line.split() for line in figures_of(stdout).splitlines()[1:]]
    return {name: float(value) for name, value in lines}


def rows_of(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_checkpoint_alone_is_tested(tested, by_hand) -> None:
    logits, targets = by_hand
    figures = printed_figures(tested.stdout)
    assert figures["test/accuracy"] == pytest.approx((logits.argmax(-1) == targets).float().mean().item(), abs=5e-5)
    assert figures["test/loss"] == pytest.approx(cross_entropy(logits, targets).item(), abs=1e-4)
    zeros = targets == 0
    of_zeros = (logits[zeros].argmax(-1) == 0).float().mean().item()
    assert figures["test/class_accuracy/0"] == pytest.approx(of_zeros, abs=5e-5)
    assert tested.stderr == ""


def test_the_figures_are_written_beside_the_run(desk, tested) -> None:
    written = json.loads((desk.folder / RUN / "test.json").read_text())
    assert written["checkpoint"] == BEST
    assert {name: round(value, 4) for name, value in written["metrics"].items()} == printed_figures(tested.stdout)


def test_validation_of_the_best_checkpoint_gives_the_best_epochs_figures(desk) -> None:
    desk.here("validate", "--ckpt_path", BEST)
    figures = json.loads((desk.folder / RUN / "validation.json").read_text())["metrics"]
    best = json.loads((desk.folder / RUN / "summary.json").read_text())["best"]
    assert figures == pytest.approx({name: value for name, value in best.items() if name.startswith("val/")})


def test_predictions_are_those_of_the_test_part(desk, by_hand) -> None:
    logits, targets = by_hand
    done = desk.here("predict", "--ckpt_path", BEST)
    assert figures_of(done.stdout) == f"359 predictions: {RUN}/predictions.csv\n"
    rows = rows_of(desk.folder / RUN / "predictions.csv")
    data = Digits()
    data.setup()
    assert [int(row["index"]) for row in rows] == data.split.test.tolist()
    assert [int(row["target"]) for row in rows] == targets.tolist()
    assert [int(row["prediction"]) for row in rows] == logits.argmax(-1).tolist()
    shares = torch.tensor([[float(row[f"probability_{digit}"]) for digit in range(10)] for row in rows])
    assert torch.allclose(shares, logits.softmax(-1), atol=1e-5)


def test_predictions_go_where_output_says(desk) -> None:
    done = desk.here("predict", "--ckpt_path", BEST, "--output", "out/here.csv")
    assert "out/here.csv" in done.stdout
    assert len(rows_of(desk.folder / "out" / "here.csv")) == 359


def test_best_and_last_are_found_by_the_recipe(desk, tested) -> None:
    best = desk.here("test", "-c", "configs/digits.yaml", "--ckpt_path", "best")
    assert figures_of(best.stdout) == figures_of(tested.stdout)
    assert "last.ckpt" in desk.here("test", "--name", "digits", "--ckpt_path", "last").stdout


def test_a_checkpoint_copied_elsewhere_needs_nothing_either(desk, tested, new_desk) -> None:
    elsewhere = new_desk()
    shutil.copy(desk.folder / BEST, elsewhere.folder / "mine.ckpt")
    done = elsewhere.here("test", "--ckpt_path", "mine.ckpt")
    assert printed_figures(done.stdout) == printed_figures(tested.stdout)
    elsewhere.here("predict", "--ckpt_path", "mine.ckpt")
    assert len(rows_of(elsewhere.folder / "predictions.csv")) == 359


@pytest.mark.parametrize("size", ["7", "359", "5000"])
def test_the_batch_size_changes_no_figure(desk, tested, size) -> None:
    done = desk.here("test", "--ckpt_path", BEST, "--data.eval_batch_size", size)
    assert printed_figures(done.stdout) == pytest.approx(printed_figures(tested.stdout), abs=1.5e-4)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("runs", "--output runs is a folder; name a file in it: --output runs/predictions.csv"),
        (f"{BEST}/a/b.csv", f"--output {BEST}/a/b.csv: {BEST} is a file, not a folder"),
        ("/proc/none/b.csv", "--output /proc/none/b.csv: cannot write in /proc (No such file or directory)"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_any_work(desk, monkeypatch, output, said) -> None:
    monkeypatch.setattr("scripts.cli.training.Session", None)  # nothing is built
    assert desk.here("predict", "--ckpt_path", BEST, "--output", output, status=2).stderr == f"holdout: error: {said}\n"


def test_weights_that_do_not_fit_the_network_asked_for_are_refused_in_one_line(desk) -> None:
    error = desk.here("test", "--ckpt_path", BEST, "--model.network.widths", "[3]", status=2).stderr
    assert error == (
        f"holdout: error: {BEST}: its weights do not fit the network as configured: "
        "model.network.widths was [256, 128], now [3]\n"
    )


def test_a_network_that_differs_and_takes_the_weights_is_warned_of(desk) -> None:
    with pytest.warns(UserWarning, match=r"trained with another network: model\.network\.dropout was 0\.2, now 0\.3"):
        desk.here("test", "--ckpt_path", BEST, "--model.network.dropout", "0.3")


@pytest.mark.parametrize("subcommand", ["validate", "test", "predict"])
@pytest.mark.parametrize(
    ("flag", "value"), [("seed", "4"), ("test_fraction", "0.3"), ("val_size", "99"), ("train_size", "500")]
)
def test_another_split_than_the_checkpoints_is_refused(desk, subcommand, flag, value) -> None:
    done = desk.here(subcommand, "--ckpt_path", BEST, f"--data.split.{flag}", value, status=2)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "split" in done.stderr
    assert flag in done.stderr


def test_another_network_than_the_checkpoints_is_one_line(desk) -> None:
    done = desk.here("test", "--ckpt_path", BEST, "--model.network.widths", "[7]", status=2)
    assert done.stderr.count("\n") == 1
    assert BEST in done.stderr


def test_precision_is_the_trainings_own_unless_told_otherwise(desk) -> None:
    folder = desk.fit("half", "--trainer.precision", "bf16-mixed", epochs=1)
    checkpoint = str(folder / "checkpoints" / "best.ckpt")
    losses = {}
    for precision in ("as trained", "bf16-mixed", "32-true"):
        flags = () if precision == "as trained" else ("--trainer.precision", precision)
        desk.here("test", "--ckpt_path", checkpoint, *flags)
        losses[precision] = json.loads((folder / "test.json").read_text())["metrics"]["test/loss"]
    assert losses["as trained"] == losses["bf16-mixed"] != losses["32-true"]


def test_the_record_of_training_stays_as_it_was(desk, trained) -> None:
    desk.here("validate", "--ckpt_path", BEST)
    for _ in range(2):
        desk.here("test", "--ckpt_path", BEST)
    for name in ("config.yaml", "split.json", "summary.json"):
        assert (desk.folder / RUN / name).read_bytes() == (trained[0].folder / RUN / name).read_bytes()
    events = EventAccumulator(str(desk.folder / RUN))
    events.Reload()
    assert len(events.Scalars("val/accuracy")) == 3, "one an epoch"
    assert len(list((desk.folder / RUN).glob("events.*"))) == 2, "tests share one"


def test_a_checkpoint_is_not_tested_on_another_dataset(desk) -> None:
    (desk.folder / "other.py").write_text(
        'from datamodules import Digits\n\nclass OtherDigits(Digits):\n    """Digits by another name."""\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(desk.folder))
        checkpoint = "runs/digits/version_0/checkpoints/best.ckpt"
        done = desk.here("test", "--ckpt_path", checkpoint, "--data", "other.OtherDigits", status=2)
    assert "the dataset was Digits, now it is OtherDigits" in done.stderr


def test_a_checkpoint_measured_in_another_network_says_so(desk) -> None:
    with pytest.warns(UserWarning, match='model.network.activation was "relu", now "tanh"'):
        desk.here("test", "--ckpt_path", BEST, "--model.network.activation", "tanh")


def test_an_overlay_goes_on_top_of_the_checkpoints_own_recipe(desk, tested) -> None:
    done = desk.here("test", "--ckpt_path", BEST, "-c", "configs/trainer/cpu.yaml")
    assert figures_of(done.stdout) == figures_of(tested.stdout)


def test_a_part_of_the_test_part_is_told_and_leaves_the_whole_ones_figures(desk, tested) -> None:
    kept = (desk.folder / RUN / "test.json").read_text()
    few = desk.here("test", "--ckpt_path", BEST, "--trainer.limit_test_batches", "1", "--data.eval_batch_size", "10")
    assert "measured on a part alone (limit_test_batches 1)" in few.stdout
    assert (desk.folder / RUN / "test.json").read_text() == kept
    assert (
        "leaves nothing to test"
        in desk.here("test", "--ckpt_path", BEST, "--trainer.limit_test_batches", "0", status=2).stderr
    )


def test_a_folder_called_like_a_choice_of_an_argument_is_in_nobodys_way(desk) -> None:
    (desk.folder / "relu").mkdir()
    desk.here("test", "--ckpt_path", BEST)


def test_other_normalization_than_it_was_trained_with_is_refused(desk) -> None:
    refused = desk.here("test", "--ckpt_path", BEST, "--data.mean", "[0.0]", "--data.std", "[0.01]", status=2)
    assert "the normalisation was" in refused.stderr


def test_a_flag_may_set_an_argument_of_a_class_to_null(new_desk) -> None:
    printed = new_desk().here(
        "fit", "-c", "configs/cifar10_transfer.yaml", "--model.network.weights", "null", "--print_config"
    )
    assert "weights: null" in printed.stdout


def test_help_of_a_dataset_needs_no_recipe(new_desk) -> None:
    assert "--data.path" in new_desk().here("fit", "--data.help", "SequenceFiles").stdout


def test_predictions_of_large_values_have_every_digit(new_desk) -> None:
    desk = new_desk()
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal(300).round(3)
    targets = (1e6 + inputs + 0.1 * generator.standard_normal(300)).round(4)
    rows = [f"{x},{y}" for x, y in zip(inputs, targets, strict=True)]
    (desk.folder / "large.csv").write_text("\n".join(["x,y", *rows]) + "\n")
    table = ("--data", "Tabular", "--data.path", "large.csv", "--data.target", "y", "--data.continuous", "true")
    desk.here("fit", "-c", "configs/diabetes_mlp.yaml", "--name", "large", *table, "--trainer.max_epochs", "15")
    folder = desk.folder / "runs" / "large" / "version_0"
    best = str(folder / "checkpoints" / "best.ckpt")
    desk.here("predict", "--ckpt_path", best)
    desk.here("test", "--ckpt_path", best)
    written = rows_of(folder / "predictions.csv")
    assert {row["target"] for row in written} <= {str(target) for target in targets}, "as the file has them"
    predicted, true = (np.array([float(row[name]) for row in written]) for name in ("prediction", "target"))
    assert len(set(predicted)) > 50
    measured = json.loads((folder / "test.json").read_text())["metrics"]
    assert measured["test/r2"] == pytest.approx(r2_score(true, predicted), rel=1e-6)
    assert measured["test/r2"] > 0.9
