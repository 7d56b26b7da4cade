"""A checkpoint's predictions for its test part, as a CSV file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from callbacks.printing import say
from datamodules.samples import labelled_steps
from scripts.cli.evaluation import ledger_entry, use_lines
from scripts.cli.notes import notes
from scripts.cli.result_files import write_predictions
from scripts.cli.session import Session

PREDICTIONS = "predictions.csv"


def predict(session: Session) -> None:
    """Write a checkpoint's predictions for the test part to a CSV file, whose index is that of the run's split.csv."""
    trainer, data, checkpoint = session.trainer, session.data, session.checkpoint
    with session.fitting_weights():
        outputs = cast("list[Tensor]", trainer.predict(session.model, datamodule=data, ckpt_path=checkpoint))
    predicted = in_dataset_order(outputs, trainer.global_rank, trainer.world_size)
    if not trainer.is_global_zero:
        return
    path = predictions_path(session.settings["output"], session.folder)
    assert data.split is not None
    indices = torch.from_numpy(data.split.test)
    rows, targets = prediction_rows(data.identify(indices), data.samples.targets[indices], len(predicted))
    columns = session.model.prediction_columns(predicted, targets, data.class_names)
    used = ledger_entry(session)  # before anybody sees the results
    write_predictions(path, {**rows, **columns})
    say(f"{len(predicted):,} predictions: {path}", *notes(session), *(use_lines(session, used, {}) if used else []))


def predictions_path(output: str | None, folder: Path | None) -> Path:
    """Return the file for predictions: as the user names it, or in the run's folder, or in the working directory."""
    return Path(output) if output else (folder or Path()) / PREDICTIONS


def prediction_rows(
    names: Mapping[str, Sequence[object]], targets: Tensor, count: int
) -> tuple[dict[str, list[object]], Tensor]:
    """Return the columns that identify the first predictions, and their targets.

    Args:
        names: What identifies each sample, by column, (N,).
        targets: (N, ...); with targets of steps there is one prediction per step that has one.
        count: Number of predictions.

    Returns:
        The columns of `names`, for steps also "step", from 0; targets (count, ...).
    """
    labelled = labelled_steps(targets)
    if labelled is None:
        return {column: list(values[:count]) for column, values in names.items()}, targets[:count]
    samples, steps = labelled.nonzero()[:count].unbind(1)
    named = {column: [values[sample] for sample in samples.tolist()] for column, values in names.items()}
    return {**named, "step": steps.tolist()}, targets[samples, steps]


def in_dataset_order(outputs: list[Tensor], rank: int, world_size: int) -> Tensor:
    """Join the predicted batches of all devices in the loader's order.

    Args:
        outputs: This process's batches, in order.
        rank: This process's rank.
        world_size: Number of processes; process k mod `world_size` has batch k.
    """
    if world_size == 1:
        return torch.cat(outputs)
    gathered: list[list[np.ndarray]] = [[] for _ in range(world_size)]  # type: ignore[type-arg]
    torch.distributed.all_gather_object(gathered, [batch.cpu().numpy() for batch in outputs])
    rounds = max(len(batches) for batches in gathered)
    ordered = [batches[k] for k in range(rounds) for batches in gathered if k < len(batches)]
    return torch.from_numpy(np.concatenate(ordered))
