"""A callback says whether it changes training; for Lightning's, one function knows."""

import lightning as L
import pytest
from lightning.pytorch import callbacks as lightning_callbacks

import callbacks
from callbacks.lookup import changes_training

OURS = [kind for kind in vars(callbacks).values() if isinstance(kind, type) and issubclass(kind, L.Callback)]


def test_each_of_ours_says_so_itself() -> None:
    assert all(hasattr(kind, "changes_training") for kind in OURS)
    assert changes_training(callbacks.EMA)
    assert not changes_training(callbacks.Curves)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("StochasticWeightAveraging", True),
        ("EMAWeightAveraging", True),
        ("BackboneFinetuning", True),
        ("GradientAccumulationScheduler", True),
        ("LambdaCallback", True),
        ("ModelPruning", True),
        ("ModelCheckpoint", False),
        ("EarlyStopping", False),
        ("LearningRateMonitor", False),
        ("TQDMProgressBar", False),
        ("Timer", False),
    ],
)
def test_of_lightnings_those_that_train_otherwise_do(kind, changes) -> None:
    assert changes_training(getattr(lightning_callbacks, kind)) is changes


def test_a_strangers_does_unless_it_says_otherwise() -> None:
    class Unknown(L.Callback):
        pass

    class Watching(lightning_callbacks.LambdaCallback):
        changes_training = False

    assert changes_training(Unknown)
    assert not changes_training(Watching)
