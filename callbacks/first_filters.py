"""The filters of a network's first convolution, before and after training."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import lightning as L
from matplotlib.figure import Figure
from torch import Tensor, nn
from typing_extensions import override

from callbacks.checkpoint_io import load_checkpoint
from callbacks.checkpoints import Checkpoint
from callbacks.figures import WIDTH, new_figure, save_figure, style
from callbacks.image_grid import GAP, LINE, grid_axes, show_at
from callbacks.lookup import find_callback, run_folder, run_title

CAPTION = "Filters of the first convolution, before training and after it."
MOST_FILTERS = 64


class FirstFilters(L.Callback):
    """Draws `figures/filters.png` when training ends: the first filters before training, and in the best epoch.

    For networks whose first convolution takes images with one or three channels, and has filters of 3×3 or more; of at
    most 64 filters. Without a checkpoint of the best epoch the last weights are drawn.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self) -> None:
        self._before: Tensor | None = None

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        name = first_convolution(pl_module)
        if trainer.global_step:  # resumed: a checkpoint holds them
            return
        self._before = None if name is None else _chosen(pl_module.state_dict()[name])

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        name, folder = first_convolution(pl_module), run_folder(trainer)
        if name is None or folder is None or self._before is None or not trainer.is_global_zero:
            return
        checkpoint = find_callback(trainer, Checkpoint)
        best = checkpoint.best_model_path if checkpoint is not None else ""
        best = best if best and Path(best).is_file() else ""
        weights = load_checkpoint(best)["state_dict"] if best else pl_module.state_dict()
        after = _chosen(weights[name])
        if after.shape != self._before.shape:
            return
        filters = {"before training": self._before, "best epoch" if best else "after training": after}
        save_figure(trainer, draw_filters(filters, f"{run_title(folder)}: filters of the first layer"), "filters")

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"before": self._before}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = state_dict["before"]


def first_convolution(module: nn.Module) -> str | None:
    """Return the name of the first convolution's weights; None if its filters cannot be shown as images."""
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            _, channels, height, width = layer.weight.shape
            shown = channels in (1, 3) and min(height, width) >= 3 and layer.groups == 1
            return f"{name}.weight" if shown else None
    return None


def _chosen(weights: Tensor) -> Tensor:
    return weights[:MOST_FILTERS].detach().float().cpu().clone()


def draw_filters(filters: Mapping[str, Tensor], title: str) -> Figure:
    """Draw filters in a square, each moment's below each other; 0 is mid-grey, and one scale holds for all.

    Args:
        filters: (N, C, H, W), C 1 or 3, by moment.
        title: Title over all.
    """
    with style(title):
        number, _, height, width = next(iter(filters.values())).shape
        columns = 8 if number > 16 else min(number, 4)
        rows = math.ceil(number / columns)
        step = height / width + GAP
        head = LINE * 1.6 * columns * (1 + GAP) / WIDTH  # in widths of a filter
        part = head + rows * step
        figure = new_figure(WIDTH, len(filters) * part * WIDTH / (columns * (1 + GAP)) + 0.4, title, CAPTION)
        axes = grid_axes(figure, columns * (1 + GAP), len(filters) * part)
        scale = max(weights.abs().max().item() for weights in filters.values()) or 1.0
        for number, (moment, weights) in enumerate(filters.items()):
            axes.text(columns * (1 + GAP) / 2, number * part + head / 2, moment, ha="center", va="center")
            for place, weight in enumerate(weights / (2 * scale) + 0.5):
                left, top = place % columns * (1 + GAP), number * part + head + place // columns * step
                show_at(axes, weight, left, top)
    return figure
