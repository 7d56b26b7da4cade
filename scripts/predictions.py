"""Predictions as a CSV file."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from callbacks.files import write_text


def write_predictions(
    path: Path,
    indices: Sequence[int],
    probabilities: Tensor,
    targets: Tensor | None,
    class_names: Sequence[str],
) -> None:
    """Write one row a sample: index, target where known, prediction, and one probability a class.

    Args:
        path: The file; written whole or not at all.
        indices: Index of each sample in the dataset, N.
        probabilities: (N, C).
        targets: (N,), int64, or None where unknown.
        class_names: C names.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    known = [] if targets is None else ["target"]
    writer.writerow(["index", *known, "prediction", *(f"probability_{name}" for name in class_names)])
    predicted = probabilities.argmax(-1).tolist()
    for row, (index, prediction) in enumerate(zip(indices, predicted, strict=True)):
        target = [] if targets is None else [class_names[int(targets[row])]]
        shares = [f"{value:.6g}" for value in probabilities[row].tolist()]
        writer.writerow([index, *target, class_names[prediction], *shares])
    write_text(path, text.getvalue())


def in_dataset_order(outputs: list[Tensor], rank: int, world_size: int) -> Tensor:
    """Join predicted batches, those of all devices where there are several, in the loader's order.

    Args:
        outputs: This process's batches, in order.
        rank: This process's number.
        world_size: Number of processes; batch k was dealt to process k mod `world_size`.
    """
    if world_size == 1:
        return torch.cat(outputs)
    gathered: list[list[np.ndarray]] = [[] for _ in range(world_size)]  # type: ignore[type-arg]
    torch.distributed.all_gather_object(gathered, [batch.cpu().numpy() for batch in outputs])
    rounds = max(len(batches) for batches in gathered)
    ordered = [batches[k] for k in range(rounds) for batches in gathered if k < len(batches)]
    return torch.from_numpy(np.concatenate(ordered))
