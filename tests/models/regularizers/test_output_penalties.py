"""Penalties on what the network says: its entropy, its agreement with itself, its slopes by the inputs."""

import functools
import warnings

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from models import Classifier, TrainingError
from models.networks import CNN, MLP, Linear, Pretrained
from models.optimization.uncounted_step import frozen_batch_norm_statistics
from models.regularizers import ConfidencePenalty, JacobianPenalty, LabelSmoothing, RDrop, Step
from models.regularizers.jacobian_penalty import jacobian_norm
from models.regularizers.r_drop import symmetric_divergence

EXTREME = torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]])


def penalty_of(regularizer, outputs, network=None, inputs=None):
    return regularizer.penalty(Step(inputs, outputs, outputs, network, network))


def test_the_confidence_penalty_is_minus_beta_times_the_entropy():
    logits = torch.randn(5, 4)
    expected = -0.3 * torch.distributions.Categorical(logits=logits).entropy().mean()
    torch.testing.assert_close(penalty_of(ConfidencePenalty(0.3), logits), expected)


def test_r_drop_is_the_mean_of_both_divergences():
    p, q = torch.randn(2, 6, 4).unbind()
    both = F.kl_div(p.log_softmax(-1), q.log_softmax(-1), log_target=True, reduction="batchmean")
    both += F.kl_div(q.log_softmax(-1), p.log_softmax(-1), log_target=True, reduction="batchmean")
    given = penalty_of(RDrop(0.7), p, lambda inputs: q)
    torch.testing.assert_close(given, 0.7 * both / 2)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("samples", [1, 2])
def test_slopes_are_finite_under_extreme_logits(samples, kind):
    for measure in (
        lambda logits: penalty_of(ConfidencePenalty(1.0), logits),
        lambda logits: symmetric_divergence(logits, logits.detach().flip(1)),
    ):
        logits = EXTREME[:samples].to(kind).requires_grad_()
        value = measure(logits)
        value.backward()
        assert value.dtype == torch.float32
        assert value.isfinite()
        assert logits.grad.isfinite().all()


def test_both_passes_of_r_drop_are_pulled():
    torch.manual_seed(0)
    network, inputs = MLP((8,), 4, [64], dropout=0.5), torch.rand(6, 8)
    first = network(inputs)
    (whole,) = torch.autograd.grad(penalty_of(RDrop(), first, network, inputs), first, retain_graph=True)
    assert whole.abs().sum() > 0
    penalty_of(RDrop(), first.detach(), network, inputs).backward()
    assert network.head.weight.grad.abs().sum() > 0


def test_without_dropout_r_drop_has_nothing_to_say_and_is_warned_about():
    network, inputs = MLP((8,), 4, [64]), torch.rand(6, 8)
    with pytest.warns(UserWarning, match="RDrop: MLP has no active dropout"):
        Classifier(network, 4, regularizers=[RDrop()])
    outputs = network(inputs)
    assert penalty_of(RDrop(), outputs, network, inputs) == 0


def test_dropout_that_is_frozen_is_none():
    backbone = functools.partial(MLP, widths=[8, 8], dropout=0.5)
    for train, warns in (("head", True), ("all", False)):
        network = Pretrained((1, 4, 4), 3, architecture=backbone, weights=None, train=train)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            RDrop().setup(network, 3, ())
        assert bool(caught) == warns


def test_dropout_is_found_whatever_its_kind(recwarn):
    for network in (MLP((8,), 4, dropout=0.1), CNN((1, 16, 16), 4, dropout=0, drop_block=0.1)):
        RDrop().setup(network, 4, ())
    assert not recwarn.list


@pytest.mark.parametrize("projections", [1, 5])
def test_of_one_output_the_jacobian_is_exact(projections):
    network, inputs = Linear((3, 2), 1), torch.rand(4, 3, 2)
    value = jacobian_norm(network, inputs, projections)
    torch.testing.assert_close(value, network.head.weight.square().sum())
    (slope,) = torch.autograd.grad(value, network.head.weight)
    torch.testing.assert_close(slope, 2 * network.head.weight)


def test_the_jacobian_is_estimated_without_bias():
    torch.manual_seed(0)
    network, sample = MLP((6,), 4, [16], activation="tanh"), torch.randn(6)
    exact = torch.func.jacrev(lambda x: network(x[None])[0])(sample).square().sum()
    drawn = torch.stack([jacobian_norm(network, sample.repeat(50, 1)) for _ in range(100)])
    assert (drawn.mean() - exact).abs() < 5 * drawn.std() / 10  # fails by chance once in 1.7 million


def test_more_projections_vary_less():
    torch.manual_seed(0)
    network, inputs = Linear((6,), 4), torch.randn(2, 6)
    spread = [torch.stack([jacobian_norm(network, inputs, n) for _ in range(200)]).std() for n in (1, 16)]
    assert spread[1] < spread[0] / 2


def test_the_jacobian_penalty_is_half_of_lambda_times_the_norm_and_leaves_inputs_as_they_are():
    network, inputs = Linear((3,), 1), torch.rand(4, 3)
    outputs = network(inputs)
    value = penalty_of(JacobianPenalty(0.2), outputs, network, inputs)
    torch.testing.assert_close(value, 0.1 * network.head.weight.square().sum())
    assert not inputs.requires_grad


@pytest.mark.parametrize("samples", [1, 3])
def test_slopes_of_the_jacobian_are_finite_in_mixed_precision(samples):
    network, inputs = CNN((1, 16, 16), 3, norm="group"), torch.randn(samples, 1, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        value = penalty_of(JacobianPenalty(1.0), torch.empty(0), network, inputs)
    value.backward()
    assert value.dtype == torch.float32
    assert all(p.grad.isfinite().all() for n, p in network.named_parameters() if n.endswith("0.weight"))


@pytest.mark.parametrize("penalty", [ConfidencePenalty(0), RDrop(0), JacobianPenalty(0)], ids=repr)
def test_at_zero_they_are_off_draw_nothing_and_pass_nothing(penalty):
    state = torch.get_rng_state()
    assert penalty_of(penalty, torch.zeros(2, 3)) is None
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("penalty", [RDrop(), JacobianPenalty()], ids=repr)
def test_a_second_pass_leaves_batch_norm_as_it_was(penalty):
    network, inputs = MLP((8,), 4, [16], dropout=0.5, norm="batch"), torch.rand(6, 8)
    outputs = network(inputs)
    before = {name: value.clone() for name, value in network.named_buffers()}
    with frozen_batch_norm_statistics(network):
        penalty_of(penalty, outputs, network, inputs)
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())


@pytest.mark.parametrize("penalty", [ConfidencePenalty(0.2), RDrop(5.0), JacobianPenalty(0.2)], ids=repr)
def test_digits_are_learnt_with_it_and_what_it_penalizes_is_less(penalty, fit):
    def trained(*regularizers):
        torch.manual_seed(0)
        task = Classifier(
            MLP((1, 8, 8), 10, [64], dropout=0.3),
            10,
            regularizers=[*regularizers, LabelSmoothing(0.05)],
            optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
        )
        trainer = fit(task, max_epochs=8)
        assert trainer.callback_metrics["val/accuracy"] > 0.85
        inputs, network = torch.tensor(load_digits().data[:200] / 16).float(), task.network
        torch.manual_seed(0)
        return penalty_of(penalty, network(inputs), network, inputs)

    assert trained(penalty) < trained()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ConfidencePenalty(-0.1), "ConfidencePenalty: beta -0.1"),
        (lambda: RDrop(-1), "RDrop: alpha -1"),
        (lambda: JacobianPenalty(-1), "JacobianPenalty: coefficient -1"),
        (lambda: JacobianPenalty(projections=0), "JacobianPenalty: projections 0"),
    ],
)
def test_what_is_out_of_range_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_sequences_of_different_lengths_have_no_jacobian():
    with pytest.raises(TrainingError, match="JacobianPenalty does not take sequences of different lengths"):
        JacobianPenalty().check_batch((torch.rand(2, 3, 4), torch.tensor([3, 2])), of_steps=False)


@pytest.mark.parametrize("steps", [1, 10])
def test_the_jacobian_of_steps_is_the_mean_of_every_steps(steps):
    torch.manual_seed(0)
    each = torch.nn.Linear(4, 3)
    inputs = torch.randn(2, steps, 4)
    found = [jacobian_norm(lambda given: each(given).flatten(0, 1), inputs, 50).item() for _ in range(20)]
    assert sum(found) / 20 == pytest.approx(each.weight.square().sum().item(), rel=0.1)
