"""Layers that train for a while, then stay, whenever the run was interrupted."""

import functools

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.optim import LBFGS, SGD, AdamW

from callbacks import AtomicCheckpointIO, FreezeLayers, GradualUnfreezing
from datamodules import Digits
from models import Classifier, MuonWithAdamW
from models.networks import MLP

OPTIMIZERS = [
    functools.partial(SGD, lr=0.1, momentum=0.9, weight_decay=0.1),
    functools.partial(AdamW, lr=0.01, weight_decay=0.1),
    functools.partial(MuonWithAdamW, lr=0.02, weight_decay=0.1),
]


class Weights(L.Callback):
    """Keeps the first layer's weights at the end of each epoch, and saves a checkpoint once."""

    def __init__(self, path=None, step=None):
        self.kept, self.path, self.step = [], path, step

    def on_train_epoch_end(self, trainer, pl_module):
        self.kept.append(pl_module.network.body[1].weight.detach().clone())

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def train(quiet_trainer, optimizer, *callbacks, resume=None, **options):
    L.seed_everything(0, verbose=False)
    task = Classifier(MLP((1, 8, 8), 10), 10, optimizer=optimizer)
    trainer = quiet_trainer(callbacks=[*callbacks], max_epochs=4, plugins=[AtomicCheckpointIO()], **options)
    trainer.fit(task, Digits(batch_size=500), ckpt_path=resume)
    return task


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_layer_moves_in_the_first_epochs_alone(quiet_trainer, optimizer):
    seen = Weights()
    task = train(quiet_trainer, optimizer, FreezeLayers(["body.1"], after=0.5), seen)
    first, second, third, fourth = seen.kept
    assert not torch.equal(first, second)
    assert torch.equal(second, third)
    assert torch.equal(third, fourth)
    assert all(parameter.requires_grad for parameter in task.network.parameters()), "another fit trains all again"


@pytest.mark.parametrize("step", [2, 4, 8, 10])
def test_a_run_that_is_resumed_anywhere_ends_with_the_same_weights(quiet_trainer, tmp_path, step):
    path = tmp_path / "then.ckpt"
    freeze = functools.partial(FreezeLayers, ["body.1"], 0.5)
    whole = train(quiet_trainer, OPTIMIZERS[0], freeze(), Weights(path, step))
    resumed = train(quiet_trainer, OPTIMIZERS[0], freeze(), resume=path)
    torch.testing.assert_close(whole.state_dict(), resumed.state_dict(), rtol=0, atol=0)


def test_what_cannot_be_frozen_is_refused(quiet_trainer):
    with pytest.raises(MisconfigurationException, match=r"MLP has no layer stem with weights; it has body, body\.1"):
        train(quiet_trainer, OPTIMIZERS[0], FreezeLayers(["stem"]))
    with pytest.raises(MisconfigurationException, match="nothing would be left to train"):
        train(quiet_trainer, OPTIMIZERS[0], FreezeLayers(["body", "head"]))
    with pytest.raises(MisconfigurationException, match="leave one out"):
        train(quiet_trainer, OPTIMIZERS[0], FreezeLayers(["body"]), GradualUnfreezing())
    with pytest.raises(MisconfigurationException, match="LBFGS would move"):
        train(quiet_trainer, functools.partial(LBFGS, lr=0.1), FreezeLayers(["body"]))
    with pytest.raises(ValueError, match="after"):
        FreezeLayers(["head"], after=1.0)
