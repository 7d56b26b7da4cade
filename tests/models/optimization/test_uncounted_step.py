"""SAM in Lightning's automatic optimization, on scikit-learn's digits: each batch counts once, and a run goes on."""

import copy
import functools

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import nn
from torch.optim import LBFGS, SGD, AdamW

from datamodules import Digits, RandomTranslate
from models import SAM, Classifier, TrainingError, WarmupCosine
from models.networks import MLP
from models.optimization.uncounted_step import frozen_batch_norm_statistics
from models.regularizers import DisturbLabel, Regularizer

sgd = functools.partial(SGD, lr=0.1, momentum=0.9)


class Count(Regularizer):
    """Counts the batches it has seen, in place and in a tensor that is new each time."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.tensor(0))
        self.register_buffer("counted", torch.tensor(0))

    def perturb(self, inputs, targets):
        self.seen += 1
        self.counted = self.counted + 1
        return inputs, targets


class Watch(L.Callback):
    """Counts optimizer hooks, keeps learning rates, and saves once after a certain step."""

    def __init__(self, step=0, path=None):
        self.step, self.path, self.hooks, self.rates = step, path, 0, []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.hooks += 1

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def task(wrapper=SAM, optimizer=sgd, **options):
    torch.manual_seed(0)
    network = MLP((1, 8, 8), 10, [32], dropout=0.3, norm="batch")
    regularizers = [DisturbLabel(20), Count()]
    return Classifier(network, 10, regularizers=regularizers, optimizer=optimizer, optimizer_wrapper=wrapper, **options)


def data():
    return Digits(batch_size=200, augmentation=[RandomTranslate(1)])  # 7 steps an epoch


def network_state(module):
    return {name: value.clone() for name, value in module.network.state_dict().items()}


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_batch_counts_once_whatever_is_drawn(fit):
    still, watch = functools.partial(SGD, lr=0.0), Watch()
    once = task(None, still)
    expected = fit(once, data(), max_epochs=2)
    twice = task(SAM, still)
    trainer = fit(twice, data(), max_epochs=2, callbacks=[watch])
    assert trainer.callback_metrics == expected.callback_metrics
    assert same(network_state(once), network_state(twice)), "running statistics and counts of batches too"
    assert twice.regularizers[1].seen == twice.regularizers[1].counted == trainer.global_step == 14
    assert watch.hooks == 28, "both gradients can be clipped"


class Thrice(SGD):
    """Computes each gradient three times, as a line search may."""

    def step(self, closure):
        closure()
        closure()
        return super().step(closure)


@pytest.mark.parametrize("optimizer", [LBFGS, Thrice])
@pytest.mark.parametrize("size", [200, 2000])
def test_a_batch_counts_once_however_often_an_optimizer_computes_its_gradient(fit, optimizer, size):
    """At a rate of zero the weights stay, and with them what a batch gives."""

    def still(optimizer):
        torch.manual_seed(0)
        network = MLP((1, 8, 8), 10, [32], norm="batch")
        optimizer = functools.partial(optimizer, lr=0.0)
        return Classifier(network, 10, regularizers=[Count()], optimizer=optimizer, decay_norms_and_biases=True)

    once, again, images = still(SGD), still(optimizer), Digits(batch_size=size)
    expected = fit(once, images, max_epochs=2)
    trainer = fit(again, images, max_epochs=2)
    assert trainer.callback_metrics == expected.callback_metrics
    assert same(network_state(once), network_state(again)), "running statistics and counts of batches too"
    assert again.regularizers[0].seen == again.regularizers[0].counted == trainer.global_step


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_the_training_metrics_of_lbfgs_are_those_of_the_weights_before_each_step(fit, search):
    losses = []

    class Before(L.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            with torch.no_grad():
                outputs = pl_module.network(pl_module.preprocessing.normalize(batch[0], torch.float32))
            losses.append((nn.functional.cross_entropy(outputs, batch[1]).item(), len(batch[1])))

    torch.manual_seed(0)
    module = Classifier(MLP((1, 8, 8), 10, [32]), 10, optimizer=functools.partial(LBFGS, lr=0.1, line_search_fn=search))
    metrics = fit(module, Digits(batch_size=200), callbacks=[Before()]).callback_metrics
    mean = sum(loss * size for loss, size in losses) / sum(size for _, size in losses)
    assert metrics["train/loss"].item() == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize(
    "options", [{"accumulate_grad_batches": 2}, {"callbacks": [GradientAccumulationScheduler({1: 2})]}]
)
def test_lbfgs_does_not_accumulate_gradients(fit, options):
    """Lightning clears them before the first batch of a step, not before each closure."""
    module = Classifier(MLP((1, 8, 8), 10), 10, optimizer=LBFGS)
    message = r"^LBFGS computes each gradient anew; set trainer\.accumulate_grad_batches to 1"
    with pytest.raises(TrainingError, match=message):
        fit(module, data(), **options)


@pytest.mark.parametrize(("algorithm", "size"), [("norm", lambda change: change.norm()), ("value", torch.max)])
def test_the_gradient_that_is_stepped_by_is_clipped(fit, algorithm, size):
    module = task(optimizer=functools.partial(SGD, lr=1.0))
    before = torch.cat([parameter.detach().flatten() for parameter in module.network.parameters()])
    fit(module, data(), max_steps=1, gradient_clip_val=0.01, gradient_clip_algorithm=algorithm)
    after = torch.cat([parameter.detach().flatten() for parameter in module.network.parameters()])
    assert size((after - before).abs()) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("step", [5, 7])
def test_a_resumed_run_ends_with_the_same_weights_and_figures(fit, tmp_path, step):
    options = {"optimizer": AdamW, "lr_scheduler": WarmupCosine, "lr_scheduler_interval": "step"}
    whole, resumed = task(**options), task(**options)
    watch = Watch(step, tmp_path / "cut.ckpt")
    expected = fit(whole, data(), max_epochs=2, callbacks=[watch])
    trainer = fit(resumed, data(), max_epochs=2, ckpt_path=tmp_path / "cut.ckpt")
    assert same(network_state(whole), network_state(resumed))
    assert trainer.callback_metrics == expected.callback_metrics
    assert len(set(watch.rates)) == 14, "the schedule acts"
    states = torch.load(tmp_path / "cut.ckpt", weights_only=True)["optimizer_states"][0]["state"]
    assert set(states[0]) == {"step", "exp_avg", "exp_avg_sq"}, "AdamW's own"


def test_it_learns_in_mixed_precision(fit):
    trainer = fit(task(functools.partial(SAM, adaptive=True, rho=0.5)), data(), max_epochs=4, precision="bf16-mixed")
    assert trainer.callback_metrics["val/accuracy"] > 0.6


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"accumulate_grad_batches": 2}, "trainer.accumulate_grad_batches"),
        ({"callbacks": [GradientAccumulationScheduler({1: 2})]}, "trainer.accumulate_grad_batches"),
        ({"plugins": [MixedPrecision("16-mixed", "cpu")]}, "trainer.precision 16-mixed does; use bf16-mixed"),
    ],
)
def test_what_does_not_compute_a_gradient_twice_is_refused_before_training(fit, options, reason):
    with pytest.raises(TrainingError, match=rf"^SAM computes each gradient twice.*{reason}"):
        fit(task(), data(), **options)


@pytest.mark.parametrize(
    ("wrapper", "reason"),
    [
        (functools.partial(SAM, rho=-1.0), r"model.optimizer_wrapper \(SAM\): SAM: rho -1.0"),
        (AdamW, r"model.optimizer_wrapper \(AdamW\): 'SGD' object is not iterable"),
    ],
)
def test_a_wrapper_that_is_none_is_named(fit, wrapper, reason):
    with pytest.raises(TrainingError, match=f"^{reason}"):
        fit(task(wrapper), data())


LAYERS = [nn.BatchNorm1d(3), nn.BatchNorm1d(3, momentum=None)]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_the_batch_normalises_itself_and_the_running_statistics_stay(layer):
    layer = copy.deepcopy(layer).train()
    inputs = 5 + torch.randn(8, 3, 4)
    layer(inputs)
    before, other = copy.deepcopy(layer.state_dict()), copy.deepcopy(layer)
    with frozen_batch_norm_statistics(nn.Sequential(layer)):
        outputs = layer(inputs + 1)
    assert torch.equal(outputs, other(inputs + 1))
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    layer(inputs + 1)
    assert all(torch.equal(value, layer.state_dict()[name]) for name, value in other.state_dict().items()), "later too"


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_layer_in_evaluation_mode_uses_its_statistics_as_ever(layer):
    layer = copy.deepcopy(layer)
    layer(5 + torch.randn(8, 3, 4))
    layer.eval()
    inputs = torch.randn(8, 3, 4)
    with frozen_batch_norm_statistics(layer):
        outputs = layer(inputs)
    assert torch.equal(outputs, layer(inputs))


def test_an_error_leaves_the_layers_as_they_were():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(RuntimeError), frozen_batch_norm_statistics(layer):
        raise RuntimeError
    layer(torch.randn(8, 3))
    assert layer.num_batches_tracked == 1
