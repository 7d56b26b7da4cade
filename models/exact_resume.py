"""Exact resume: what a checkpoint must hold beyond Lightning's own state, and how it comes back.

A resumed run ends bit for bit where an uninterrupted one does: random states continue, and so do the metrics of an
epoch that the checkpoint was written in. `trainer.callback_metrics` holds what was logged before the checkpoint.
"""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torchmetrics import MetricCollection

from models.evaluated import EvaluatedModule
from models.random_state import capture_random_state, restore_random_state, seed_random_state

STATES_KEY = "device_states"
LOGGED_KEY = "callback_metrics"
RESUME_KEYS = (STATES_KEY, LOGGED_KEY)
REGULARIZER_STATE = "regularizers."  # where a state_dict holds the buffers of regularizers


def capture(task: EvaluatedModule) -> dict[str, Any]:
    """Return a checkpoint's part for each device: random states, and the metrics of the current epoch so far."""
    metrics = {"epoch": task.current_epoch, "training": metric_states(task.train_metrics), "validated": task.validated}
    metrics["record"] = task.training_record.state()
    logged = task.trainer.callback_metrics
    state = {"random": capture_random_state(task.device), "metrics": metrics}
    states: list[Any] = [state]
    if task.trainer.world_size > 1:
        states = [None] * task.trainer.world_size
        torch.distributed.all_gather_object(states, state)
    return {STATES_KEY: states, LOGGED_KEY: {name: value.cpu().clone() for name, value in logged.items()}}


def restore(task: EvaluatedModule, checkpoint: dict[str, Any]) -> None:
    """Continue from the states that `capture` returned; without any, give each device random numbers of its own.

    Called when training starts, not when the checkpoint is loaded: setting up draws numbers in between.

    Args:
        task: The task, about to train.
        checkpoint: The checkpoint, or as much of it as `capture` returned; empty for a run that begins.
    """
    states, devices, rank = checkpoint.get(STATES_KEY, []), task.trainer.world_size, task.trainer.global_rank
    if states:
        _warn_of_lost_gradients(task)
    if len(states) == devices:
        metrics = states[rank]["metrics"]
        if metrics["epoch"] == task.current_epoch:  # written within this epoch, not at the end of the one before
            restore_metric_states(task.train_metrics, metrics["training"])
            task.validated = metrics["validated"]
            task.training_record.load_state(metrics.get("record", []), task.device)
        restore_random_state(states[rank]["random"], task.device)
    elif states:
        changed = f"the number of devices changed from {len(states)} to {devices}"
        rank_zero_warn(f"{changed}: the resumed run is not bit for bit the uninterrupted one")
        seed_random_state(torch.initial_seed(), task.global_step, rank)
    elif rank:
        torch.manual_seed(torch.initial_seed() + rank)


def restore_logged_metrics(trainer: L.Trainer, checkpoint: dict[str, Any]) -> None:
    """Let callbacks and schedules find the metrics that were logged before a checkpoint was written.

    One that watches a metric of the last validation would end a run that is resumed between two of them.
    """
    trainer._logger_connector._callback_metrics.update(checkpoint.get(LOGGED_KEY, {}))


def resume_whole_epochs(trainer: L.Trainer) -> None:
    """Let a run that stops after a number of steps be resumed at the end of an epoch, as one of epochs is.

    With `max_steps` Lightning takes the epoch that a checkpoint ends for one that is under way, and ends it again.
    """
    trainer.fit_loop._iteration_based_training = lambda: False  # type: ignore[method-assign]


def keep_own_state(task: EvaluatedModule, checkpoint: dict[str, Any]) -> None:
    """Let a checkpoint's `state_dict` have a task's own state of regularizers, which matters to training alone."""
    own = {name: value for name, value in task.state_dict().items() if name.startswith(REGULARIZER_STATE)}
    state = checkpoint["state_dict"].items()
    others = {name: value for name, value in state if not name.startswith(REGULARIZER_STATE)}
    checkpoint["state_dict"] = others | own


def _warn_of_lost_gradients(task: EvaluatedModule) -> None:
    trainer = task.trainer
    done = trainer.fit_loop.epoch_loop.batch_progress.current.ready  # `completed` lags behind when a batch ends
    if done % trainer.accumulate_grad_batches and done < trainer.num_training_batches:
        rank_zero_warn(
            "the checkpoint was written between two optimizer steps, and the gradients accumulated so far are lost: "
            "the resumed run is not bit for bit the uninterrupted one"
        )


def metric_states(metrics: MetricCollection) -> dict[str, dict[str, Any]]:
    """Return what each metric has accumulated so far, as tensors on the CPU."""
    return {
        name: {key: _on_cpu(value) for key, value in metric.metric_state.items()} for name, metric in metrics.items()
    }


def restore_metric_states(metrics: MetricCollection, states: dict[str, dict[str, Any]]) -> None:
    """Let each metric continue from the states that `metric_states` returned."""
    for name, metric in metrics.items():
        for key, value in states[name].items():
            there = [item.to(metric.device) for item in value] if isinstance(value, list) else value.to(metric.device)
            setattr(metric, key, there)
        metric._update_count = 1  # torchmetrics warns of a metric that was never updated


def _on_cpu(value: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
    return [item.cpu() for item in value] if isinstance(value, list) else value.cpu()
