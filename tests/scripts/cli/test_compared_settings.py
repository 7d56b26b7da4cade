"""The table of settings that runs are compared by."""

from types import SimpleNamespace

import pytest

from datamodules import Digits
from models import Classifier
from models.networks import Linear
from scripts.cli.compared_settings import compared_settings, run_title

MIXUP = {"class_path": "models.regularizers.MixUp", "init_args": {"alpha": 0.3}}
NESTED = {"class_path": "models.regularizers.Scheduled", "init_args": {"regularizer": MIXUP}}
NETWORK = {"class_path": "models.networks.MLP", "init_args": {"widths": [8, 4]}}
TRAINER = {"max_epochs": 3, "max_steps": -1, "accumulate_grad_batches": 1}


def table(
    arguments: dict | None = None, data: dict | None = None, trainer: dict | None = None, **others: object
) -> dict:
    settings = {
        "seed_everything": 3,
        "model": {"class_path": "models.Classifier", "init_args": {"network": NETWORK} | (arguments or {})},
        "data": {"class_path": "datamodules.Digits", "init_args": data or {}},
        "trainer": trainer or {},
    }
    loaded = Digits()
    loaded.setup("fit")
    run = SimpleNamespace(**TRAINER, precision="32-true", gradient_clip_val=None, datamodule=loaded)
    return compared_settings(settings | others, run, Classifier(Linear((1, 8, 8), 10), 10))


def test_defaults_are_in_it_and_resolved() -> None:
    found = table()
    assert found["seed"] == 3
    assert (found["network"], found["network.widths"], found["network.dropout"]) == ("MLP", "8, 4", 0.0)
    assert (found["optimizer"], found["optimizer.lr"]) == ("AdamW", 0.001)
    assert found["loss"] == "CrossEntropyLoss"
    assert found["regularizers"] == found["lr_scheduler"] == found["label_noise"] == found["early_stopping"] == "none"
    assert (found["batch_size"], found["train_samples"]) == (128, 1294)
    assert found["trainer.gradient_clip_val"] == 0.0


def test_what_affects_speed_alone_is_not_in_it() -> None:
    assert not {"eval_batch_size", "optimizer.foreach", "optimizer.fused"} & table().keys()


def test_regularizers_are_one_column_and_their_arguments_others() -> None:
    found = table(
        {"regularizers": [MIXUP, {"class_path": "models.regularizers.L1", "init_args": {"coefficient": 0.5}}]}
    )
    assert found["regularizers"] == "MixUp(alpha=0.3) + L1(coefficient=0.5)"
    assert (found["MixUp.alpha"], found["L1.coefficient"]) == (0.3, 0.5)


def test_one_within_another_is_named_with_it() -> None:
    found = table({"regularizers": [NESTED]})
    assert found["regularizers"] == "Scheduled(regularizer=MixUp(alpha=0.3))"
    assert found["Scheduled.regularizer"] == "MixUp"
    assert found["Scheduled.regularizer.alpha"] == 0.3


@pytest.mark.parametrize("same", [{}, {"regularizers": []}, {"optimizer": None, "loss": None}, {"layer_decay": 1.0}])
def test_a_default_that_is_written_out_changes_nothing(same) -> None:
    assert table(same) == table()


def test_a_column_has_one_type_in_all_runs() -> None:
    several = [
        table({"regularizers": [MIXUP], "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 1}}}),
        table(data={"split": {"train_fraction": 0.5, "groups": "patient"}, "batch_size": 16}),
        table(early_stopping={"monitor": "val/loss", "patience": 3, "min_delta": 0, "mode": "min"}),
        table(seed_everything=False),
        table(trainer={"callbacks": [{"class_path": "callbacks.EMA"}, {"class_path": "callbacks.Curves"}]}),
    ]
    kinds: dict[str, set] = {}
    for name, value in [pair for found in several for pair in found.items()]:
        kinds.setdefault(name, set()).add(float if type(value) is int else type(value))
    assert {name for name, types in kinds.items() if len(types) > 1} == set()
    assert several[-1]["trainer.callbacks"] == "EMA", "only what changes training"


def test_a_class_of_ones_own_and_an_odd_value_are_texts() -> None:
    own = {"class_path": "tests.nowhere.Net", "init_args": {"size": 3}}
    assert table({"network": own})["network"] == "Net"
    assert table({"layer_decay": float("inf")})["layer_decay"] == "inf"


def test_the_title_names_what_regularizes_first() -> None:
    model = {"class_path": "models.Classifier", "init_args": {"network": NETWORK, "regularizers": [MIXUP]}}
    assert run_title({"model": model}) == "MixUp, MLP"
