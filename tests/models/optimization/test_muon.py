"""Muon: steps of orthogonal weights, AdamW for the rest, and exact resume."""

import functools

import lightning as L
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch.strategies import FSDPStrategy
from torch import nn
from torch.optim import AdamW

from models import Classifier, MuonWithAdamW, TrainingError
from models.networks import MLP, Recurrent, ResNet, TokenRecurrent
from models.optimization.muon import orthogonalize
from models.optimization.optimizers import build_optimizer

muon = functools.partial(MuonWithAdamW, lr=0.1, adamw_lr=0.01)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000), st.floats(1e-6, 1e6))
def test_a_matrix_of_any_shape_and_size_keeps_its_directions_and_loses_their_lengths(rows, columns, seed, scale):
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    left, lengths, right = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalize(matrix * scale, 5)
    now = left.mT @ found @ right.mT
    told = lengths / lengths.norm() > 0.01  # directions that five steps can lengthen
    diagonal = now.diagonal()[told]
    assert bool(((diagonal > 0.65) & (diagonal < 1.25)).all())
    torch.testing.assert_close(now - torch.diag(now.diagonal()), torch.zeros_like(now), atol=1e-6, rtol=0)


def test_half_precision_comes_to_about_the_same():
    matrix = torch.randn(30, 50, generator=torch.Generator().manual_seed(0))
    half, full = orthogonalize(matrix, 5, torch.bfloat16), orthogonalize(matrix, 5)
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    torch.testing.assert_close(half, full, atol=0.02, rtol=0)
    with pytest.raises(ValueError, match="newton_schulz_dtype 'half' is not bfloat16 or float32"):
        muon(MLP((4,), 2).parameters(), newton_schulz_dtype="half")


def test_a_zero_matrix_stays_zero():
    assert not orthogonalize(torch.zeros(3, 5)).any()


def hidden_of(optimizer, network):
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {names[id(p)] for group in optimizer.param_groups if group["hidden"] for p in group["params"]}


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_a_task_tells_it_the_hidden_weights(decay, layer_decay):
    network = ResNet((3, 8, 8), 4, depth=20)
    optimizer = build_optimizer(functools.partial(muon, weight_decay=decay), network, False, layer_decay)
    expected = {name for name, parameter in network.named_parameters() if parameter.ndim == 4}
    assert hidden_of(optimizer, network) == expected
    everything = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(map(id, everything)) == sorted(map(id, network.parameters()))


def test_embeddings_are_not_hidden():
    network = TokenRecurrent((5,), 3, num_tokens=20)
    hidden = hidden_of(build_optimizer(muon, network, False), network)
    assert hidden
    assert not any("embedding" in name for name in hidden)
    assert hidden_of(build_optimizer(muon, (lstm := Recurrent((5, 3), 2)), False), lstm)


def test_a_step_of_a_convolution_has_the_learning_rate_in_every_direction():
    layer = nn.Conv2d(4, 8, 3, bias=False)
    before = layer.weight.detach().clone()
    layer(torch.randn(2, 4, 6, 6)).square().sum().backward()
    MuonWithAdamW(layer.parameters(), lr=0.1).step()
    lengths = torch.linalg.svdvals((layer.weight.detach() - before).flatten(1))
    assert bool(((lengths > 0.04) & (lengths < 0.13)).all())


def test_everything_else_is_stepped_as_by_adamw():
    network, same = (nn.Linear(3, 4) for _ in range(2))
    same.load_state_dict(network.state_dict())
    ours = MuonWithAdamW([{"params": list(network.parameters()), "hidden": False}], lr=0.5, adamw_lr=0.01)
    theirs = AdamW(same.parameters(), lr=0.01, betas=(0.9, 0.95), weight_decay=0.0)
    for _ in range(3):
        inputs = torch.randn(5, 3)
        for net, optimizer in ((network, ours), (same, theirs)):
            optimizer.zero_grad()
            net(inputs).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(network.state_dict(), same.state_dict())


def test_a_schedule_acts_on_both_rates():
    network = MLP((4,), 2, [4])
    optimizer = build_optimizer(muon, network, False)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(torch.randn(3, 4)).square().sum().backward()
    optimizer.step()
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


def test_a_state_that_is_loaded_keeps_both_rates():
    first = MuonWithAdamW([torch.ones(2, 2)], lr=0.1, adamw_lr=0.01)
    second = MuonWithAdamW([torch.ones(2, 2)], lr=0.5, adamw_lr=0.5)
    second.load_state_dict(first.state_dict())
    assert second.param_groups[0]["lr"] * second.param_groups[0]["adamw_factor"] == pytest.approx(0.01)


def test_weights_that_are_divided_are_refused():
    task = Classifier(MLP((4,), 2, [4]), 2, optimizer=MuonWithAdamW)
    task.trainer = L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=1)
    task.trainer._accelerator_connector.strategy = FSDPStrategy()
    with pytest.raises(TrainingError, match="MuonWithAdamW needs whole weights"):
        task.configure_optimizers()


@pytest.mark.parametrize(
    "wrong", [{"lr": 0.0}, {"momentum": 1.0}, {"adamw_lr": -1.0}, {"newton_schulz_steps": 0}, {"betas": (0.9, 1.0)}]
)
def test_an_argument_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)).split("_")[0]):
        MuonWithAdamW([torch.ones(2, 2)], **wrong)
