"""Adaptive clipping against a loop over units, and in a real training."""

import functools
import math

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import nn
from torch.optim import SGD

from callbacks import AdaptiveGradientClipping
from callbacks.adaptive_clipping import clipping_factor
from datamodules import Digits
from models import SAM, Classifier
from models.networks import MLP, Linear, Pretrained


def reference(weight, gradient, clip, eps):
    """Clip a unit at a time, in double precision."""
    units = [(weight, gradient)] if weight.ndim <= 1 else list(zip(weight, gradient, strict=True))
    clipped = []
    for w, g in units:
        largest = clip * max(float(w.double().norm()), eps)
        norm = float(g.double().norm())
        clipped.append(g * (largest / norm) if norm > largest else g)
    return clipped[0] if weight.ndim <= 1 else torch.stack(clipped)


@pytest.mark.parametrize("shape", [(), (7,), (5, 7), (5, 3, 2, 2)])
@pytest.mark.parametrize("size", [0.0, 1e-5, 1.0])
def test_a_gradient_is_clipped_unit_by_unit(shape, size):
    generator = torch.Generator().manual_seed(0)
    weight = size * torch.randn(shape, generator=generator)
    gradient = torch.randn(shape, generator=generator) * 0.5
    if len(shape) > 1:
        gradient[0] *= 1e-6  # small enough already
    for clip in (0.01, 0.5):
        clipped = gradient * clipping_factor(weight, gradient, clip, 1e-3)
        torch.testing.assert_close(clipped, reference(weight, gradient, clip, 1e-3))
    assert torch.equal(gradient * clipping_factor(weight, gradient, 1e9, 1e-3), gradient), "to the bit if small enough"
    assert torch.equal(clipping_factor(weight, torch.zeros(shape), 0.01, 1e-3).unique(), torch.ones(1))


class Gradients(L.Callback):
    """Keeps each step's gradients, beside the weights, as they are when the optimizer steps."""

    def __init__(self):
        self.seen = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        parameters = pl_module.network.named_parameters()
        self.seen.append({name: (p.detach().clone(), p.grad.clone()) for name, p in parameters})


@pytest.mark.parametrize("wrapper", [None, SAM])
def test_all_but_the_head_is_clipped_in_training_in_both_passes_of_sam(quiet_trainer, wrapper):
    torch.manual_seed(0)
    optimizer = functools.partial(SGD, lr=0.1)
    task = Classifier(MLP((1, 8, 8), 10, [32]), 10, optimizer=optimizer, optimizer_wrapper=wrapper)
    before, after = Gradients(), Gradients()
    trainer = quiet_trainer(max_steps=2, callbacks=[before, AdaptiveGradientClipping(0.01), after])
    trainer.fit(task, Digits(batch_size=500))
    assert len(after.seen) == (2 if wrapper is None else 4)
    for raw, clipped in zip(before.seen, after.seen, strict=True):
        for name, (weight, gradient) in raw.items():
            expected = gradient if name.startswith("head.") else reference(weight, gradient, 0.01, 1e-3)
            torch.testing.assert_close(clipped[name][1], expected)
        assert not torch.equal(raw["body.1.weight"][1], clipped["body.1.weight"][1])


@pytest.mark.parametrize("options", [{"clip": 0}, {"clip": -1.0}, {"eps": 0}, {"clip": math.inf}, {"eps": math.nan}])
def test_numbers_that_are_not_above_zero_are_refused(options):
    with pytest.raises(ValueError, match=f"AdaptiveGradientClipping: {next(iter(options))} .* above 0"):
        AdaptiveGradientClipping(**options)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), "Sequential has no `head`"),
        (Linear((1, 8, 8), 10), "is only a head"),
    ],
)
def test_a_network_without_anything_to_clip_is_refused(quiet_trainer, network, reason):
    trainer = quiet_trainer(max_steps=1, callbacks=[AdaptiveGradientClipping()])
    with pytest.raises(MisconfigurationException, match=rf"^AdaptiveGradientClipping: .*{reason}"):
        trainer.fit(Classifier(network, 10), Digits(batch_size=500))


def test_a_network_of_which_the_head_alone_is_trained_is_refused(quiet_trainer):
    network = Pretrained((1, 8, 8), 10, architecture=functools.partial(MLP, widths=[8]), weights=None, train="head")
    trainer = quiet_trainer(max_steps=1, callbacks=[AdaptiveGradientClipping()])
    with pytest.raises(MisconfigurationException, match="Pretrained trains only its head"):
        trainer.fit(Classifier(network, 10), Digits(batch_size=500))


@pytest.mark.parametrize("fused", [False, True])
def test_gradients_that_come_scaled_are_refused(quiet_trainer, fused):
    plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
    optimizer = functools.partial(SGD, lr=0.1, fused=fused)
    trainer = quiet_trainer(max_steps=1, callbacks=[AdaptiveGradientClipping()], plugins=[plugin])
    task = Classifier(MLP((1, 8, 8), 10, [32]), 10, optimizer=optimizer)
    if not fused:
        trainer.fit(task, Digits(batch_size=500))
        return
    with pytest.raises(MisconfigurationException, match="a fused optimizer gets scaled gradients"):
        trainer.fit(task, Digits(batch_size=500))
