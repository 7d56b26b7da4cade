"""Lightning's finders are refused, as callbacks and in a Tuner, before anything is loaded or trained."""

import copy

import pytest
import torch
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder
from lightning.pytorch.tuner import Tuner

from datamodules import Digits
from models import Classifier, TrainingError
from models.networks import Linear

RATE = r"^LearningRateFinder changes a run .*; leave it out: .*--model\.optimizer\.lr"
SIZE = r"^BatchSizeFinder changes a run .*; leave it out: choose --data\.batch_size"


class Mine(LearningRateFinder):
    """A finder of one's own."""


def task():
    return Classifier(Linear((1, 8, 8), 10), 10)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (LearningRateFinder, RATE),
        (BatchSizeFinder, SIZE),
        (lambda: BatchSizeFinder(batch_arg_name="eval_batch_size"), SIZE),
        (Mine, "^Mine changes a run"),
    ],
)
@pytest.mark.parametrize("job", ["fit", "validate", "test", "predict"])
def test_a_finder_among_the_callbacks_is_refused(quiet_trainer, callback, message, job):
    module, data = task(), Digits()
    before = copy.deepcopy(module.state_dict())
    with pytest.raises(TrainingError, match=message):
        getattr(quiet_trainer(callbacks=[callback()], max_epochs=1), job)(module, datamodule=data)
    assert data.split is None, "nothing is loaded"
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(("search", "message"), [("lr_find", RATE), ("scale_batch_size", SIZE)])
def test_a_tuner_is_refused(quiet_trainer, search, message):
    with pytest.raises(TrainingError, match=message):
        getattr(Tuner(quiet_trainer(max_epochs=1)), search)(task(), datamodule=Digits())
