"""Norms of gradients and updates are those of the steps measured, and measuring them changes nothing."""

from functools import partial

import lightning as L
import pytest
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

from callbacks import GradientNorms, LastCheckpoint, gradient_norms
from callbacks.gradient_figure import FLOOR, draw_norms
from datamodules import DigitRows, Digits
from models import SAM, Classifier
from models.networks import MLP, Recurrent

NETWORKS = {"mlp": lambda: MLP((1, 8, 8), 10, widths=[16, 8], dropout=0.2)}
NETWORKS |= {
    cell: partial(Recurrent, (8, 8), 10, cell=cell, layers=2, hidden_size=16) for cell in ("lstm", "gru", "rnn_tanh")
}


def forgetful():
    """Return a network whose hidden state decays: tutorial 002's example, 0.9 to the power of the steps, but faster."""
    network = Recurrent((8, 8), 10, cell="rnn_tanh")
    with torch.no_grad():
        network.recurrent.weight_hh_l0 *= 0.1
    return network


NETWORKS["forgetful"] = forgetful


def train(quiet_trainer, network, *callbacks, epochs=2, resume=None, sam=False, **options):
    L.seed_everything(1, verbose=False)
    data = (Digits if network == "mlp" else DigitRows)(batch_size=64)
    wrapper = partial(SAM, rho=0.1) if sam else None
    optimizer = partial(torch.optim.SGD, lr=0.1)
    task = Classifier(NETWORKS[network](), 10, optimizer=optimizer, optimizer_wrapper=wrapper)
    saves = any(isinstance(item, LastCheckpoint) for item in callbacks)
    trainer = quiet_trainer(
        max_epochs=epochs, callbacks=list(callbacks), limit_train_batches=6, enable_checkpointing=saves, **options
    )
    trainer.fit(task, data, ckpt_path=resume)
    return task


class Reference(L.Callback):
    """Measures one step in the plainest way."""

    def __init__(self, step: int) -> None:
        self.step, self.gradients, self.updates = step, None, []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        if trainer.global_step == self.step and self.gradients is None:
            self.weights = [weight for weight in pl_module.network.parameters() if weight.ndim > 1]
            self.gradients = [weight.grad.norm().item() for weight in self.weights]
            self.before = [weight.detach().clone() for weight in self.weights]

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step + 1:
            pairs = zip(self.weights, self.before, strict=True)
            self.updates = [((weight.detach() - old).norm() / old.norm()).item() for weight, old in pairs]


@pytest.mark.parametrize(
    "options", [{}, {"sam": True}, {"accumulate_grad_batches": 2}], ids=["plain", "SAM", "two batches"]
)
def test_they_are_those_of_the_measured_steps(quiet_trainer, tmp_path, options) -> None:
    norms, reference = GradientNorms(every_n_steps=6 if "accumulate_grad_batches" not in options else 3), Reference(0)
    train(quiet_trainer, "mlp", norms, reference, epochs=1, **options)
    (epoch,) = norms._epochs
    assert epoch["gradients"].tolist() == pytest.approx(reference.gradients, rel=1e-5)
    assert epoch["updates"].tolist() == pytest.approx(reference.updates, rel=1e-4)
    Image.open(tmp_path / "figures" / "gradients.png").load()


@pytest.mark.parametrize("network", NETWORKS)
def test_training_is_bit_for_bit_the_same_with_it(quiet_trainer, network) -> None:
    plain, watched = (
        train(quiet_trainer, network, *callbacks, epochs=1) for callbacks in ([], [GradientNorms(every_n_steps=2)])
    )
    for (name, weight), other in zip(plain.named_parameters(), watched.parameters(), strict=True):
        assert torch.equal(weight, other), name
    assert not any(module._forward_pre_hooks for module in watched.network.modules())


def test_a_resumed_run_draws_the_same(quiet_trainer, tmp_path) -> None:
    train(quiet_trainer, "lstm", GradientNorms(every_n_steps=4))
    whole = (tmp_path / "figures" / "gradients.png").read_bytes()
    train(quiet_trainer, "lstm", GradientNorms(every_n_steps=4), LastCheckpoint(every_n_train_steps=5), max_steps=5)
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 5
    train(quiet_trainer, "lstm", GradientNorms(every_n_steps=4), resume=last)
    assert (tmp_path / "figures" / "gradients.png").read_bytes() == whole


@pytest.mark.parametrize("packed", [False, True])
def test_the_gradient_of_each_step_is_that_of_its_inputs(packed) -> None:
    torch.manual_seed(0)
    network, inputs = Recurrent((7, 3), 2, cell="rnn_tanh"), torch.randn(4, 7, 3, requires_grad=True)
    given = (inputs, torch.tensor([7, 2, 5, 7])) if packed else inputs
    network(given).square().sum().backward()
    expected = inputs.grad.square().sum((0, 2)).sqrt()
    norms = GradientNorms()
    norms._due = True
    network.recurrent.register_forward_pre_hook(norms._watch_steps)
    network(tuple(value.detach() for value in given) if packed else inputs.detach()).square().sum().backward()
    assert torch.allclose(norms._sums["steps"][0], expected, rtol=1e-5)


def test_the_figure_shows_a_gradient_that_vanishes_towards_the_start_of_a_sequence(quiet_trainer, monkeypatch) -> None:
    drawn = []
    monkeypatch.setattr(gradient_norms, "draw_norms", lambda *given: drawn.append(draw_norms(*given)) or drawn[-1])
    train(quiet_trainer, "forgetful", GradientNorms(every_n_steps=1), epochs=1)
    gradients, updates, steps = drawn[0].axes
    assert (steps.get_xlabel(), steps.get_yscale()) == ("step of the sequence", "log")
    values = steps.lines[0].get_ydata()
    assert len(values) == 8
    assert values[0] < values[-1] / 1000
    names = [label.get_text() for label in updates.get_xticklabels()]
    assert names[-1] == "head"
    assert len(gradients.lines[0].get_ydata()) == len(names) == 3


def test_a_gradient_of_zero_is_shown_and_one_that_was_not_measured_is_a_gap() -> None:
    norms = {"epoch": torch.tensor(1), "gradients": torch.tensor([0.0, 1.0, torch.nan]), "updates": torch.ones(3)}
    figure = draw_norms([norms], ["a", "b", "c"], "run")
    gradients, _ = figure.axes
    assert gradients.lines[0].get_ydata()[:2].tolist() == pytest.approx([FLOOR, 1])
    assert "0: no gradient" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert torch.tensor(gradients.lines[0].get_ydata()[2]).isnan()


def test_every_n_steps_must_be_a_number_of_steps() -> None:
    with pytest.raises(ValueError, match="every_n_steps"):
        GradientNorms(every_n_steps=0)


class NoReading(TorchDispatchMode):
    """Refuses to read a tensor's value, for which a GPU would have to be waited for."""

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        assert function is not torch.ops.aten._local_scalar_dense.default
        return function(*arguments, **(options or {}))


class Unread(GradientNorms):
    """Fails if a hook of a step reads a value."""

    def on_before_optimizer_step(self, *given):
        with NoReading():
            super().on_before_optimizer_step(*given)

    def on_train_batch_end(self, *given):
        with NoReading():
            super().on_train_batch_end(*given)

    def _add_steps(self, *given):
        with NoReading():
            super()._add_steps(*given)


def test_no_step_waits_for_a_value(quiet_trainer) -> None:
    norms = Unread(every_n_steps=1)
    train(quiet_trainer, "lstm", norms, epochs=1)
    assert len(norms._epochs) == 1
    with pytest.raises(AssertionError), NoReading():
        torch.ones(1).item()
