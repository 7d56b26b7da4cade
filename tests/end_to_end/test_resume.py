"""A run that was stopped and goes on ends where the uninterrupted one ends, bit for bit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau, StepLR

from callbacks import EMA, AtomicCheckpointIO, Checkpoint, History, LastCheckpoint, StopOnSignal
from callbacks.interruption import TERMINATED, Interrupted
from callbacks.lookup import find_callback
from datamodules import Digits
from datamodules.augmentation import AlternatingFlip, RandAugment, RandomTranslate
from models import Classifier, WarmupCosine
from models.networks import MLP
from models.optimization import SAM, MuonWithAdamW
from models.regularizers import DisturbLabel, LabelSmoothing, MixUp

EPOCHS = 4
SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9)


@dataclass
class Recipe:
    """What is trained; every run builds it anew, as a fresh process would."""

    network: dict[str, Any] = field(default_factory=dict)
    optimizer: Callable = SGD
    regularizers: Callable[[], list] = list
    augmentation: Callable[[], list] = list
    schedule: Callable[..., LRScheduler] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    callbacks: Callable[[], list] = list


RECIPES = {
    "plain": Recipe(),
    "every kind of noise, StepLR": Recipe(
        network={"dropout": 0.3},
        regularizers=lambda: [DisturbLabel(20), LabelSmoothing(0.1)],
        augmentation=lambda: [AlternatingFlip(), RandomTranslate(1), RandAugment()],
        schedule=partial(StepLR, step_size=1, gamma=0.5),
    ),
    "batch norm, AdamW": Recipe(network={"norm": "batch"}, optimizer=partial(torch.optim.AdamW, lr=0.01)),
    "Muon": Recipe(optimizer=partial(MuonWithAdamW, weight_decay=0.1)),
    "ReduceLROnPlateau": Recipe(schedule=partial(ReduceLROnPlateau, patience=0, threshold=0.9)),
    "OneCycleLR by step": Recipe(
        optimizer=partial(torch.optim.SGD, lr=0.1),
        schedule=partial(OneCycleLR, max_lr=0.2),
        options={"lr_scheduler_interval": "step"},
    ),
    "WarmupCosine by step": Recipe(schedule=WarmupCosine, options={"lr_scheduler_interval": "step"}),
    "accumulated gradients": Recipe(trainer={"accumulate_grad_batches": 2}),
    "validated every second epoch": Recipe(network={"dropout": 0.3}, trainer={"check_val_every_n_epoch": 2}),
    "validated within epochs": Recipe(network={"dropout": 0.3}, trainer={"val_check_interval": 4}),
    "MixUp, DisturbLabel, EMA": Recipe(
        network={"norm": "batch"}, regularizers=lambda: [DisturbLabel(20), MixUp(0.4)], callbacks=lambda: [EMA(0.9)]
    ),
    "EMA, 64 bits": Recipe(network={"norm": "batch"}, callbacks=lambda: [EMA(0.9)], trainer={"precision": "64-true"}),
    "SAM, bf16": Recipe(
        network={"dropout": 0.3}, options={"optimizer_wrapper": SAM}, trainer={"precision": "bf16-mixed"}
    ),
}


class PowerCut(L.Callback):
    """Ends training after so many steps, as if the plug had been pulled."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            raise ConnectionAbortedError


class Signal(L.Callback):
    """Lets a signal arrive in a step of training, or in the validation that first follows it."""

    def __init__(self, step: int, *, validating: bool = False) -> None:
        self.step = step
        self.validating = validating

    def on_train_batch_start(self, trainer: L.Trainer, *_: object) -> None:
        if not self.validating and trainer.global_step == self.step:
            find_callback(trainer, StopOnSignal).received = TERMINATED

    def on_validation_batch_start(self, trainer: L.Trainer, *_: object) -> None:
        if self.validating and not trainer.sanity_checking and trainer.global_step >= self.step:
            find_callback(trainer, StopOnSignal).received = TERMINATED


def train(
    recipe: Recipe,
    folder: Path,
    *callbacks: L.Callback,
    seed: int = 0,
    resume: Path | None = None,
    last: LastCheckpoint | None = None,
    epochs: int = EPOCHS,
    **limits: Any,
) -> L.Trainer:
    L.seed_everything(seed, verbose=False)
    data = Digits(batch_size=128, augmentation=recipe.augmentation())
    network = MLP((1, 8, 8), 10, widths=[16], **recipe.network)
    model = Classifier(
        network,
        10,
        regularizers=recipe.regularizers(),
        optimizer=recipe.optimizer,
        lr_scheduler=recipe.schedule,
        **recipe.options,
    )
    trainer = L.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=epochs,
        callbacks=[History(), Checkpoint(), last or LastCheckpoint(), *recipe.callbacks(), *callbacks],
        plugins=[AtomicCheckpointIO()],
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **recipe.trainer,
        **limits,
    )
    trainer.fit(model, data, ckpt_path=resume)
    return trainer


def final_state(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def assert_equal(first: Any, second: Any, where: str = "") -> None:
    """Compare nested values, tensors bit for bit."""
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    elif isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            assert_equal(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second), where
        for number, pair in enumerate(zip(first, second, strict=True)):
            assert_equal(*pair, f"{where}.{number}")
    else:
        assert first == second, where


@pytest.fixture(scope="module", params=RECIPES.values(), ids=RECIPES.keys())
def recipe(request) -> Recipe:
    return request.param


@pytest.fixture(scope="module")
def uninterrupted(recipe, tmp_path_factory) -> tuple[Path, L.Trainer]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    every = ModelCheckpoint(folder / "every", every_n_train_steps=1, save_top_k=-1, filename="{step}")
    return folder, train(recipe, folder, every)


def compare(first: Path, second: Path) -> None:
    whole, resumed = final_state(first), final_state(second)
    assert whole["epoch"] == resumed["epoch"] == EPOCHS - 1
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "device_states"):
        assert_equal(whole[part], resumed[part], part)
    assert_equal(*(rows(checkpoint) for checkpoint in (whole, resumed)), "rows")


def rows(checkpoint: dict[str, Any]) -> list[dict[str, float]]:
    (history,) = (value for key, value in checkpoint["callbacks"].items() if "History" in key)
    return history["rows"] + history["validations"]


@pytest.mark.parametrize("epochs", [1, 3])
def test_cut_off_in_an_epoch_it_goes_on_from_the_last_whole_one(recipe, uninterrupted, tmp_path, epochs) -> None:
    steps = uninterrupted[1].global_step * epochs // EPOCHS
    with pytest.raises(ConnectionAbortedError):
        train(recipe, tmp_path, PowerCut(steps + 2))
    assert final_state(tmp_path)["epoch"] == epochs - 1
    resumed = train(recipe, tmp_path, seed=99, resume=tmp_path / "checkpoints" / "last.ckpt")
    compare(uninterrupted[0], tmp_path)
    histories = [find_callback(trainer, History) for trainer in (uninterrupted[1], resumed)]
    assert histories[0].rows == histories[1].rows
    assert histories[0].samples == histories[1].samples


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7])
def test_from_a_checkpoint_inside_an_epoch_it_ends_the_same(recipe, uninterrupted, tmp_path, share) -> None:
    step = round(share * uninterrupted[1].global_step)
    assert step % (uninterrupted[1].global_step // EPOCHS) != 0, "inside an epoch"
    train(recipe, tmp_path, seed=99, resume=uninterrupted[0] / "every" / f"step={step}.ckpt")
    compare(uninterrupted[0], tmp_path)


def test_from_a_checkpoint_inside_an_epoch_its_figures_are_of_the_whole_epoch(uninterrupted, recipe, tmp_path) -> None:
    step = round(0.4 * uninterrupted[1].global_step)
    resumed = train(recipe, tmp_path, seed=99, resume=uninterrupted[0] / "every" / f"step={step}.ckpt")
    histories = [find_callback(trainer, History) for trainer in (uninterrupted[1], resumed)]
    assert_equal(*(history.rows for history in histories))


@pytest.mark.slow
@pytest.mark.parametrize("step", [5, 10, 22])
def test_ended_by_a_signal_it_goes_on_after_that_step(recipe, uninterrupted, tmp_path, step) -> None:
    with pytest.raises(Interrupted):
        train(recipe, tmp_path, StopOnSignal(), Signal(step // recipe.trainer.get("accumulate_grad_batches", 1)))
    assert final_state(tmp_path)["global_step"] <= step + 1
    train(recipe, tmp_path, seed=99, resume=tmp_path / "checkpoints" / "last.ckpt")
    compare(uninterrupted[0], tmp_path)


@pytest.mark.slow
def test_ended_by_a_signal_in_validation_it_goes_on_with_that(recipe, uninterrupted, tmp_path) -> None:
    last = tmp_path / "checkpoints" / "last.ckpt"
    for step in (1, 20, 20):  # before any epoch has ended; and twice in the same validation
        resume, seed = (last, 99) if step > 1 else (None, 0)
        with pytest.raises(Interrupted):
            train(recipe, tmp_path, StopOnSignal(), Signal(step, validating=True), seed=seed, resume=resume)
    train(recipe, tmp_path, seed=99, resume=last)
    compare(uninterrupted[0], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("step", [7, 12])
def test_killed_in_an_epoch_it_goes_on_from_the_steps_that_are_kept(recipe, uninterrupted, tmp_path, step) -> None:
    with pytest.raises(ConnectionAbortedError):
        train(recipe, tmp_path, PowerCut(step), last=LastCheckpoint(every_n_train_steps=3))
    assert final_state(tmp_path)["global_step"] >= step - 3
    train(recipe, tmp_path, seed=99, resume=tmp_path / "checkpoints" / "last.ckpt")
    compare(uninterrupted[0], tmp_path)


def test_as_many_minutes_within_an_epoch_are_kept_too(tmp_path) -> None:
    with pytest.raises(ConnectionAbortedError):
        train(RECIPES["plain"], tmp_path, PowerCut(5), last=LastCheckpoint(every_minutes=1e-9))
    assert final_state(tmp_path)["global_step"] == 5


@pytest.mark.parametrize("steps", [11, 14, 22])
def test_stopped_after_some_steps_it_goes_on_with_the_rest_of_the_epoch(tmp_path, steps) -> None:
    recipe = RECIPES["every kind of noise, StepLR"]
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "parts", max_steps=steps)
    resume = tmp_path / "parts" / "checkpoints" / "last.ckpt"
    assert final_state(tmp_path / "parts")["epoch"] == (steps - 1) // 11
    train(recipe, tmp_path / "parts", max_steps=steps + 8, seed=99, resume=resume)
    train(recipe, tmp_path / "parts", seed=99, resume=resume)
    compare(tmp_path / "whole", tmp_path / "parts")


def test_stopped_after_some_time_it_goes_on_with_the_rest_of_the_epoch(tmp_path) -> None:
    class TimeIsUp(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
            trainer.should_stop = trainer.global_step == 14  # as Lightning's Timer does

    recipe = RECIPES["every kind of noise, StepLR"]
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "parts", TimeIsUp())
    train(recipe, tmp_path / "parts", seed=99, resume=tmp_path / "parts" / "checkpoints" / "last.ckpt")
    whole, parts = final_state(tmp_path / "whole"), final_state(tmp_path / "parts")
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "device_states"):
        assert_equal(whole[part], parts[part], part)
    (within,) = [row for row in rows(parts) if row.get("epochs_done")]
    assert within["epochs_done"] == 1 + 3 / 11, "the validation made when time was up"
    assert_equal([row for row in rows(parts) if row is not within], rows(whole))


def test_each_schedule_does_change_the_learning_rate(recipe, uninterrupted) -> None:
    if recipe.schedule is not None:
        last = final_state(uninterrupted[0])["optimizer_states"][0]["param_groups"][0]
        assert last["lr"] != recipe.optimizer.keywords["lr"]


def test_another_seed_would_end_elsewhere(uninterrupted, recipe, tmp_path) -> None:
    train(recipe, tmp_path, seed=99)
    whole, other = final_state(uninterrupted[0]), final_state(tmp_path)
    assert not torch.equal(whole["state_dict"]["network.head.weight"], other["state_dict"]["network.head.weight"])
