"""A head learns from cached features what it learns without a cache, and what may not be cached is refused."""

import functools

import lightning as L
import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from PIL import Image
from torch.optim import AdamW

from callbacks import FeatureCache, GradualUnfreezing
from datamodules import Digits, HorizontalFlip, ImageFolder, SplitOptions
from datamodules.splitting.duplicates import sample_digests
from models import Classifier
from models.networks import CNN, MLP, Pretrained
from models.regularizers import DisturbLabel, JacobianPenalty, Regularizer
from tests.digit_labels import WeightedDigits


class Blur(Regularizer):
    def perturb(self, inputs, targets):
        return inputs * 0.5, targets


def network(train="head", seed=0):
    torch.manual_seed(seed)
    return Pretrained((1, 8, 8), 10, functools.partial(CNN, dropout=0.2), None, train=train, resize=16)


def task(backbone=None, **options):
    return Classifier(backbone or network(), 10, optimizer=functools.partial(AdamW, lr=0.01), **options)


@pytest.fixture
def fit(quiet_trainer):
    def run(module, *callbacks, data=None, epochs=3):
        L.seed_everything(0, verbose=False)
        data = data or Digits(batch_size=200, mean=[0.0], std=[1.0])
        trainer = quiet_trainer(callbacks=[*callbacks], max_epochs=epochs)
        trainer.fit(module, datamodule=data)
        return trainer

    return run


def counted(module):
    """Count the batches that the backbone sees, but for the few images that tell one network from another."""
    seen = []
    module.network.backbone.register_forward_hook(lambda _, inputs, __: seen.append(1) if len(inputs[0]) > 8 else None)
    return seen


@pytest.mark.parametrize("regularizers", [None, [DisturbLabel(alpha=10)]])
def test_the_head_learns_what_it_learns_without_a_cache(fit, tmp_path, regularizers):
    plain, cached = task(regularizers=regularizers), task(regularizers=regularizers)
    start = cached.network.head.weight.detach().clone()
    without, with_cache = fit(plain), fit(cached, FeatureCache(str(tmp_path)))
    torch.testing.assert_close(cached.network.head.weight, plain.network.head.weight, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(cached.network.head.weight, start, atol=1e-2)
    for name in ("train/loss", "val/loss", "val/accuracy"):
        assert with_cache.callback_metrics[name].item() == pytest.approx(
            without.callback_metrics[name].item(), abs=1e-4
        )


def test_samples_keep_their_weights(fit, tmp_path):
    heads = []
    for callbacks in ([], [FeatureCache(str(tmp_path))]):
        module, data = task(), WeightedDigits(batch_size=200, mean=[0.0], std=[1.0])
        fit(module, *callbacks, data=data)
        heads.append(module.network.head.weight.detach())
    torch.testing.assert_close(*heads, rtol=1e-3, atol=1e-5)
    fit(unweighted := task())
    assert not torch.allclose(unweighted.network.head.weight, heads[0], atol=1e-2)


def test_the_backbone_runs_once_and_never_in_a_second_run(fit, tmp_path):
    first, second = task(), task()
    seen = counted(first)
    fit(first, FeatureCache(str(tmp_path)))
    parts = Digits()
    parts.setup()
    assert len(seen) == -(-(len(parts.split.train) + len(parts.split.val)) // parts.eval_batch_size)
    seen = counted(second)
    fit(second, FeatureCache(str(tmp_path)))
    assert seen == []
    assert torch.equal(first.network.head.weight, second.network.head.weight)


def test_a_test_after_it_runs_the_whole_network(fit, tmp_path):
    module, plain = task(), task()
    trainer = fit(module, FeatureCache(str(tmp_path)))
    seen = counted(module)
    tested = trainer.test(module, datamodule=trainer.datamodule, verbose=False)[0]
    assert seen
    uncached = fit(plain)
    expected = uncached.test(plain, datamodule=uncached.datamodule, verbose=False)[0]
    assert tested["test/loss"] == pytest.approx(expected["test/loss"], abs=1e-4)
    seen.clear()
    assert trainer.validate(module, datamodule=trainer.datamodule, verbose=False)
    assert seen


@pytest.mark.parametrize(
    ("change", "data"), [({"seed": 1}, {}), ({}, {"mean": [0.5], "std": [0.5]}), ({}, {"split": SplitOptions(seed=1)})]
)
def test_other_weights_or_data_are_computed_anew(fit, tmp_path, change, data):
    fit(task(), FeatureCache(str(tmp_path)))
    other = task(network(**change))
    seen = counted(other)
    fit(other, FeatureCache(str(tmp_path)), data=Digits(**({"mean": [0.0], "std": [1.0]} | data)))
    assert seen
    assert len(list(tmp_path.glob("*.npy"))) == 2


class Powered(CNN):
    """A network of one's own whose power is a plain attribute: neither in its weights nor in its `repr`."""

    def __init__(self, *arguments, power=1.0, **options):
        super().__init__(*arguments, **options)
        self.power = power

    def forward(self, inputs):
        return super().forward(inputs**self.power)


def test_networks_that_compute_different_things_with_equal_weights_share_no_file(fit, tmp_path):
    learnt = []
    for power in (1.0, 2.0, 2.0):
        torch.manual_seed(0)
        own = Pretrained((1, 8, 8), 10, functools.partial(Powered, power=power), None, train="head", resize=16)
        module = task(own)
        fit(module, FeatureCache(str(tmp_path)), epochs=1)
        learnt.append(module.network.head.weight.detach())
    assert len(list(tmp_path.glob("*.npy"))) == 2
    assert not torch.equal(learnt[0], learnt[1])
    assert torch.equal(learnt[1], learnt[2])


def test_a_file_cut_short_is_made_anew(fit, tmp_path):
    module = task()
    fit(module, FeatureCache(str(tmp_path)))
    (path,) = tmp_path.glob("*.npy")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    again = task()
    fit(again, FeatureCache(str(tmp_path)))
    assert path.read_bytes() == whole
    assert torch.equal(again.network.head.weight, module.network.head.weight)


@pytest.mark.parametrize(
    ("module", "callbacks", "data", "words"),
    [
        (lambda: Classifier(MLP((1, 8, 8), 10), 10), [], {}, "MLP has no frozen backbone"),
        (lambda: task(network("last:1")), [], {}, "not entirely frozen; set model.network.train head"),
        (lambda: task(), [GradualUnfreezing()], {}, "not entirely frozen"),
        (lambda: task(), [], {"augmentation": [HorizontalFlip()]}, r"\(HorizontalFlip\); set data.augmentation"),
        (lambda: task(regularizers=[Blur()]), [], {}, "Blur acts on images"),
        (lambda: task(regularizers=[JacobianPenalty()]), [], {}, "JacobianPenalty acts on images"),
    ],
)
def test_what_changes_the_features_is_refused_by_name(fit, tmp_path, module, callbacks, data, words):
    digits = Digits(**({"mean": [0.0], "std": [1.0]} | data))
    with pytest.raises(MisconfigurationException, match=words):
        fit(module(), *callbacks, FeatureCache(str(tmp_path)), data=digits)
    assert not list(tmp_path.glob("*.npy"))


def test_a_folder_that_cannot_be_written_to_is_named(fit, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MisconfigurationException, match=r"cannot write to .*file/below"):
        fit(task(), FeatureCache(str(tmp_path / "file" / "below")))


class Interrupt(L.Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        raise KeyboardInterrupt


def test_after_an_interruption_the_network_is_given_images_again(fit, tmp_path, quiet_trainer):
    module, data = task(), Digits(batch_size=200, mean=[0.0], std=[1.0])
    with pytest.raises(SystemExit):
        fit(module, FeatureCache(str(tmp_path)), Interrupt(), data=data)
    seen = counted(module)
    quiet_trainer().test(module, datamodule=data, verbose=False)
    assert seen


class Repainted(Digits):
    """The digits, with another digest than their pixels': as files are, whose decoding may change."""

    def __init__(self, factor, **options):
        super().__init__(mean=[0.0], std=[1.0], **options)
        self.factor = factor

    def load(self):
        samples = super().load()
        samples.inputs.floor_divide_(self.factor)
        return samples

    def digests(self):
        return sample_digests(torch.arange(len(self.samples.inputs)).view(-1, 1))


def test_the_same_files_decoded_otherwise_are_computed_anew(fit, tmp_path):
    fit(task(), FeatureCache(str(tmp_path)), data=Repainted(1))
    other = task()
    seen = counted(other)
    fit(other, FeatureCache(str(tmp_path)), data=Repainted(2))
    assert seen


def test_streamed_images_are_refused(fit, tmp_path):
    for number in range(20):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 10 * number, dtype=np.uint8)).save(path)
    data = ImageFolder(str(tmp_path / "images"), memory_limit_gb=0, num_workers=0, augmentation=[], batch_size=4)
    backbone = Pretrained((3, 8, 8), 2, functools.partial(CNN), None, train="head", resize=16)
    with pytest.raises(MisconfigurationException, match="ImageFolder is not kept in memory"):
        fit(Classifier(backbone, 2), FeatureCache(str(tmp_path / "features")), data=data)
