"""The first batch is drawn as the network sees it, and drawing it changes no weight and no random number."""

import lightning as L
import pytest
import torch
from PIL import Image

from callbacks import FirstBatch, first_batch
from callbacks.first_batch import as_images, draw_batch, seen_by_network, target_words
from datamodules import Diabetes, Digits
from datamodules.augmentation import RandomAffine
from models import Classifier, MultiLabelClassifier, Regressor
from models.networks import MLP, Linear
from models.regularizers import CutMix, DisturbLabel, MixUp, OnlineLabelSmoothing, RandomMix, Regularizer
from tests.digit_labels import DigitLabels


class Fading(Regularizer):
    """Noise that grows weaker with each batch: what it does depends on a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("batches", torch.zeros(()))

    def perturb(self, inputs, targets):
        self.batches += 1
        return inputs + torch.randn_like(inputs) / self.batches, targets


LISTS = {
    "none": list,
    "one": lambda: [MixUp(0.4)],
    "several": lambda: [DisturbLabel(alpha=30), RandomMix([MixUp(0.4), CutMix(1.0)])],
    "with state": lambda: [OnlineLabelSmoothing(), Fading()],
}


class Spy(L.Callback):
    """Keeps what the network is given in the first step."""

    def on_train_start(self, trainer, pl_module):
        self.inputs = []
        pl_module.network.register_forward_pre_hook(lambda _, given: self.inputs.append(given[0].detach().clone()))


def trained(quiet_trainer, regularizers, *callbacks, **data):
    L.seed_everything(3, verbose=False)
    digits = Digits(batch_size=64, augmentation=[RandomAffine(degrees=20)], **data)
    task = Classifier(MLP((1, 8, 8), 10, widths=[16], dropout=0.3, norm="batch"), 10, regularizers=regularizers)
    quiet_trainer(max_epochs=1, limit_train_batches=5, num_sanity_val_steps=0, callbacks=list(callbacks)).fit(
        task, digits
    )
    return task


@pytest.mark.parametrize("regularizers", LISTS)
def test_training_is_bit_for_bit_the_same_with_it(quiet_trainer, tmp_path, regularizers) -> None:
    plain, watched = (
        trained(quiet_trainer, LISTS[regularizers](), *callbacks).state_dict() for callbacks in ([], [FirstBatch()])
    )
    assert plain.keys() == watched.keys()
    for name, value in plain.items():
        assert not isinstance(value, torch.Tensor) or torch.equal(value, watched[name]), name
    assert Image.open(tmp_path / "figures" / "first_batch.png").size[0] > 600


def test_it_shows_what_the_first_step_trains_on(quiet_trainer, monkeypatch) -> None:
    seen, spy = [], Spy()
    monkeypatch.setattr(
        first_batch,
        "draw_batch",
        lambda images, words, title: seen.append((images, words)) or draw_batch(images, words, title),
    )
    task = trained(quiet_trainer, [MixUp(0.4)], FirstBatch(), spy)
    ((images, words),) = seen
    assert torch.equal(images, as_images(task, spy.inputs[0])[:16])
    assert any("\n" in text for text in words), "two labels of a mixture"


def test_a_resumed_run_leaves_the_picture_as_it_is(fit, tmp_path) -> None:
    fit(FirstBatch(), epochs=1).save_checkpoint(tmp_path / "c.ckpt")
    before = (tmp_path / "figures" / "first_batch.png").stat().st_mtime_ns
    fit(FirstBatch(), epochs=2, resume=tmp_path / "c.ckpt")
    assert (tmp_path / "figures" / "first_batch.png").stat().st_mtime_ns == before


def test_soft_targets_are_written_with_the_largest_first() -> None:
    data, task = Digits(), Classifier(Linear((1, 8, 8), 10), 10)
    soft = torch.zeros(4, 10)
    soft[0, 3], soft[1, [2, 7]] = 1, torch.tensor([0.25, 0.75])
    soft[2] = 0.02
    soft[2, 4] = 0.82
    soft[3, [0, 1]] = torch.tensor([0.998, 0.002])
    assert target_words(soft, task, data) == ["3", "7 75%\n2 25%", "4 82%\n0 2%\nothers 16%", "0"]
    assert target_words(torch.tensor([5]), task, data) == ["5"]


def test_targets_of_other_kinds_are_written_too() -> None:
    labels, several = DigitLabels(), MultiLabelClassifier(Linear((1, 8, 8), 3), 3)
    assert target_words(torch.tensor([[1.0, 0, 1], [0, 0, 0]]), several, labels) == ["even 100%\nprime 100%", "none"]
    data = Diabetes()
    task = Regressor(Linear((10,), 1), data.target_mean, data.target_std)
    standard = task.soft_targets(torch.tensor([[151.0], [75.0]], dtype=torch.float64))
    assert target_words(standard, task, data) == ["151", "75"]


def test_a_table_has_no_picture(quiet_trainer, tmp_path) -> None:
    data = Diabetes()
    task = Regressor(Linear((10,), 1), data.target_mean, data.target_std)
    quiet_trainer(max_epochs=1, callbacks=[FirstBatch()]).fit(task, data)
    assert not (tmp_path / "figures").exists()


def test_rows_of_an_image_are_an_image_again() -> None:
    task = Classifier(Linear((1, 8, 8), 10), 10)
    images = torch.rand(2, 3, 8, 8)
    task.preprocessing.__init__(1.0, [0.2, 0.3, 0.4], [0.5, 0.6, 0.7], rows=True)
    given, _ = seen_by_network(task, (images.clone(), torch.tensor([1, 2])))
    assert given.shape == (2, 8, 24)
    assert torch.allclose(as_images(task, given), images, atol=1e-6)
