"""Real runs on scikit-learn's digits that take a fraction of a second."""

import lightning as L
import pytest

from datamodules import Digits


@pytest.fixture
def fit(quiet_trainer):
    """Train on digits, three steps an epoch, always in the same order, and return the trainer."""

    def train(task, data=None, ckpt_path=None, **options):
        L.seed_everything(1, verbose=False)
        trainer = quiet_trainer(**({"max_epochs": 1} | options))
        trainer.fit(task, Digits(batch_size=500) if data is None else data, ckpt_path=ckpt_path)
        return trainer

    return train
