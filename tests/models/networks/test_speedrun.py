"""The speed-run network: a first layer whitened from training patches, kept by checkpoints."""

from functools import partial

import lightning as L
import pytest
import torch
import torch.nn.functional as F

from datamodules import Digits, SplitOptions
from models import Classifier, MuonWithAdamW, TrainingError
from models.networks import Pretrained, SpeedrunCNN
from models.networks.speedrun import WhiteningConv


def covariance(maps):
    flat = maps.transpose(0, 1).flatten(1)
    return flat @ flat.T / flat.shape[1]


def test_the_first_layer_makes_patches_uncorrelated_and_keeps_both_signs():
    images = F.interpolate(torch.randn(200, 3, 6, 6), (24, 24), mode="bilinear")  # neighbours are alike
    layer = WhiteningConv(3)
    layer.fit(images)
    outputs = layer(images) - layer.bias.view(-1, 1, 1)
    halves = outputs.chunk(2, 1)
    torch.testing.assert_close(halves[0], -halves[1])
    found = covariance(halves[0].detach())
    off = found - torch.diag(found.diagonal())
    assert off.abs().max() < 1e-3
    assert found.diagonal().max() < 1.01
    assert found.diagonal()[-1] > 0.99  # the direction that varies most; the damping is small beside it


@pytest.mark.parametrize(("shape", "widths"), [((3, 32, 32), None), ((1, 28, 28), [8, 8, 8]), ((1, 8, 8), [8, 16])])
def test_it_takes_images_of_other_sizes_than_it_was_made_for(shape, widths):
    network = SpeedrunCNN(shape, 7, widths)
    assert network(torch.rand(2, *shape)).shape == (2, 7)
    assert network(torch.rand(2, shape[0], shape[1] + 8, shape[2] + 3)).shape == (2, 7)


@pytest.mark.parametrize(
    ("shape", "widths"), [((3, 8, 8), None), ((1, 4, 4), [8, 8]), ((12,), None), ((3, 32, 32), [])]
)
def test_what_is_too_small_is_refused(shape, widths):
    with pytest.raises(ValueError, match="SpeedrunCNN"):
        SpeedrunCNN(shape, 7, widths)


def task():
    return Classifier(SpeedrunCNN((1, 8, 8), 10, [16, 16]), 10, optimizer=partial(MuonWithAdamW, adamw_lr=0.02))


def test_training_begins_with_whitened_patches_of_the_training_part_and_learns(fit):
    made, data = task(), Digits(batch_size=100)
    trainer = fit(made, data, max_epochs=4)
    assert trainer.callback_metrics["val/accuracy"] > 0.5
    images, *_ = data.training_samples(2000)
    assert len(images) == len(data.split.train)
    with torch.no_grad():
        maps = made.network.whitening(made.preprocessing.normalize(images, torch.float32))
        found = covariance(maps - made.network.whitening.bias.view(-1, 1, 1))[:4, :4]
    assert (found - torch.diag(found.diagonal())).abs().max() < 1e-2


def test_a_resumed_run_keeps_the_whitening_of_its_checkpoint(fit, tmp_path):
    trainer = fit(task(), max_epochs=1)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    marked = stored["state_dict"]["network.whitening.weight"] * 2  # no training data give these
    stored["state_dict"]["network.whitening.weight"] = marked
    torch.save(stored, tmp_path / "last.ckpt")
    resumed = task()
    fit(resumed, max_epochs=2, ckpt_path=tmp_path / "last.ckpt")
    assert torch.equal(resumed.network.whitening.weight, marked)


def test_a_trained_network_keeps_its_whitening_on_other_data(fit):
    made = task()
    fit(made)
    before = made.network.whitening.weight.clone()
    fit(made, Digits(batch_size=500, split=SplitOptions(seed=5)))
    assert torch.equal(made.network.whitening.weight, before)


def test_loaders_alone_are_refused(quiet_trainer):
    loader = [(torch.rand(8, 1, 8, 8), torch.arange(8))]
    with pytest.raises(TrainingError, match="SpeedrunCNN adapts to training inputs"):
        quiet_trainer(max_epochs=1).fit(task(), loader)


def test_a_seed_repeats_the_whitening():
    weights = []
    for _ in range(2):
        L.seed_everything(3, verbose=False)
        made, data = task(), Digits()
        made.network.adapt(data.training_samples(50)[0])
        weights.append(made.network.whitening.weight)
    assert torch.equal(*weights)


def test_pretrained_refuses_it_by_name():
    with pytest.raises(ValueError, match="SpeedrunCNN adapts to its own training data"):
        Pretrained((3, 32, 32), 4, SpeedrunCNN, None)
