"""EMA and SWA: the averages are right, validated, kept under their name, and both sets of weights go on."""

import copy
import functools

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from torch.optim import SGD

from callbacks import EMA, SWA, AtomicCheckpointIO, Checkpoint, LastCheckpoint, load_checkpoint
from datamodules import Digits
from models import Classifier
from models.networks import MLP
from models.regularizers import DisturbLabel


class States(L.Callback):
    """Keeps the network's state after each step, as training goes on with it; saves once after a certain step."""

    def __init__(self, step=None, path=None):
        self.step, self.path, self.seen = step, path, []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen.append({name: value.clone() for name, value in pl_module.network.state_dict().items()})
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


class Losses(L.Callback):
    """Keeps the validation loss of each epoch."""

    def __init__(self):
        self.losses = []

    def on_validation_end(self, trainer, pl_module):
        self.losses.append(trainer.callback_metrics["val/loss"].item())


def task():
    torch.manual_seed(0)
    network = MLP((1, 8, 8), 10, [32], dropout=0.3, norm="batch")
    optimizer = functools.partial(SGD, lr=0.3, momentum=0.9)
    return Classifier(network, 10, regularizers=[DisturbLabel(20)], optimizer=optimizer)


@pytest.fixture
def fit(quiet_trainer):
    """Train with the callbacks given, three steps an epoch."""

    def run(module, *callbacks, epochs=4, resume=None, **options):
        L.seed_everything(0, verbose=False)
        options = {"num_sanity_val_steps": 0, "max_epochs": epochs} | options
        keeping = any(isinstance(callback, Checkpoint | LastCheckpoint | ModelCheckpoint) for callback in callbacks)
        trainer = quiet_trainer(
            callbacks=[*callbacks], enable_checkpointing=keeping, plugins=[AtomicCheckpointIO()], **options
        )
        trainer.fit(module, Digits(batch_size=500), ckpt_path=resume)
        return trainer

    return run


def moving_average(states, decay):
    average = {name: value.double() for name, value in states[0].items()}
    for count, state in enumerate(states[1:], start=1):
        kept = min(decay, (1 + count) / (10 + count))
        average = {name: kept * value + (1 - kept) * state[name] for name, value in average.items()}
    return average


def mean(states):
    return {name: sum(state[name].double() for state in states) / len(states) for name in states[0]}


def assert_averaged(state, expected):
    for name, value in expected.items():
        if name.endswith("num_batches_tracked"):
            assert state[name].dtype == torch.int64
        else:
            torch.testing.assert_close(state[name].double(), value, rtol=1e-5, atol=1e-6)


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_ema_is_the_moving_average_of_every_step_buffers_and_all(fit, decay):
    module, states = task(), States()
    fit(module, EMA(decay), states)
    assert_averaged(module.network.state_dict(), moving_average(states.seen, decay))


@pytest.mark.parametrize(("start", "first"), [(0.0, 0), (0.5, 2), (0.6, 2), (0.75, 3)])
def test_swa_is_the_mean_of_the_ends_of_the_last_epochs(fit, start, first):
    module, states = task(), States()
    fit(module, SWA(start), states)
    assert_averaged(module.network.state_dict(), mean(states.seen[2::3][first:]))


@pytest.mark.parametrize("callback", [EMA, functools.partial(SWA, 0.25)])
def test_training_is_what_it_is_without(fit, callback):
    averaged, plain = States(), States()
    fit(task(), callback(), averaged)
    fit(task(), plain)
    assert all(same(one, other) for one, other in zip(averaged.seen, plain.seen, strict=True))


def test_the_average_is_validated_from_where_it_begins(fit):
    measured, plain, states, module = Losses(), Losses(), States(), task()
    trainer = fit(module, SWA(0.5), measured, states)
    losses = list(measured.losses)
    fit(task(), plain)
    assert losses[:2] == plain.losses[:2], "the weights as they are, until then"
    assert losses[2] == plain.losses[2], "one epoch's mean is that epoch"
    assert losses[3] != plain.losses[3]
    module.network.load_state_dict(mean(states.seen[-4::3]))
    assert trainer.validate(module, Digits(batch_size=500), verbose=False)[0]["val/loss"] == pytest.approx(
        losses[3], rel=1e-5
    )


@pytest.mark.parametrize("options", [{}, {"val_check_interval": 0.34}, {"check_val_every_n_epoch": 2}])
@pytest.mark.parametrize("callback", [EMA, functools.partial(SWA, 0.25)])
def test_the_best_checkpoint_holds_what_was_validated_and_says_so(fit, tmp_path, callback, options):
    measured, best, averaging, module = Losses(), Checkpoint(), callback(), task()
    trainer = fit(module, averaging, measured, best, **options)
    path = tmp_path / "checkpoints" / "best.ckpt"
    described = {"EMA": "averaged (EMA, decay 0.999)", "SWA": "averaged (SWA, "}[type(averaging).__name__]
    assert load_checkpoint(path)["weights"].startswith(described)
    validated, fresh, end = min(measured.losses), task(), copy.deepcopy(module.network.state_dict())
    fresh.load_state_dict(load_checkpoint(path)["state_dict"])
    trainer.validate(module, Digits(batch_size=500), verbose=False)
    assert same(module.network.state_dict(), end), "the average of the whole run, before and after"
    for model, checkpoint in ((fresh, None), (module, path)):
        tried = trainer.validate(model, Digits(batch_size=500), ckpt_path=checkpoint, verbose=False)
        assert tried[0]["val/loss"] == validated


def test_a_checkpoint_from_before_the_average_says_that_too(fit, tmp_path):
    states = States(6, tmp_path / "early.ckpt")
    fit(task(), SWA(0.75), states)
    checkpoint = load_checkpoint(tmp_path / "early.ckpt")
    assert checkpoint["weights"] == "current (averaging has not begun)"
    held = {name.removeprefix("network."): value for name, value in checkpoint["state_dict"].items()}
    assert same(states.seen[5], held)


@pytest.mark.parametrize("callback", [functools.partial(EMA, 0.9), functools.partial(SWA, 0.25)])
@pytest.mark.parametrize("step", [3, 7, 9])
def test_a_resumed_run_goes_on_with_both_sets_of_weights(fit, tmp_path, callback, step):
    whole, resumed = task(), task()
    states, later = States(step, tmp_path / "cut.ckpt"), States()
    expected = fit(whole, callback(), states)
    trainer = fit(resumed, callback(), later, resume=tmp_path / "cut.ckpt")
    assert all(same(one, other) for one, other in zip(later.seen, states.seen[step:], strict=True))
    assert same(resumed.network.state_dict(), whole.network.state_dict())
    assert trainer.callback_metrics == expected.callback_metrics


def test_a_finished_run_goes_on_from_a_checkpoint_saved_afterwards(fit, tmp_path):
    states, later = States(), States()
    fit(task(), EMA(0.9), states, epochs=4)
    fit(task(), EMA(0.9), epochs=2).save_checkpoint(tmp_path / "end.ckpt")
    assert load_checkpoint(tmp_path / "end.ckpt")["weights"] == "averaged (EMA, decay 0.9)"
    fit(task(), EMA(0.9), later, epochs=4, resume=tmp_path / "end.ckpt")
    assert same(later.seen[-1], states.seen[-1])


def test_accumulated_batches_join_once(fit):
    module, states = task(), States()
    fit(module, EMA(0.5), states, accumulate_grad_batches=3)
    expected = moving_average(states.seen[2::3], 0.5)
    weights = {name: value for name, value in expected.items() if name.startswith("head.")}
    assert_averaged(module.network.state_dict(), weights)


@pytest.mark.parametrize("decay", [0, 1, -1.0, float("nan")])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ValueError, match=rf"^EMA: decay {decay} is not in \(0, 1\)"):
        EMA(decay)


@pytest.mark.parametrize("start", [-0.1, 1, float("nan")])
def test_a_start_out_of_range_is_refused(start):
    with pytest.raises(ValueError, match=rf"^SWA: start {start} is not in \[0, 1\)"):
        SWA(start)


@pytest.mark.parametrize(
    ("callbacks", "options", "reason"),
    [
        ((EMA(), SWA()), {}, "^EMA: SWA averages weights too; leave one of them out"),
        ((SWA(), EMAWeightAveraging()), {}, "^SWA: EMAWeightAveraging averages weights too"),
        ((EMA(),), {"precision": "bf16-true"}, "^EMA: .* trainer.precision bf16-true .*; set bf16-mixed"),
        ((EMA(), ModelCheckpoint(save_weights_only=True)), {}, "^EMA: a ModelCheckpoint with save_weights_only"),
        ((SWA(),), {"epochs": -1, "max_steps": 3}, r"^SWA: start is a fraction of trainer\.max_epochs"),
    ],
)
def test_what_cannot_be_averaged_is_refused_before_training(fit, callbacks, options, reason):
    with pytest.raises(MisconfigurationException, match=reason):
        fit(task(), *callbacks, **options)


def test_double_precision_is_averaged_in_double_precision(fit):
    averaged, states = EMA(0.5), States()
    module = task()
    fit(module, averaged, states, epochs=2, precision="64-true")
    assert all(value.dtype == torch.float64 for value in averaged._average.module.parameters())
    assert_averaged(module.network.state_dict(), moving_average(states.seen, 0.5))
