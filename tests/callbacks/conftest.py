"""A real training on digits that takes a fraction of a second, for whatever callbacks a test looks at."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Checkpoint

from callbacks import AtomicCheckpointIO
from datamodules import Digits
from models import Classifier
from models.networks import Linear

Fit = Callable[..., L.Trainer]


@pytest.fixture
def fit(quiet_trainer: Callable[..., L.Trainer]) -> Fit:
    """Train softmax regression on digits with the callbacks given; return the trainer."""

    def run(
        *callbacks: L.Callback,
        epochs: int = 3,
        lr: float = 0.1,
        lr_scheduler: Callable | None = None,
        resume: Path | None = None,
        **options: object,
    ) -> L.Trainer:
        L.seed_everything(0, verbose=False)
        data = Digits(batch_size=128)
        optimizer = partial(torch.optim.SGD, lr=lr)
        model = Classifier(Linear((1, 8, 8), 10), 10, optimizer=optimizer, lr_scheduler=lr_scheduler)
        trainer = quiet_trainer(
            callbacks=list(callbacks),
            max_epochs=epochs,
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
            plugins=[AtomicCheckpointIO()],
            **options,
        )
        trainer.fit(model, data, ckpt_path=resume)
        return trainer

    return run
