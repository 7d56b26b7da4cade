"""Learning curves: training against validation, with the best epoch and the end of training marked."""

from collections.abc import Mapping
from typing import ClassVar

import lightning as L
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from typing_extensions import override

from callbacks.best_epoch import BestEpochCallback
from callbacks.figures import PART_COLORS, PART_LABELS, epoch_axis, new_figure, plain_axes, save_figure
from callbacks.history import History, Row, epochs_done, shared_metrics
from callbacks.lookup import run_folder, run_title
from datamodules.printable import printable
from models.evaluated import Mode


def draw_curves(
    rows: list[Row], metrics: list[str], best: float | None, title: str, labels: Mapping[str, str] | None = None
) -> Figure:
    """Draw one panel per metric, training and validation over epochs.

    Args:
        rows: One dictionary per epoch, as `History.rows`, and one per validation within an epoch, in order.
        metrics: Names without their part: "loss", "accuracy".
        best: Where to mark the best, in epochs trained; None marks none.
        title: Title over the panels.
        labels: Labels of the axes by metric, if not its name.
    """
    figure = new_figure(4.6 * len(metrics), 3.6, title)
    for number, name in enumerate(metrics, start=1):
        label = (labels or {}).get(name, name.replace("_", " "))
        _panel(plain_axes(figure.add_subplot(1, len(metrics), number)), rows, name, best, label)
    return figure


def _panel(axes: Axes, rows: list[Row], name: str, best: float | None, label: str) -> None:
    for part in ("train", "val"):
        points = [(epochs_done(row), row[f"{part}/{name}"]) for row in rows if f"{part}/{name}" in row]
        if points:
            epochs, values = zip(*points, strict=True)
            marker = "o" if len(points) == 1 else None
            axes.plot(epochs, values, color=PART_COLORS[part], label=PART_LABELS[part], marker=marker)
    if best is not None:
        axes.axvline(best, color="#d1495b", linewidth=1, linestyle="--", label=f"best: epoch {round(best, 2):g}")
    axes.axvline(epochs_done(rows[-1]), color="#bbbbbb", linewidth=1, linestyle=":", label="end of training")
    epoch_axis(axes)
    axes.set_ylabel(printable(label), parse_math=False)
    axes.legend(frameon=True, framealpha=0.85, edgecolor="none", fontsize=8)  # lines may run behind it


class Curves(BestEpochCallback):
    """Draws `figures/curves.png` in the run folder, and into TensorBoard, when training ends.

    Args:
        monitor: Metric whose best epoch is marked.
        mode: "min" or "max"; by default the direction that the metric has.
        metrics: Metrics to draw, without their part; by default all that are measured in training.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self, monitor: str = "val/loss", mode: Mode | None = None, metrics: list[str] | None = None) -> None:
        super().__init__(monitor, mode)
        self.metrics = metrics

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        history = History.of(trainer)
        folder = run_folder(trainer)
        if not history.rows or folder is None or not trainer.is_global_zero:
            return
        rows = history.in_order()
        wanted = shared_metrics(rows) if self.metrics is None else self.metrics
        present = [name for name in wanted if any(row.keys() & {f"train/{name}", f"val/{name}"} for row in rows)]
        if not present:
            return
        best = self.best(trainer)
        labels = {"loss": getattr(pl_module, "loss_name", "loss")}
        figure = draw_curves(rows, present, None if best is None else epochs_done(best), run_title(folder), labels)
        save_figure(trainer, figure, "curves")
