"""Decisions that all processes of a run take alike: one that stops or saves alone leaves the others waiting."""

import lightning as L
import torch


def holds_anywhere(trainer: L.Trainer, condition: bool) -> bool:
    """Return whether a condition holds in any process; all must ask at the same moment."""
    if trainer.world_size == 1:
        return condition
    return trainer.strategy.reduce_boolean_decision(condition, all=False)


def shared_validation_batches(trainer: L.Trainer) -> int:
    """Return the number of validation batches that every process has; they are dealt in turn, so some have one more.

    Call it in all processes, before the first batch.
    """
    own = int(sum(trainer.num_val_batches))
    if trainer.world_size == 1:
        return own
    counts: list[int] = [0] * trainer.world_size
    torch.distributed.all_gather_object(counts, own)
    return min(counts)
