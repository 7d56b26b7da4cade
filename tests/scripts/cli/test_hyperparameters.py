from datamodules import Digits
from scripts.cli.hyperparameters import with_linked_values

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
