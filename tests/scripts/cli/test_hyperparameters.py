from pathlib import Path

import pytest
from lightning.pytorch.loggers import TensorBoardLogger

from callbacks import History, Summary
from datamodules import Digits
from scripts.cli.hyperparameters import log_hyperparameters, with_linked_values

MODEL = {
    "class_path": "models.Classifier",
    "init_args": {
        "network": {"class_path": "models.networks.MLP", "init_args": {"widths": [8]}},
        "regularizers": [{"class_path": "models.regularizers.DisturbLabel", "init_args": {"alpha": 20}}],
        "loss": None,
        "layer_decay": 1.0,
    },
}


def test_what_the_data_determines_is_filled_in() -> None:
    values = with_linked_values(MODEL, Digits())
    assert values["num_classes"] == 10
    assert values["network"]["init_args"] == {"widths": [8], "num_classes": 10, "input_shape": (1, 8, 8)}
    assert "input_shape" not in values, "the classifier takes none"
    assert "num_classes" not in MODEL["init_args"], "what was given is as it was"


class Trainer:
    """As much of a trainer as logging asks for."""

    current_epoch = 2

    def __init__(self, callbacks: list, logger: object) -> None:
        self.callbacks = callbacks
        self.loggers = [logger]


@pytest.mark.parametrize("validated", [True, False])
def test_what_was_set_is_logged_by_name_with_the_best_epochs_figures(tmp_path: Path, validated: bool) -> None:
    logged = []

    class Logger(TensorBoardLogger):
        def log_hyperparams(self, *arguments: object, **options: object) -> None:
            logged.append(arguments)

    history = History()
    rows = [
        {"epoch": 0, "val/loss": 0.5, "val/accuracy": 0.8, "train/loss": 0.1, "train/accuracy": 0.9},
        {"epoch": 1, "val/loss": 0.7},
    ]
    history.rows = rows if validated else []
    settings = {"seed_everything": 3, "model": MODEL, "data": {"class_path": "datamodules.Digits"}, "trainer": {}}
    log_hyperparameters(Trainer([history, Summary()], Logger(tmp_path)), settings)
    expected = {
        "seed": 3,
        "model": "Classifier",
        "model.network": "MLP",
        "model.network.widths": "[8]",
        "model.regularizers.0": "DisturbLabel",
        "model.regularizers.0.alpha": 20,
        "data": "Digits",
    }
    assert logged == ([(expected, {"best/loss": 0.5, "best/accuracy": 0.8})] if validated else [])
