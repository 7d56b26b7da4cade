"""Blocks unfreeze from the head backwards at the stated epochs, and a run that is cut goes on exactly."""

import functools

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.optim import SGD, AdamW

from callbacks import AtomicCheckpointIO, GradualUnfreezing
from datamodules import Digits
from models import Classifier, WarmupCosine
from models.networks import CNN, MLP, Pretrained

BLOCKS = (("features.0", "features.1"), ("features.4", "features.5"), ("body.0",), ("body.3",))  # of CNN
adamw = functools.partial(AdamW, lr=0.01, weight_decay=0.1)
sgd = functools.partial(SGD, lr=0.1, momentum=0.9, weight_decay=0.1)


class Moved(L.Callback):
    """Says of each epoch which blocks moved in it."""

    def on_train_epoch_start(self, trainer, pl_module):
        self.before = {name: value.clone() for name, value in pl_module.network.backbone.state_dict().items()}

    def on_train_epoch_end(self, trainer, pl_module):
        after = pl_module.network.backbone.state_dict()
        moved = {name for name, value in after.items() if not torch.equal(value, self.before[name])}
        self.epochs = [
            *getattr(self, "epochs", []),
            [number for number, names in enumerate(BLOCKS) if any(name.startswith(names) for name in moved)],
        ]


class SaveAt(L.Callback):
    """Saves a checkpoint once after a certain step."""

    def __init__(self, step, path):
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def task(train="head", **options):
    torch.manual_seed(0)
    network = Pretrained((1, 8, 8), 10, functools.partial(CNN, dropout=0.2), None, train=train, resize=16)
    return Classifier(network, 10, **({"optimizer": adamw} | options))


@pytest.fixture
def fit(quiet_trainer):
    """Train with the callbacks given, three steps an epoch."""

    def run(module, *callbacks, epochs=6, resume=None, **options):
        L.seed_everything(0, verbose=False)
        data = Digits(batch_size=500, mean=[0.0], std=[1.0])
        trainer = quiet_trainer(callbacks=[*callbacks], max_epochs=epochs, plugins=[AtomicCheckpointIO()], **options)
        trainer.fit(module, data, ckpt_path=resume)
        return trainer

    return run


@pytest.mark.parametrize("optimizer", [adamw, sgd])
@pytest.mark.parametrize(
    ("train", "options", "expected"),
    [
        ("head", {}, [[], [3], [2, 3], [1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]),
        ("head", {"every_epochs": 2}, [[], [], [3], [3], [2, 3], [2, 3]]),
        ("last:1", {"every_epochs": 3, "blocks": 2}, [[3], [3], [3], [1, 2, 3], [1, 2, 3], [1, 2, 3]]),
    ],
)
def test_blocks_move_from_their_epoch_on_and_not_by_a_bit_before(fit, optimizer, train, options, expected):
    moved = Moved()
    fit(task(train, optimizer=optimizer), GradualUnfreezing(**options), moved)
    assert moved.epochs == expected


@pytest.mark.parametrize("step", [2, 3, 4, 7, 9, 14])
def test_a_run_that_was_cut_goes_on_exactly(fit, tmp_path, step):
    options = {"lr_scheduler": WarmupCosine, "lr_scheduler_interval": "step", "layer_decay": 0.5}
    whole, resumed = task(**options), task(**options)
    expected = fit(whole, GradualUnfreezing(), SaveAt(step, tmp_path / "cut.ckpt"), epochs=5)
    trainer = fit(resumed, GradualUnfreezing(), epochs=5, resume=tmp_path / "cut.ckpt")
    assert trainer.global_step == expected.global_step == 15
    end = whole.network.state_dict()
    assert all(torch.equal(value, end[name]) for name, value in resumed.network.state_dict().items())
    assert trainer.callback_metrics == expected.callback_metrics


def test_a_second_run_of_the_same_network_begins_frozen_again(fit):
    module = task()
    fit(module, GradualUnfreezing(), epochs=3)
    moved = Moved()
    fit(module, GradualUnfreezing(), moved, epochs=2)
    assert moved.epochs == [[], [3]]


def test_a_network_that_cannot_be_frozen_is_named(fit):
    module = Classifier(MLP((1, 8, 8), 10), 10)
    with pytest.raises(MisconfigurationException, match=r"^GradualUnfreezing: MLP has no frozen blocks"):
        fit(module, GradualUnfreezing())


@pytest.mark.parametrize("options", [{"every_epochs": 0}, {"blocks": 0}])
def test_numbers_below_one_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} 0 is less than 1"):
        GradualUnfreezing(**options)


@pytest.mark.slow
def test_several_devices_need_a_strategy_that_bears_frozen_blocks(quiet_trainer, holdout, tmp_path):
    recipe = tmp_path / "gradual.yaml"
    recipe.write_text("""# holdout fit -c gradual.yaml
model:
  class_path: models.Classifier
  init_args:
    network:
      class_path: models.networks.Pretrained
      init_args: {architecture: {class_path: models.networks.CNN}, weights: null, train: head, resize: 16}
data: {class_path: datamodules.Digits, init_args: {batch_size: 500, mean: [0.0], std: [1.0]}}
trainer: {max_epochs: 6, accelerator: cpu, devices: 2, callbacks: [callbacks.GradualUnfreezing]}
""")
    refused = holdout("fit", "-c", str(recipe), "--trainer.strategy", "ddp", check=False)
    assert refused.returncode != 0
    assert "GradualUnfreezing on several devices" in refused.stderr
    done = holdout("fit", "-c", str(recipe), "--trainer.strategy", "ddp_fork_find_unused_parameters_true")
    assert "of 6 by val/loss" in done.stdout
