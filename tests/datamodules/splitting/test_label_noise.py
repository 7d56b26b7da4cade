"""Labels are wrong as often as asked, in the training part alone, and always the same ones."""

import functools

import lightning as L
import numpy as np
import pytest
import torch
from scipy import stats

from datamodules import DataError, Diabetes, Digits, MatrixNoise, PairNoise, SplitOptions, SymmetricNoise
from datamodules.splitting.label_noise import corrupt_labels
from models import Classifier
from models.networks import MLP

SIGNIFICANCE = 1e-6  # fraction of right implementations that a test of a distribution refuses


def prepared(**options):
    data = Digits(**options)
    data.setup()
    return data


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize(
    "noise",
    [SymmetricNoise(0.3), SymmetricNoise(1.0), PairNoise(0.45), SymmetricNoise(0.9)],
    ids=["symmetric 0.3", "symmetric 1", "pair 0.45", "symmetric 0.9"],
)
def test_each_class_is_confused_as_its_row_says(noise, classes):
    draws, transition = 20_000, noise.transition(classes)
    assert transition.sum(axis=1) == pytest.approx(np.ones(classes))
    for label in range(classes):
        counts = np.bincount(noise.corrupt(np.full(draws, label), classes), minlength=classes)
        possible = transition[label] > 0
        assert counts[~possible].sum() == 0
        if possible.sum() > 1:
            assert stats.chisquare(counts[possible], draws * transition[label][possible]).pvalue > SIGNIFICANCE


def test_symmetric_noise_makes_every_chosen_label_wrong():
    assert np.all(SymmetricNoise(1.0).corrupt(np.arange(10), 10) != np.arange(10))


def test_pair_noise_moves_to_the_next_class_and_the_last_to_the_first():
    assert PairNoise(1.0).corrupt(np.arange(4), 4).tolist() == [1, 2, 3, 0]


def test_no_noise_is_the_identity():
    labels = np.arange(10)
    for noise in (SymmetricNoise(0.0), PairNoise(0.0), MatrixNoise(np.eye(10).tolist())):
        assert np.array_equal(noise.corrupt(labels, 10), labels)


def test_a_draw_is_the_same_on_any_machine():
    transition = SymmetricNoise(0.5).transition(4)
    assert corrupt_labels(np.arange(12) % 4, transition, 3).tolist() == [1, 2, 1, 3, 3, 3, 0, 1, 0, 1, 0, 2]


def test_the_training_part_alone_is_corrupted_and_the_truth_kept():
    data, clean = prepared(label_noise=SymmetricNoise(0.4)), prepared()
    assert torch.equal(data.samples.targets, clean.targets)
    wrong = (data.targets != data.samples.targets).numpy()
    assert not wrong[data.split.val].any()
    assert not wrong[data.split.test].any()
    assert data.manifest["label_noise"]["wrong_labels"] == wrong.sum()
    assert 0.3 < wrong[data.split.train].mean() < 0.5
    assert data.manifest["parts"] == clean.manifest["parts"]
    for part, loader in (("val", data.val_dataloader()), ("test", data.test_dataloader())):
        given = torch.cat([targets for _, targets in loader])
        assert torch.equal(given, clean.targets[data.split.parts()[part]])
    given = torch.cat([targets for _, targets in data.train_dataloader()])
    assert given.bincount().tolist() == data.class_counts


def test_the_same_labels_are_wrong_whatever_the_training_seed():
    drawn = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        drawn.append(prepared(label_noise=SymmetricNoise(0.4)).targets)
    assert torch.equal(*drawn)
    assert not torch.equal(drawn[0], prepared(label_noise=SymmetricNoise(0.4, noise_seed=1)).targets)


def test_a_network_large_enough_memorises_wrong_labels(quiet_trainer):
    L.seed_everything(0, verbose=False)
    data = Digits(label_noise=SymmetricNoise(0.3), split=SplitOptions(train_size=300))
    optimizer = functools.partial(torch.optim.AdamW, lr=0.005)
    task = Classifier(MLP((1, 8, 8), 10, [256]), 10, optimizer=optimizer)
    quiet_trainer(max_epochs=60).fit(task, data)
    train = torch.from_numpy(data.split.train)
    predicted = task.eval()(data.samples.inputs[train]).argmax(-1)
    wrong = data.targets[train] != data.samples.targets[train]
    assert (predicted == data.targets[train])[wrong].float().mean() > 0.9


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SymmetricNoise(1.5), "SymmetricNoise: rate 1.5 is not in"),
        (lambda: PairNoise(-0.1), "PairNoise: rate -0.1 is not in"),
        (lambda: MatrixNoise([[0.5, 0.5], [0.5, 0.6]]), "MatrixNoise: row 1"),
        (lambda: MatrixNoise([[0.5, 0.5], [1.0]]), "MatrixNoise: row 1"),
        (lambda: prepared(label_noise=MatrixNoise([[1, 0], [0, 1]])), "2 rows; there are 10 classes"),
        (lambda: Diabetes(label_noise=SymmetricNoise(0.1)).setup(), "label_noise needs one class per sample; Diabetes"),
    ],
)
def test_noise_that_makes_no_sense_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_sample_has_the_same_label_in_a_smaller_training_part():
    whole, half = (
        prepared(label_noise=SymmetricNoise(0.4), split=SplitOptions(train_fraction=share)) for share in (1.0, 0.5)
    )
    assert np.isin(half.split.train, whole.split.train).all()
    assert torch.equal(half.targets[half.split.train], whole.targets[half.split.train])


def test_other_noise_is_named_where_a_run_goes_on():
    noisy, clean = prepared(label_noise=SymmetricNoise(0.4)), prepared()
    with pytest.raises(DataError, match=r"label_noise was SymmetricNoise \(.*rate 0.4.*\), now it is none"):
        clean.check_same_split(noisy.manifest)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_named(seed):
    with pytest.raises(ValueError, match=f"SymmetricNoise: noise_seed {seed} is not in"):
        SymmetricNoise(0.1, noise_seed=seed)
