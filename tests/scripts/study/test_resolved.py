from pathlib import Path

import pytest

from datamodules import Digits
from scripts.cli.errors import UsageError
from scripts.study.reading import read_options
from scripts.study.resolved import check_metrics, check_runs, default_metrics, resolve_arms, write_settings

ROOT = Path(__file__).parents[3]
DIGITS = ("-c", "configs/digits.yaml")


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)


def test_arms_have_the_recipes_seeds() -> None:
    words = [
        *DIGITS,
        "--data.split.seed",
        "4",
        "--arm",
        "plain",
        "--arm",
        "noisy=-c configs/callbacks/memorization.yaml",
    ]
    arms = resolve_arms(read_options(words))
    assert arms["plain"].seeds == {"initialization": 0, "order": 0, "split": 4}
    assert arms["noisy"].seeds == {"initialization": 0, "order": 0, "split": 4, "label_noise": 0}
    assert arms["plain"].name == "digits"


@pytest.mark.parametrize(
    ("recipe", "metrics"),
    [("digits", ("test/accuracy", "test/loss")), ("diabetes_mlp", ("test/loss",))],
)
def test_what_is_compared_fits_the_task(recipe: str, metrics: tuple[str, ...]) -> None:
    assert default_metrics(resolve_arms(read_options(["-c", f"configs/{recipe}.yaml"]))) == metrics


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arm", "plain", "--arm", "same=--data.batch_size 64"], "plain and same have the same settings"),
        (["--arm", "plain", "--arm", "wrong=--model.network.dropot 0.5"], "arm wrong: .*did you mean"),
        (["--sources", "label_noise"], "--sources label_noise needs data.label_noise"),
        (["--trainer.devices", "2"], "one device each"),
        (["--trainer.num_nodes", "2"], "one device each"),
        (["--vary", "data.split.train_fractoin=0.1,0.5"], "train_fraction"),
        (["--vary", "model.optimizer.lr=0.1,abc"], "abc"),
        (["--arm", "plain", "--arm", "other=--data.split.seed 3"], "arm other has other seeds than plain"),
        (["--arm", "plain", "--arm", "wine=--data datamodules.Wine"], "arm wine has the data datamodules.*Wine"),
        (["--vary", "model.optimizer.lr=0.1,abc"], "--vary model.optimizer.lr=abc: "),
        (["--trainer.limit_test_batches", "2"], "the whole test part"),
        (["--trainer.fast_dev_run", "true"], "keeps nothing"),
        (["--checkpoint", "null"], "a study tests a checkpoint"),
        (["--search", "model.optimizer.lrr=log:0.1:1", "--trials", "2"], "lr"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_trained(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        resolve_arms(read_options([*DIGITS, *words]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vary", "data.split.train_fraction=0.1,1.5"], "train_fraction 1.5: .*1.5"),
        (["--arm", "plain", "--arm", "configs/regularizers/disturb_value.yaml"], "arm disturb_value: DisturbValue is"),
        (["--data", "datamodules.ImageFolder", "--data.data_dir", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_runs(read_options([*DIGITS, *words]))


def test_what_can_be_trained_is_built_and_data_are_read_once_for_arms_that_share_them(monkeypatch) -> None:
    read: list[str] = []
    load = Digits.load
    monkeypatch.setattr(Digits, "load", lambda self: read.append("read") or load(self))
    arms = ["--arm", "plain", "--arm", "configs/regularizers/mixup.yaml", "--arm", "dry=--model.network.dropout 0.5"]
    check_runs(read_options([*DIGITS, *arms, "--vary", "data.split.train_fraction=0.5,0.9"]))
    assert len(read) == 2


def test_arms_that_differ_in_how_they_are_tested_alone_are_two() -> None:
    words = [*DIGITS, "--arm", "plain", "--arm", "last=--test_checkpoint last", "--arm", "calibrated=--calibrate"]
    assert len(resolve_arms(read_options(words))) == 3


def test_a_study_does_not_go_on_with_other_settings(tmp_path) -> None:
    write_settings(tmp_path, resolve_arms(read_options(DIGITS)))
    write_settings(tmp_path, resolve_arms(read_options(DIGITS)))
    with pytest.raises(UsageError, match="the settings of arm plain are not those of"):
        write_settings(tmp_path, resolve_arms(read_options([*DIGITS, "--data.batch_size", "32"])))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metric", "accuracy"], "for example test/accuracy"),
        (["--metric", "tset/accuracy"], "did you mean test?"),
        (
            ["--metric", "gap/loss", "--search", "model.optimizer.lr=log:0.01:0.1", "--trials", "2"],
            "metric of the test first",
        ),
    ],
)
def test_a_metric_of_no_part_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_metrics(read_options([*DIGITS, *words]))
