"""Metrics that a recipe names: in the lines, in summary.json and test.json, as the monitor; mistakes are one line."""

import json

import pytest

OWN = '''
import torch
from torchmetrics import Metric


class Largest(Metric):
    """Share of the largest class among the predictions."""

    higher_is_better = False

    def __init__(self, num_classes: int, scale: float = 1.0):
        super().__init__()
        self.scale = scale
        self.add_state("counts", torch.zeros(num_classes), dist_reduce_fx="sum")

    def update(self, probabilities, targets):
        self.counts += probabilities.argmax(1).bincount(minlength=len(self.counts))

    def compute(self):
        return self.scale * self.counts.max() / self.counts.sum()


class Misspelt(Largest):
    def update(self, probabilities, targets):
        probabilities.nothing


class Unready(Largest):
    def __init__(self):
        self.x = 1
'''
DIGITS = "fit -c configs/digits.yaml --trainer.max_epochs 1 --model.network.widths [16]"
CORRELATION = "torchmetrics.classification.MulticlassMatthewsCorrCoef"


@pytest.fixture(scope="module")
def own(new_desk):
    """A desk beside a file with metrics."""
    desk = new_desk()
    (desk.folder / "measures.py").write_text(OWN)
    return desk


def test_they_are_printed_kept_and_decide(own) -> None:
    flags = f"--model.metrics+ {CORRELATION} --model.metrics+ measures.Largest --model.metrics.scale 2"
    words = f"{DIGITS} {flags} --trainer.max_epochs 3 --checkpoint.monitor val/multiclass_matthews_corr_coef"
    out = own.here(*words.split(), "--early_stopping.monitor", "val/largest").stdout
    assert "of 3 by val/multiclass_matthews_corr_coef" in out
    assert "val/largest 0." in out
    run = own.folder / "runs" / "digits" / "version_0"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["best"]["val/multiclass_matthews_corr_coef"] == max(
        row["val/multiclass_matthews_corr_coef"] for row in (summary["best"], summary["last"])
    )
    printed = own.here("test", "-c", str(run / "config.yaml"), "--ckpt_path", str(run)).stdout
    assert "  test/largest " in printed
    tested = json.loads((run / "test.json").read_text())["metrics"]
    assert 0 < tested["test/multiclass_matthews_corr_coef"] <= 1


def test_a_checkpoint_brings_torchmetrics_alone_and_a_resumed_run_may_add_one(own) -> None:
    own.here(*f"{DIGITS} --name known --model.metrics+ {CORRELATION}".split())
    assert "multiclass_matthews_corr_coef" in own.here("test", "--ckpt_path", "runs/known/version_0").stdout
    flags = "--ckpt_path runs/known/version_0 --trainer.max_epochs 2 --model.metrics+ torchmetrics.MeanMetric"
    assert "MeanMetric does not take" in own.here("fit", *flags.split(), status=2).stderr
    flags = f"--ckpt_path runs/known/version_0 --trainer.max_epochs 2 --model.metrics+ {CORRELATION}"
    assert "val/multiclass_matthews_corr_coef_2 " in own.here("fit", *flags.split()).stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (f"{CORRELATION} --model.metrics.num_classes 3", "model.metrics: num_classes is filled in from the data"),
        ("MulticlassFBetaScore", "model.metrics: MulticlassFBetaScore needs beta\n"),
        ("MulticlassFBetaScore --model.metrics.beta x", "model.metrics.beta: 'x' is not a number"),
        ("MulticlassFBetaScore --model.metrics.beta -1", "metrics: MulticlassFBetaScore: Expected argument `beta`"),
        ("MulticlassF1Scor", "there is no class 'MulticlassF1Scor'; did you mean MulticlassF1Score?"),
        ("torchmetrics.classification.MulticlassF1Scor", "did you mean MulticlassF1Score?"),
        ("torch.nn.Linear", "model.metrics: torch.nn.Linear is not a Metric"),
        ("MultilabelF1Score", "missing 1 required positional argument: 'num_labels'; this task has num_classes"),
        ("BinaryF1Score", "BinaryF1Score does not take predictions and targets (144, 10) (float32) and (144,) (int64)"),
        ("MulticlassROC", "metrics: MulticlassROC gives a tuple; a metric gives a number, 10 numbers, or a dict"),
        ("MulticlassF1Score --model.metrics.average none --checkpoint.monitor val/multiclass_f1_score",
         "val/multiclass_f1_score has several values; monitor a metric that is one number"),
        ("measures.Misspelt", "object has no attribute 'nothing' (AttributeError, measures.py:25 in Misspelt.update)"),
        ("measures.Unready", "Unready: its __init__ must call super().__init__() first"),
        ("measures.Larges", "did you mean measures.Largest?"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_leaves_no_run(own, flags, said) -> None:
    before = sorted(own.folder.glob("runs/*/*"))
    error = own.here(*f"{DIGITS} --model.metrics+ {flags}".split(), status=2).stderr
    assert said in error
    assert error.count("\n") == 1
    assert sorted(own.folder.glob("runs/*/*")) == before


def test_the_help_takes_the_short_names_that_the_flag_takes(own) -> None:
    page = own.here("fit", "--model.metrics.help", "MulticlassFBetaScore").stdout
    assert "--model.metrics.beta float" in page
    assert "From the data: num_classes." in page
    assert "Choose: --model.metrics+ my_package.MyClass" in own.here("fit", "--model.metrics.help").stdout
