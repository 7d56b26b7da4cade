"""A regression's predictions against the true values, and its residuals."""

from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from typing_extensions import override

from callbacks.figures import PART_COLORS, WIDTH, new_figure, plain_axes, style
from callbacks.metric_labels import target_labels
from callbacks.predictions import Collected, PredictionsFigure

CAPTION = "Predictions against true values, and residuals against predictions; good ones lie close to the lines."
MOST_POINTS = 2000  # more cannot be told apart, and they are in each checkpoint
MOST_TARGETS = 4


class PredictedAgainstTrue(PredictionsFigure):
    """Draws `figures/predicted_<part>.png`: predictions against true values, and their differences, the residuals.

    Of validation in the best epoch, when training ends (`val`), and of a test (`test`); of at most 2,000 samples, each
    nth of more, and of the first four targets. For tasks with continuous targets.
    """

    @override
    def begin(self, pl_module: L.LightningModule, data: Any) -> bool:
        self._pairs: list[Tensor] = []
        self._every, self._seen, self._kept = 1, 0, 0
        return getattr(pl_module, "takes", None) == "values"

    @override
    def add(self, predictions: Tensor, targets: Tensor) -> None:
        pairs = torch.stack([predictions.double(), targets.double()], dim=-1)[:, :MOST_TARGETS]
        self._pairs.append(pairs[-self._seen % self._every :: self._every])
        self._seen, self._kept = self._seen + len(pairs), self._kept + len(self._pairs[-1])
        while self._kept > 2 * MOST_POINTS:
            self._pairs = [torch.cat(self._pairs)[::2]]
            self._every, self._kept = 2 * self._every, len(self._pairs[0])

    @override
    def collected(self, trainer: L.Trainer) -> Collected:
        seen = torch.tensor(self._seen)
        pairs = torch.cat(self._pairs).cpu() if self._pairs else torch.zeros(0, 1, 2)
        if trainer.world_size > 1:
            found: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(found, (pairs, seen))
            pairs, seen = torch.cat([part for part, _ in found]), torch.stack([count for _, count in found]).sum()
        stride = -(-len(pairs) // MOST_POINTS)
        return {"pairs": pairs[::stride].clone(), "seen": seen} if len(pairs) else {}

    @override
    def draw(self, collected: Collected, part: str, title: str, pl_module: Any, data: Any) -> Mapping[str, Figure]:
        pairs, seen = collected["pairs"], int(collected["seen"])
        if len(pairs) < seen:
            title = f"{title}, {len(pairs):,} of {seen:,} samples"
        labels = target_labels(data, getattr(pl_module, "num_outputs", None) or pairs.shape[1])[: pairs.shape[1]]
        return {f"predicted_{part}": draw_predicted(pairs, labels, title, PART_COLORS[part])}


def draw_predicted(pairs: Tensor, labels: list[str], title: str, color: str) -> Figure:
    """Draw predictions against true values, and below the residuals against predictions, a column for each target.

    Args:
        pairs: Prediction and true value, (N, targets, 2).
        labels: Names of the targets.
        title: Title over the panels.
        color: Of the points.
    """
    columns = len(labels)
    with style(title, *labels):
        figure = new_figure(WIDTH if columns == 1 else 3.6 * columns, 7.4, title, CAPTION)
        panels = figure.subplots(2, columns, squeeze=False, height_ratios=[1.5, 1])
        for number, name in enumerate(labels):
            predicted, true = pairs[:, number].unbind(-1)
            against, residuals = map(plain_axes, panels[:, number])
            _draw_points(against, true, predicted, color)
            ends = [min(true.min(), predicted.min()).item(), max(true.max(), predicted.max()).item()]
            against.plot(ends, ends, color="#444444", linewidth=1.5, linestyle="--")
            against.set_xlabel(f"true {name}")
            against.set_ylabel(f"predicted {name}" if columns == 1 else "predicted")
            _draw_points(residuals, predicted, predicted - true, color)
            error = (predicted - true).square().mean().sqrt().item()
            residuals.axhline(0, color="#444444", linewidth=1.5, linestyle="--")
            residuals.axhspan(-error, error, color=color, alpha=0.12, linewidth=0)
            residuals.set_title(f"shaded: ± {error:.4g}, the root mean square", fontsize=11)
            residuals.set_xlabel(f"predicted {name}")
            residuals.set_ylabel("predicted − true")
    return figure


def _draw_points(axes: Axes, x: Tensor, y: Tensor, color: str) -> None:
    size, alpha = (40, 0.8) if len(x) < 50 else (25, 0.5) if len(x) < 500 else (10, 0.3)
    axes.scatter(x, y, s=size, color=color, alpha=alpha, linewidths=0)
