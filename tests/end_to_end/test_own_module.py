"""Classes in a user's own file, named by a recipe or a flag: they train, are tested, and their faults are one line."""

import shlex

import pytest

OWN = '''
import torch
from torch import nn

from models.regularizers import Regularizer


class Net(nn.Module):
    """A network of my own.

    Args:
        width: Hidden units.
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU())
        self.head = nn.Linear(width, num_classes)

    def forward(self, inputs):
        return self.head(self.body(inputs))


class Untyped(Net):
    def __init__(self, input_shape, num_classes, width):
        super().__init__(input_shape, num_classes, width)


class SevenLogits(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 7))


class OtherSize(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(60, 10))


class Misspelt(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, inputs):
        return self.boby(inputs)


class Unready(nn.Module):
    def __init__(self):
        self.head = nn.Linear(64, 10)


class Broken(nn.Module):
    def __init__(self, kind: str = "a"):
        super().__init__()
        self.width = {"b": 1}[kind]


class UnreadyPenalty(Regularizer):
    def __init__(self, coefficient: float = 1.0):
        self.coefficient = coefficient

    def penalty(self, step):
        return self.coefficient * step.outputs.square().mean()


class Schedule(torch.optim.lr_scheduler.LambdaLR):
    def __init__(self, optimizer, length):
        super().__init__(optimizer, lambda step: 1 - step / length)
'''


DIGITS = "fit -c configs/digits.yaml --trainer.max_epochs 1"
CYCLE = (
    "--model.lr_scheduler torch.optim.lr_scheduler.OneCycleLR --model.lr_scheduler.max_lr 0.1 "
    "--model.lr_scheduler.pct_start 0.25 --model.lr_scheduler_interval step"
)


@pytest.fixture(scope="module")
def own(new_desk):
    """A desk beside a file `own.py`."""
    desk = new_desk()
    (desk.folder / "own.py").write_text(OWN)
    return desk


def test_a_network_of_ones_own_trains_and_the_printed_command_tests_it(own) -> None:
    out = own.here(*f"{DIGITS} --model.network own.Net --model.network.width 8".split()).stdout
    command = out.splitlines()[-1].removeprefix("test it     holdout ").split()
    assert "test/accuracy" in own.run(*command).stdout


def test_the_command_that_is_printed_for_ours_needs_the_checkpoint_alone(own) -> None:
    out = own.here(*DIGITS.split(), "--runs_dir", "my runs").stdout
    command = shlex.split(out.splitlines()[-1].removeprefix("test it     holdout "))
    assert command == ["test", "--ckpt_path", "my runs/digits/version_0"]


def test_a_refused_checkpoint_names_the_recipe_that_would_do(own) -> None:
    own.here(*f"{DIGITS} --name mine --model.network own.Untyped --model.network.width 8".split())
    error = own.here("test", "--ckpt_path", "runs/mine/version_0", status=2).stderr
    assert "names own.Untyped at model.init_args.network.class_path" in error
    assert error.endswith("give its recipe too: -c runs/mine/version_0/config.yaml\n")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--model.network own.Net", "model.network: Net needs width"),
        ("--model.network own.Untyped", "Untyped needs width"),
        ("--model.network own.SevenLogits", "the network gives 7 logits; the data has 10 classes"),
        ("--model.network own.OtherSize", "network: OtherSize does not take inputs (144, 1, 8, 8): mat1 and mat2"),
        ("--model.network own.Misspelt", "object has no attribute 'boby' (HOLDOUT_DEBUG=1 shows the traceback)"),
        ("--model.network own.Unready", "Unready: AttributeError: cannot assign module before"),
        ("--model.network own.Broken", "Broken: KeyError: 'a'"),
        ("--model.network own.Schedule", "model.network: own.Schedule is not a Module"),
        ("--model.regularizers+ own.UnreadyPenalty", "its __init__ must call super().__init__() first"),
        ("--model.lr_scheduler own.Schedule", "model.lr_scheduler (Schedule): unsupported operand"),
        ("--data.batch_size 1", "Expected more than 1 value per channel when training"),
        ("--data.split.fold 2", "split.fold: 2 is a fold of none; set split.folds"),
        ("--model.loss torchmetrics.MeanSquaredError", "loss: MeanSquaredError is a metric"),
        (f"{CYCLE} --data.split.train_size 80 --data.batch_size 20", "(OneCycleLR): the run is too short for it"),
    ],
)
def test_a_fault_in_what_a_user_names_is_one_line(own, flags, said) -> None:
    error = own.here(*f"{DIGITS} {flags}".split(), status=2).stderr
    assert said in error
    assert error.splitlines()[-1].startswith("holdout: error: ")
    assert "Traceback" not in error


def test_help_of_a_class_of_ones_own_names_it_as_the_command_takes_it(own) -> None:
    page = own.here(*["fit", "--model.network.help", "own.Net"]).stdout
    assert "--model.network own.Net" in page
    assert "Hidden units. (required)" in page
