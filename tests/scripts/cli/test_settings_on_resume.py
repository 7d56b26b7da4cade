"""A run goes on with the settings of its checkpoint, or is refused with a list of those that changed."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from callbacks import CheckpointError
from scripts.cli.checkpoint_config import CONFIG_KEY
from scripts.cli.resume import check_same_settings


def recipe(**changes: Any) -> dict[str, Any]:
    """Return a recipe in which `changes`, keyed by place with double underscores for dots, are made."""
    settings: dict[str, Any] = {
        "seed_everything": 0,
        "model": {
            "class_path": "models.Classifier",
            "init_args": {
                "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
                "regularizers": [{"class_path": "models.regularizers.LabelSmoothing", "init_args": {"epsilon": 0.1}}],
            },
        },
        "data": {"class_path": "datamodules.MNIST", "init_args": {"batch_size": 64, "data_dir": "data"}},
        "checkpoint": {"class_path": "callbacks.Checkpoint", "init_args": {"monitor": "val/loss"}},
        "trainer": {"max_epochs": 3, "precision": None},
    }
    for place, value in changes.items():
        *path, last = place.split("__")
        inner: Any = settings
        for key in path:
            inner = inner[int(key) if key.isdigit() else key]
        inner[last] = value
    return settings


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {}, CONFIG_KEY: yaml.safe_dump(recipe())}, path)
    return path


@pytest.mark.parametrize(("begun", "now"), [("bf16-mixed", "bf16"), ("64-true", 64), ("32", None), ("16", "16-mixed")])
def test_a_precision_may_be_spelt_in_another_way(tmp_path: Path, begun: Any, now: Any) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {}, CONFIG_KEY: yaml.safe_dump(recipe(trainer__precision=begun))}, path)
    check_same_settings(path, recipe(trainer__precision=now))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"trainer__max_epochs": 9},
        {"trainer__devices": 2},
        {"data__init_args__data_dir": "elsewhere"},
        {"early_stopping": None},
        {"trainer__precision": 32},
        {"trainer__callbacks": [{"class_path": "callbacks.FeatureCache", "init_args": {"folder": "elsewhere"}}]},
        {"data__init_args__num_workers": 1},
        {"model__init_args__added_in_a_later_version": 1},
    ],
    ids=str,
)
def test_a_run_may_get_longer_or_move(checkpoint: Path, changes: dict[str, Any]) -> None:
    check_same_settings(checkpoint, recipe(**changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"checkpoint__init_args__monitor": "val/accuracy"}, 'checkpoint.monitor was "val/loss", now'),
        ({"seed_everything": 1}, "seed_everything was 0, now 1"),
        (
            {"trainer__callbacks": [{"class_path": "callbacks.GradualUnfreezing", "init_args": {"every_epochs": 5}}]},
            r"trainer.callbacks was \[\], now \[GradualUnfreezing\]",
        ),
        ({"trainer__precision": "bf16-mixed"}, 'trainer.precision was "32-true", now "bf16-mixed"'),
        ({"data__init_args__batch_size": 32}, "data.batch_size was 64, now 32"),
        (
            {"model__init_args__regularizers__0__init_args__epsilon": 0.2},
            "model.regularizers.0.epsilon was 0.1, now 0.2",
        ),
        ({"model__init_args__regularizers": []}, r"regularizers was \[LabelSmoothing\], now \[\]"),
        (
            {"model__init_args__optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 1}}},
            "model.optimizer was SGD, now AdamW[.]",
        ),
    ],
)
def test_what_is_learnt_may_not_change(checkpoint: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as refused:
        check_same_settings(checkpoint, recipe(**changes))
    assert str(refused.value).count(" was ") == len(changes) + 1


def test_a_checkpoint_without_a_recipe_claims_nothing(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "plain.ckpt")
    check_same_settings(tmp_path / "plain.ckpt", recipe())


@pytest.mark.parametrize("then", ["bf16-mixed", "32-true", None])
def test_auto_is_the_precision_that_a_run_began_with(tmp_path: Path, then: str | None) -> None:
    torch.save({"state_dict": {}, CONFIG_KEY: yaml.safe_dump(recipe(trainer__precision=then))}, tmp_path / "last.ckpt")
    check_same_settings(tmp_path / "last.ckpt", recipe(trainer__precision="auto"))
