"""Help of what can be chosen, by the commands that help texts and README name."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import callbacks
import datamodules
from datamodules import SplitOptions
from models import losses, networks, regularizers
from scripts.cli import choices
from scripts.cli.choices import Slot, all_slots, slot_of
from scripts.cli.class_help import choice_rows, class_help
from scripts.cli.jobs import CLASSES, JOBS
from scripts.main import main

ROOT = Path(__file__).parents[3]
FIT = JOBS["fit"]
IN_README = re.findall(r"holdout (fit --[\w.]+\.help[^\n`]*)", (ROOT / "README.md").read_text())
Answer = Callable[..., str]


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Answer:
    """Ask for help; return what is shown, which must fit 100 columns."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def ask(command: str) -> str:
        monkeypatch.setattr(sys, "argv", ["holdout", *shlex.split(command)])
        with pytest.raises(SystemExit) as stopped:
            main()
        shown = capfd.readouterr()
        assert stopped.value.code in (0, None), shown.err
        assert max(map(len, shown.out.splitlines())) <= 100
        return shown.out

    return ask


def flags(page: str) -> list[str]:
    """Return the flags that a page explains."""
    return re.findall(r"^  (--[\w.]+\+?)(?= |$)", page, re.MULTILINE)


@pytest.mark.parametrize("command", [f"fit {row[0]}" for row in choice_rows(FIT)] + IN_README)
def test_every_help_command_that_is_named_anywhere(answer: Answer, command: str) -> None:
    assert 3 <= len(answer(command).splitlines()) <= 130


@pytest.mark.parametrize(
    "job", [name for name, job in JOBS.items() if CLASSES[-1] in job.options and job.checkpoint_help]
)
def test_the_help_of_a_job_is_short(answer: Answer, job: str) -> None:
    page = answer(f"{job} --help")
    assert JOBS[job].usage in page
    assert "--ckpt_path" in page
    assert all(option.flag in page for option in JOBS[job].options)
    assert ("--early_stopping" in page) == ("--checkpoint" in page) == (job == "fit")
    assert "--trainer.precision" not in page
    assert "--trainer.help" in page
    assert len(page.splitlines()) < 80


@pytest.mark.parametrize(
    ("key", "package", "base"),
    [
        ("model.network", networks, networks.Network),
        ("model.regularizers", regularizers, regularizers.Regularizer),
        ("model.loss", losses, losses.ClassificationLoss),
        ("data.augmentation", datamodules, datamodules.Augmentation),
    ],
)
def test_a_choice_lists_what_the_package_exports(answer: Answer, key: str, package: object, base: type) -> None:
    page = answer(f"fit --{key}.help")
    exported = [getattr(package, name) for name in package.__all__]
    for cls in exported:
        if isinstance(cls, type) and issubclass(cls, base) and cls is not base and not choices.is_abstract(cls):
            assert re.search(rf"^  {cls.__name__} ", page, re.MULTILINE), cls
    assert not re.search(rf"^  {base.__name__} ", page, re.MULTILINE), "the base class is not a choice"
    assert "by its full path" in page


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("fit --model.help", ["Classifier", "Regressor", "--model.help Classifier"]),
        ("fit --model.network.help", ["MLP", "ResNet", "torch.nn.Module"]),
        ("fit --model.loss.help", ["FocalLoss", "CrossEntropyLoss"]),
        ("fit --model.optimizer.help", ["SGD", "AdamW", "torch.optim.Optimizer"]),
        ("fit --model.optimizer_wrapper.help", ["SAM"]),
        ("fit --model.lr_scheduler.help", ["WarmupCosine", "StepLR", "torch.optim.lr_scheduler.LRScheduler"]),
        ("fit --data.help", ["MNIST", "ImageFolder", "Tabular"]),
        ("fit --data.label_noise.help", ["SymmetricNoise", "MatrixNoise"]),
        ("fit --data.imbalance.help", ["StepImbalance"]),
        ("fit --trainer.callbacks.help", ["EMA", "GradualUnfreezing", "LearningRateMonitor"]),
        ("test --data.help", ["MNIST"]),
    ],
)
def test_a_choice(answer: Answer, command: str, shown: list[str]) -> None:
    page = answer(command)
    assert all(word in page for word in shown), page


@pytest.mark.parametrize(
    ("command", "explained"),
    [
        ("fit --model.help Classifier", ["--model.network", "--model.regularizers", "--model.layer_decay"]),
        ("fit --model.help=models.Classifier", ["--model.network", "--model.loss", "--model.optimizer"]),
        ("fit --model.network.help MLP", ["--model.network.widths", "--model.network.dropout"]),
        ("fit --model.init_args.network.help MLP", ["--model.network.widths", "--model.network.dropout"]),
        ("fit --model.network.help models.networks.ResNet", ["--model.network.depth", "--model.network.stem"]),
        ("fit --model.regularizers.help DisturbLabel", ["--model.regularizers+", "--model.regularizers.alpha"]),
        ("fit --model.loss.help FocalLoss", ["--model.loss.gamma"]),
        ("fit --model.loss.help torch.nn.CrossEntropyLoss", ["--model.loss.label_smoothing"]),
        ("fit --model.optimizer.help SGD", ["--model.optimizer.lr", "--model.optimizer.momentum"]),
        ("fit --model.optimizer_wrapper.help SAM", ["--model.optimizer_wrapper.rho"]),
        ("fit --model.lr_scheduler.help WarmupCosine", ["--model.lr_scheduler.warmup_fraction"]),
        ("fit -c configs/digits.yaml --data.help MNIST", ["--data.data_dir", "--data.batch_size"]),
        ("fit --data.augmentation.help RandAugment", ["--data.augmentation+", "--data.augmentation.magnitude"]),
        ("fit --data.label_noise.help SymmetricNoise", ["--data.label_noise.rate"]),
        ("fit --trainer.callbacks.help EMA", ["--trainer.callbacks+", "--trainer.callbacks.decay"]),
        ("fit --trainer.callbacks.help EarlyStopping", ["--trainer.callbacks.patience"]),
        ("fit --trainer.help", ["--trainer.max_epochs", "--trainer.precision", "--trainer.devices"]),
        ("fit --checkpoint.help", ["--checkpoint.monitor", "--checkpoint.mode"]),
        ("fit --early_stopping.help", ["--early_stopping.patience"]),
        ("fit --data.batch_size.help", ["--data.batch_size"]),
        pytest.param(
            "fit --data.split.help",
            ["--data.split.folds", "--data.split.val_fraction"],
            marks=pytest.mark.skipif("data.split" not in dict(all_slots(FIT.options)), reason="no such argument yet"),
        ),
    ],
)
def test_a_class_shows_its_arguments_under_the_flags_that_set_them(
    answer: Answer, command: str, explained: list[str]
) -> None:
    page = answer(command)
    assert set(explained) <= set(flags(page)), page
    assert len(page.splitlines()) <= 130


def test_the_flags_that_a_help_names_do_what_it_says(answer: Answer) -> None:
    added, setting = flags(answer("fit --model.regularizers.help DisturbLabel"))[:2]
    printed = answer(f"fit -c {ROOT}/configs/digits.yaml {added} DisturbLabel {setting} 33 --print_config")
    assert yaml.safe_load(printed)["model"]["init_args"]["regularizers"][-1]["init_args"]["alpha"] == 33


def test_types_defaults_and_descriptions(answer: Answer) -> None:
    page = " ".join(answer("fit --model.network.help MLP").split())
    assert "--model.network.dropout float" in page
    assert "Probability that a hidden unit is dropped, in [0, 1). (default: 0.0)" in page
    assert "--model.network.activation {relu,gelu,tanh,silu}" in page
    assert "--model.network.widths list of int" in page
    assert "None" not in page


def test_the_data_fills_some_arguments_in(answer: Answer) -> None:
    network, task = answer("fit --model.network.help MLP"), answer("fit --model.help Classifier")
    assert not {"--model.network.input_shape", "--model.network.num_classes"} & set(flags(network))
    assert "From the data: input_shape, num_classes." in network
    assert "From the data: num_classes." in task


def test_an_optimizer_is_given_its_parameters(answer: Answer) -> None:
    assert "--model.optimizer.params" not in answer("fit --model.optimizer.help SGD")
    assert "--model.lr_scheduler.optimizer" not in answer("fit --model.lr_scheduler.help StepLR")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("--model.help Clasifier", "--model.help: there is no class 'Clasifier'; did you mean Classifier?"),
        ("--model.help models.Clasifier", "there is no class 'models.Clasifier'; did you mean Classifier?"),
        ("--model.network.help mlp", "did you mean MLP?"),
        ("--model.optimizer.help SDG", "did you mean SGD?"),
        ("--model.help DisturbLabel", "DisturbLabel does not fit there; see --model.regularizers.help DisturbLabel"),
        ("--model.network.help SGD", "SGD does not fit there; see --model.optimizer.help SGD"),
        ("--data.help EMA", "see --trainer.callbacks.help EMA"),
        ("--model.optimizer.help SAM", "see --model.optimizer_wrapper.help SAM"),
        ("--model.netwrok.help", "nothing at model has an argument 'netwrok'; did you mean network?"),
        ("--modle.help", "--modle.help: there is no help of 'modle'"),
    ],
)
def test_what_does_not_exist_or_fit(complaint: Answer, command: str, said: str) -> None:
    assert said in complaint("fit", *command.split())


def test_a_class_of_ones_own_by_its_path(answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_networks.py").write_text(
        "from torch import nn\n\n\nclass Mine(nn.Module):\n"
        '    """A network.\n\n    Args:\n        num_classes: How many.\n        depth: How deep.\n    """\n\n'
        "    def __init__(self, num_classes: int, depth: int = 3) -> None:\n        super().__init__()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    page = answer("fit --model.network.help my_networks.Mine")
    assert "--model.network.depth int" in page
    assert "How deep. (default: 3)" in page
    assert not any("my_networks" in path.read_text() for path in (tmp_path / "cache").rglob("*.json")), "it may change"


def test_a_new_class_and_a_new_argument_show_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    class Newest(networks.Network):
        """The newest network.

        Args:
            warmth: How warm it is.
        """

        def __init__(self, num_classes: int, warmth: float = 0.5) -> None:
            super().__init__()

    monkeypatch.setattr(networks, "Newest", Newest, raising=False)
    monkeypatch.setattr(networks, "__all__", [*networks.__all__, "Newest"])
    for cached in (choices.exported, choices._own_classes):
        monkeypatch.setattr(choices, cached.__name__, cached.__wrapped__)
    assert re.search(r"^  Newest +The newest network\.$", class_help(FIT.options, "model.network", None), re.MULTILINE)
    assert "--model.network.warmth float" in class_help(FIT.options, "model.network", "Newest")


def test_a_place_for_one_class_needs_no_name() -> None:
    assert slot_of(SplitOptions).single is SplitOptions
    assert slot_of(SplitOptions | None).single is SplitOptions
    assert slot_of(int | None) is None
    assert slot_of(list[callbacks.EMA]) == Slot((callbacks.EMA,), several=True)


def test_every_place_has_help() -> None:
    for key, slot in all_slots(FIT.options):
        assert class_help(FIT.options, key, None)
        for cls in slot.own:
            assert class_help(FIT.options, key, cls.__name__)
