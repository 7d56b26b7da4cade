"""NaN and infinite numbers stop a run, are traced to the layer where they appeared, and are never saved."""

import pytest
import torch
from torch import nn

from callbacks import Checkpoint
from datamodules import Digits
from models import Classifier, TrainingError
from models.divergence import first_fault, first_fault_of_state


class Breaking(nn.Module):
    """Divides by zero in its second layer, from a step on."""

    def __init__(self, after: int = 0) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 10)
        self.after, self.passes = after, 0

    def forward(self, inputs):
        self.passes += self.training
        broken = self.passes > self.after
        return self.head(self.second(self.first(inputs.flatten(1)) / (0 if broken else 1)))


def test_the_layer_is_the_first_whose_numbers_are_not_finite() -> None:
    network, inputs = Breaking(), torch.randn(4, 64)
    assert first_fault(network, inputs) == "the outputs of second (Linear)"
    assert first_fault(network, inputs * torch.nan) == "the inputs"
    network.second.bias.data[3] = torch.inf
    assert first_fault(network, inputs) == "second.bias (Linear)"
    assert first_fault(Breaking(after=100), inputs) == "the loss"


def test_a_mask_may_be_infinite_and_statistics_may_not() -> None:
    state = {"attention.mask": torch.full((2, 2), -torch.inf), "norm.running_var": torch.ones(2)}
    assert first_fault_of_state(state) is None
    assert first_fault_of_state(state | {"norm.running_var": torch.tensor([1, torch.inf])}) == "norm.running_var"
    assert first_fault_of_state(state | {"attention.mask": torch.tensor(torch.nan)}) == "attention.mask"


def test_the_message_names_moment_rate_layer_and_the_last_good_checkpoint(quiet_trainer, tmp_path) -> None:
    def optimizer(parameters):
        return torch.optim.SGD(parameters, lr=0.01)

    task = Classifier(Breaking(after=9), 10, optimizer=optimizer)
    checkpoint = Checkpoint()
    trainer = quiet_trainer(max_epochs=3, callbacks=[checkpoint], enable_checkpointing=True)
    with pytest.raises(TrainingError) as stopped:
        trainer.fit(task, datamodule=Digits(batch_size=256))  # 6 steps an epoch
    said = str(stopped.value)
    assert "the loss is nan at step 10, epoch 2: lower the learning rate (0.01)" in said
    assert "first in the outputs of second (Linear)" in said
    assert f"the last good checkpoint is {checkpoint.best_model_path}" in said
    state = torch.load(checkpoint.best_model_path, weights_only=True)["state_dict"]
    assert first_fault_of_state(state) is None


def test_weights_that_are_not_finite_are_never_saved(quiet_trainer, tmp_path) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))
    task = Classifier(network, 10)  # the loss stays finite: inputs are normalised by the batch
    trainer = quiet_trainer(max_epochs=1, callbacks=[Checkpoint()], enable_checkpointing=True, num_sanity_val_steps=0)
    with pytest.raises(TrainingError, match=r"weights are NaN or infinite after step 6, epoch 1: .* first in 2\.runn"):
        trainer.fit(task, datamodule=Digits(256, mean=[0.5], std=[1e-30]))
    assert not list(tmp_path.rglob("*.ckpt"))
