"""The first training batch as the network sees it: augmented and regularized, with its targets."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import lightning as L
import torch
from matplotlib.figure import Figure
from torch import Tensor
from typing_extensions import override

from callbacks.figures import class_labels, save_figure, style
from callbacks.image_grid import Words, image_figure
from callbacks.lookup import run_folder, run_title
from callbacks.metric_labels import target_labels
from models.losses.weighted import weights_of
from models.optimization.uncounted_step import uncounted_pass
from models.random_state import capture_random_state, restore_random_state
from models.task import Task

CAPTION = "The first training batch as the network sees it, after augmentation and regularizers, with its targets."
LEAST_SHARE = 0.005  # of a class that is written down
MOST_LINES = 3


class FirstBatch(L.Callback):
    """Draws `figures/first_batch.png` before the first step: images as the network sees them, above their targets.

    They are augmented and changed by the regularizers; of soft targets the largest are written down. The random numbers
    of the step itself are drawn, and given back. For images, (N, C, H, W) with one or three channels.

    Args:
        count: Largest number of images.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self, count: int = 16) -> None:
        self.count = count

    @override
    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        first = not trainer.global_step and not batch_idx and not trainer.current_epoch
        folder = run_folder(trainer) if first else None
        if folder is None or not trainer.is_global_zero or not isinstance(pl_module, Task):
            return
        inputs, targets = seen_by_network(pl_module, batch)
        images = as_images(pl_module, inputs)
        if images is None:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        shown = images[: self.count].cpu()
        words = target_words(targets[: self.count].detach().cpu(), pl_module, data)
        title = f"{run_title(folder)}: the first batch as the network sees it"
        save_figure(trainer, draw_batch(shown, words, title), "first_batch")


@torch.no_grad()
def seen_by_network(task: Task, batch: Any) -> tuple[Any, Tensor]:
    """Return the inputs of the network for a training batch, and its targets; no random number or state changes."""
    with unchanged_randomness(task.device), uncounted_pass(task, task.regularizers):
        inputs, targets, steps = task.unpack(batch)
        soft, weights = task.soft_targets(targets), weights_of(batch, steps)
        inputs, soft, *_ = task.regularizers.perturb(inputs, soft, *weights, of_steps=steps is not None)
    return inputs, soft


@contextmanager
def unchanged_randomness(device: torch.device) -> Iterator[None]:
    """Give back the random numbers that are drawn within, on the CPU and on a device."""
    state = capture_random_state(device)
    try:
        yield
    finally:
        restore_random_state(state, device)


def as_images(task: Task, inputs: Any) -> Tensor | None:
    """Return a network's inputs as images (N, C, H, W), float32 in [0, 1], or None if they are not images."""
    given = task.preprocessing
    if not isinstance(inputs, Tensor) or getattr(task.network, "inputs_are_features", False):
        return None
    if given.rows and given.mean is not None:
        side = inputs.shape[1]  # square images (N, C, H, W) as rows (N, H, C · W)
        inputs = inputs.reshape(len(inputs), side, -1, side).transpose(1, 2)
    if inputs.ndim != 4 or inputs.shape[1] not in (1, 3):
        return None
    images: Tensor = inputs.float()
    if given.mean is not None and given.std is not None:
        mean, std = (values.to(images).view(1, -1, 1, 1) for values in (given.mean, given.std))
        images = images * std + mean
    return images.clamp(0, 1)


def target_words(targets: Tensor, task: Task, data: Any) -> list[str]:
    """Return a few lines on the target of each sample.

    Args:
        targets: Labels (N,), probabilities of classes or labels (N, C), or standardised values (N, outputs).
        task: The task.
        data: Its datamodule.
    """
    if task.takes == "values":
        values = task.to_predictions(targets.to(task.device)).cpu()
        names = target_labels(data, values.shape[1])
        heads = [f"{name} " for name in names] if len(names) > 1 else [""]
        rows = values[:, :MOST_LINES].tolist()
        return ["\n".join(f"{head}{value:.4g}" for head, value in zip(heads, row, strict=False)) for row in rows]
    names = class_labels(data.class_names, longest=11)
    if targets.ndim == 1:
        return [names[label] for label in targets.tolist()]
    return [_shares(row, names) for row in targets.tolist()]


def _shares(row: Sequence[float], names: Sequence[str]) -> str:
    """Return the classes with the largest shares; one that has all of it, but for rounding, by its name alone."""
    order = sorted((k for k, share in enumerate(row) if share >= LEAST_SHARE), key=lambda k: -row[k])
    if len(order) == 1 and row[order[0]] > 1 - LEAST_SHARE:
        return names[order[0]]
    lines = [f"{names[k]} {row[k]:.0%}" for k in order[:MOST_LINES]]
    rest = sum(row) - sum(row[k] for k in order[:MOST_LINES])
    if len(order) > MOST_LINES or rest > LEAST_SHARE:
        lines[MOST_LINES - 1 :] = [f"others {sum(row) - sum(row[k] for k in order[: MOST_LINES - 1]):.0%}"]
    return "\n".join(lines) or "none"


def draw_batch(images: Tensor, words: Sequence[str], title: str, columns: int = 4) -> Figure:
    """Draw images in rows, each above the words on its target.

    Args:
        images: (N, C, H, W), float in [0, 1].
        words: N texts, of a few lines each.
        title: Title over the images.
        columns: Images per row.
    """
    with style(title, *words):
        lines = [Words(text.split("\n"), ["black"] * (text.count("\n") + 1)) for text in words]
        return image_figure(title, list(images), lines, columns, words_above=False, caption=CAPTION)
