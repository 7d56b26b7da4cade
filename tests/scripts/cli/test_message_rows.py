"""Every row of the table of messages, from an error that the real parser makes."""

import shlex
from pathlib import Path

import pytest

from scripts.cli import messages, parser
from scripts.cli.errors import UsageError
from scripts.cli.jobs import JOBS
from scripts.cli.training import run

DIGITS = "-c configs/digits.yaml"
MINE = "from torch import nn\n\n\nclass Net(nn.Module):\n    pass\n\n\nclass Loss(nn.Module):\n    pass\n"
ERRORS = {
    "unknown flag": (f"{DIGITS} --seed 3", "unknown argument --seed; did you mean --seed_everything?"),
    "no model or data": (
        f"{DIGITS} --data null",
        "no data is named; give a recipe, which names model and data, as the first -c",
    ),
    "unknown key": (
        f"{DIGITS} -c typo.yaml",
        "typo.yaml: unknown key 'trainer.max_epoch'; did you mean trainer.max_epochs?",
    ),
    "Python file": (
        f"{DIGITS} --model.network mine.py",
        "model.network: mine.py is a file of Python, not a class; mine.py has mine.Net, mine.Loss",
    ),
    "sub-config": (f"{DIGITS} --trainer typos.yaml", "trainer: no file typos.yaml; did you mean typo.yaml?"),
    "unknown nested flag": (
        f"{DIGITS} --data.split.fol 3",
        "data: Digits has no argument 'split.fol'; did you mean split.fold?",
    ),
    "unknown argument": (
        f"{DIGITS} --model.network.drop 0.1",
        "model.network: MLP has no argument 'drop'; did you mean dropout?",
    ),
    "no class in module": (
        f"{DIGITS} --model.network models.networks.MPL",
        "model.network: there is no class models.networks.MPL; did you mean MLP?",
    ),
    "ambiguous": (
        f"{DIGITS} --trainer.callbacks [EarlyStopping]",
        "trainer.callbacks: several classes are called EarlyStopping; give its full path: "
        "lightning.pytorch.callbacks.EarlyStopping or callbacks.EarlyStopping",
    ),
    "no class": (
        f"{DIGITS} --trainer.profiler simple --trainer.profiler.dirpath here",
        "trainer.profiler: there is no class 'simple'; did you mean SimpleProfiler?",
    ),
    "abstract": (
        f"{DIGITS} --data.label_noise.rate 0.4",
        "data.label_noise: LabelNoise is abstract; choose MatrixNoise, PairNoise or SymmetricNoise",
    ),
    "not a path": (f"{DIGITS} --model.optimizer.lr 0.1,0.01", "model.optimizer.lr: '0.1,0.01' is not a number"),
    "no module": (f"{DIGITS} --model.optimizer my.Adam", "model.optimizer: there is no module 'my'"),
    "no name in module": (
        f"{DIGITS} --model.network importing.Net",
        "model.network: cannot import 'Digitss' from 'datamodules'; did you mean Digits? (ImportError, importing.py:1)",
    ),
    "wrong class": (
        f"{DIGITS} --model.regularizers [torch.nn.Dropout]",
        "model.regularizers: torch.nn.Dropout is not a Regularizer",
    ),
    "not a class": (
        f"{DIGITS} --model.network torchvision.models.resnet18",
        "model.network: torchvision.models.resnet18 is a function; use models.networks.Pretrained with architecture "
        "resnet18",
    ),
    "wrong factory": (
        f"{DIGITS} --model.lr_scheduler torch.nn.Dropout",
        "model.lr_scheduler: torch.nn.Dropout is not a LRScheduler",
    ),
    "module as factory": (
        f"{DIGITS} --model.optimizer torch.optim",
        "model.optimizer: torch.optim is a module; give the path of a class in it",
    ),
    "wrong item": (f"{DIGITS} --trainer.callbacks [3]", "trainer.callbacks: '3' is not a Callback"),
    "missing arguments": (
        "--model models.Classifier --data datamodules.Digits",
        "model: Classifier needs network",
    ),
    "wrong value": (f"{DIGITS} --data.batch_size 6.5", "data.batch_size: '6.5' is not a whole number"),
    "reason": (f"{DIGITS} --model.network.dropout 1.5", "MLP: dropout 1.5 is not in [0, 1)"),
    "wrong union": (
        "-c configs/breast_cancer_mlp.yaml --name flowers --data Tabular --data.path flowers.csv --data.target kind "
        "--data.features a,b",
        "data.features: 'a,b' is not a list of str or null; write a list as [a, b]",
    ),
}


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rows that the parser's messages are found in."""
    found: list[str] = []

    def explain(message: str, flags: list[str]) -> tuple[messages.Row | None, str]:
        row, line = messages.explain_parser_error(message, flags)
        found.append(row.name if row else message)
        return row, line

    monkeypatch.setattr(parser, "explain_parser_error", explain)
    return found


@pytest.mark.parametrize("name", ERRORS)
def test_the_parsers_own_message_becomes_our_line(rows, name, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("typo.yaml").write_text("trainer: {max_epoch: 3}")
    Path("mine.py").write_text(MINE)
    Path("importing.py").write_text("from datamodules import Digitss\n")
    monkeypatch.syspath_prepend(Path.cwd())
    command, line = ERRORS[name]
    with pytest.raises(UsageError) as refused:  # past main, which knows the flags without the parser
        run(JOBS["fit"], shlex.split(command))
    assert str(refused.value) == line
    assert rows == [name]


def test_every_row_has_an_error() -> None:
    assert list(ERRORS) == [row.name for row in messages.ROWS]


def test_a_key_is_named_once_where_two_types_of_a_union_both_refuse_it(complaint) -> None:
    assert complaint("fit", *DIGITS.split(), "--model.network.widths", "8").startswith("model.network.widths: '8' is")


def test_a_plain_value_has_no_arguments(complaint) -> None:
    said = complaint("fit", *DIGITS.split(), "--model.network.widths.foo", "8")
    assert said == "model.network.widths: it takes a value, not arguments such as 'foo'"


def test_a_callback_that_needs_a_function_says_so(complaint) -> None:
    said = complaint("fit", *DIGITS.split(), "--trainer.callbacks+", "ThroughputMonitor")
    assert said == "trainer.callbacks: ThroughputMonitor needs batch_size_fn, a function: mine.batch_size_fn, say"


@pytest.mark.parametrize("name", ["Arrays", "datamodules.Arrays"])
def test_a_class_for_python_alone_says_so(complaint, name) -> None:
    said = complaint("fit", *DIGITS.split(), "--data", name)
    assert said == "data: Arrays is for use from Python: a recipe cannot hold what it is made of"


@pytest.mark.parametrize("name", ["SequenceDataModule", "datamodules.SequenceDataModule"])
def test_an_abstract_class_by_any_name_leaves_a_choice(complaint, name) -> None:
    said = complaint("fit", *DIGITS.split(), "--data", name)
    assert (
        said
        == "data: SequenceDataModule is abstract; choose AddingProblem, DelayedEcho, SequenceFiles or TextSequences"
    )
