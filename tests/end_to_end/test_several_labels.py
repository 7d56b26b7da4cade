"""A datamodule of one's own with several labels and weights: trained, tested and predicted by the command."""

import csv
import json

import pytest

OWN = '''
import torch

from datamodules import Digits, Samples


class Traits(Digits):
    """Digits by what they are: even, 5 or more, prime."""

    class_names = ("even", "from_five", "prime")

    def load(self) -> Samples:
        digits = super().load()
        value = digits.targets
        prime = torch.isin(value, torch.tensor([2, 3, 5, 7]))
        return Samples(digits.inputs, torch.stack([value % 2 == 0, value >= 5, prime], dim=1))


class WeightedTraits(Traits):
    """Digits with weights."""

    def load(self) -> Samples:
        traits = super().load()
        return Samples(traits.inputs, traits.targets, weights=1 + torch.arange(1797).float() % 3)
'''
MODEL = "--model MultiLabelClassifier --model.network MLP --model.network.widths [32]"
FIT = f"fit {MODEL} --data own_traits.Traits --data.batch_size 128 --trainer.max_epochs 3"


@pytest.fixture(scope="module")
def own(new_desk):
    """A desk beside a file `own_traits.py`."""
    desk = new_desk()
    (desk.folder / "own_traits.py").write_text(OWN)
    return desk


@pytest.fixture(scope="module")
def run(own):
    """The folder of a run with several labels and weights, and what it printed."""
    printed = own.here(*f"{FIT} --data own_traits.WeightedTraits --name traits".split()).stdout
    return own.folder / "runs" / "traits" / "version_0", printed


def test_fit_says_what_the_data_is_and_how_well_its_labels_are_decided(run):
    folder, printed = run
    assert "3 labels, multi-label, stratified, weights 1 to 3" in printed
    assert all(f"val/{name} " in printed for name in ("auroc", "average_precision", "f1_macro", "exact_match"))
    split = json.loads((folder / "split.json").read_text())
    assert set(split["parts"]["test"]["label_counts"]) == {"even", "from_five", "prime"}
    assert split["weights"]["max"] == 3


def test_test_names_each_label(own, run):
    folder, _ = run
    own.here("test", "-c", f"{folder}/config.yaml", "--ckpt_path", str(folder))
    metrics = json.loads((folder / "test.json").read_text())["metrics"]
    assert metrics["test/f1_macro"] > 0.8
    assert {f"test/label_auroc/{name}" for name in ("even", "from_five", "prime")} <= metrics.keys()


def test_predict_writes_a_probability_and_a_decision_for_each_label(own, run):
    folder, _ = run
    own.here("predict", "-c", f"{folder}/config.yaml", "--ckpt_path", str(folder), "--output", "predictions.csv")
    rows = list(csv.DictReader((own.folder / "predictions.csv").open()))
    assert len(rows) == 359
    kinds = ("target", "prediction", "probability")
    assert list(rows[0]) == ["index", *(f"{kind}_{name}" for name in ("even", "from_five", "prime") for kind in kinds)]
    right = [row[f"target_{name}"] == row[f"prediction_{name}"] for row in rows for name in ("even", "prime")]
    assert sum(right) / len(right) > 0.8
    for name in ("even", "from_five", "prime"):  # one threshold parts them
        no, yes = ([float(row[f"probability_{name}"]) for row in rows if row[f"prediction_{name}"] == k] for k in "01")
        assert max(no) <= min(yes)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--model Classifier", "Classifier is for classes; the data has several labels per sample: use models.MultiL"),
        ("--model Regressor", "the data has classes, not continuous targets: use models.Classifier (several labels"),
        ("--data Digits", "the data has no yes/no labels: use models.Classifier for classes"),
        ("--data Diabetes", "the data has no yes/no labels: use models.Classifier for classes, models.Regressor for"),
        ("--model.loss torch.nn.CrossEntropyLoss", "loss: CrossEntropyLoss is not a loss of the logits of independent"),
        ("--model.regularizers+ DisturbLabel", "DisturbLabel is for classes; the data has several yes/no labels per"),
        ("--data.balanced_batches true", "balanced_batches needs one class per sample; Traits does not have that"),
    ],
)
def test_a_mistake_is_one_line(own, flags, said):
    error = own.here(*f"{FIT} --name mistakes {flags}".split(), status=2).stderr
    assert said in error
    assert error.splitlines()[-1].startswith("holdout: error: ")
    assert "Traceback" not in error


def test_a_balanced_loss_and_mixing_are_a_flag_each(own):
    flags = "--model.loss BinaryCrossEntropy --model.regularizers+ MixUp --trainer.max_epochs 1 --name balanced"
    own.here(*f"{FIT} {flags}".split())
    flags = "--model.loss BinaryCrossEntropy --model.loss.pos_weight [1,2,3] --trainer.max_epochs 1 --name stated"
    own.here(*f"{FIT} {flags}".split())
