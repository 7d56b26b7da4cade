from pathlib import Path

import pytest
from jsonargparse import Namespace

from callbacks import History, Summary
from datamodules import Digits
from scripts.hyperparameters import log_hyperparameters, with_linked_values

MODEL = {
    "class_path": "models.Classifier",
    "init_args": {
        "network": {"class_path": "models.networks.MLP", "init_args": {"widths": [8]}},
        "regularizers": [{"class_path": "models.regularizers.DisturbLabel", "init_args": {"alpha": 10}}],
        "loss": None,
    },
}


def test_what_the_data_determines_is_filled_in() -> None:
    values = with_linked_values(MODEL, Digits())
    assert values["num_classes"] == 10
    assert values["network"]["init_args"] == {"widths": [8], "num_classes": 10, "input_shape": (1, 8, 8)}
    assert "input_shape" not in values, "the classifier takes none"
    assert "num_classes" not in MODEL["init_args"], "what was given is as it was"


class Logged:
    """Stands for a trainer with a TensorBoard logger; keeps what it is given."""

    current_epoch = 2

    def __init__(self, callbacks: list, logger: object) -> None:
        self.callbacks = callbacks
        self.loggers = [logger]


@pytest.mark.parametrize("validated", [True, False])
def test_what_was_set_is_logged_by_name_with_the_best_epochs_figures(tmp_path: Path, validated: bool) -> None:
    from lightning.pytorch.loggers import TensorBoardLogger

    logged = []

    class Logger(TensorBoardLogger):
        def log_hyperparams(self, *arguments: object, **options: object) -> None:
            logged.append(arguments)

    history = History()
    history.rows = [{"epoch": 0, "val/loss": 0.5, "train/loss": 0.1}, {"epoch": 1, "val/loss": 0.7}]
    history.rows = history.rows if validated else []
    config = Namespace(seed_everything=3, model=MODEL, data={"class_path": "datamodules.Digits"}, trainer={})
    log_hyperparameters(Logged([history, Summary()], Logger(tmp_path)), config)
    expected = {
        "seed": 3,
        "model": "Classifier",
        "model.network": "MLP",
        "model.network.widths": "[8]",
        "model.regularizers.0": "DisturbLabel",
        "model.regularizers.0.alpha": 10,
        "data": "Digits",
    }
    assert logged == ([(expected, {"best/val/loss": 0.5})] if validated else [])
