"""Learning curves: training against validation, with the best epoch and the end of training marked."""

import textwrap
from collections.abc import Mapping
from typing import ClassVar

import lightning as L
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from typing_extensions import override

from callbacks.best_epoch import BestEpochCallback
from callbacks.early_stopping import EarlyStopping
from callbacks.figures import (
    BEST_COLOR,
    PART_COLORS,
    PART_LABELS,
    WIDTH,
    epoch_axis,
    new_figure,
    plain_axes,
    save_figure,
    style,
)
from callbacks.fonts import drawable
from callbacks.history import History, Row, epochs_done, shared_metrics
from callbacks.lookup import find_callback, run_folder, run_title
from callbacks.metric_labels import metric_label
from models.evaluated import Mode

CAPTION = "Training against validation; where they part, the network memorises."
LONGEST_LINE = 24  # letters of an axis
START = 15  # epochs in the picture of the start, as in tutorial 004


def draw_curves(
    rows: list[Row],
    metrics: list[str],
    best: float | None,
    title: str,
    labels: Mapping[str, str] | None = None,
    end: str | None = "end of training",
) -> Figure:
    """Draw one panel per metric below each other, training and validation over epochs.

    Args:
        rows: One dictionary per epoch, as `History.rows`, and one per validation within an epoch, in order.
        metrics: Names without their part: "loss", "accuracy".
        best: Where to mark the best, in epochs trained; None marks none.
        title: Title over the panels.
        labels: Labels of the axes by metric, if not its name.
        end: What to call the last moment; None does not mark it.
    """
    texts = {name: (labels or {}).get(name, name.replace("_", " ")) for name in metrics}
    with style(title, *texts.values()):
        figure = new_figure(WIDTH, 2.3 * len(metrics) + 1.3, title, CAPTION)
        panels = figure.subplots(len(metrics), sharex=True, squeeze=False)[:, 0]
        for name, axes in zip(metrics, panels, strict=True):
            _draw_panel(plain_axes(axes), rows, name, best, end)
            axes.set_ylabel(textwrap.fill(drawable(texts[name]), LONGEST_LINE))
        epoch_axis(panels[-1])
        lines = {line.get_label(): line for axes in panels for line in axes.lines}
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _draw_panel(axes: Axes, rows: list[Row], name: str, best: float | None, end: str | None) -> None:
    for part in ("train", "val"):
        points = [(epochs_done(row), row[f"{part}/{name}"]) for row in rows if f"{part}/{name}" in row]
        if points:
            epochs, values = zip(*points, strict=True)
            marker = "o" if len(points) == 1 else None
            axes.plot(epochs, values, color=PART_COLORS[part], label=PART_LABELS[part], marker=marker)
    last = epochs_done(rows[-1])
    if best is not None:
        axes.axvline(best, color=BEST_COLOR, linewidth=1.5, linestyle="--", label=f"best: epoch {round(best, 2):g}")
    if end is not None:
        axes.axvline(last, color="#444444", linewidth=1.5, linestyle=":", label=f"{end}: epoch {round(last, 2):g}")


class Curves(BestEpochCallback):
    """Draws `figures/curves.png` when training ends; of more than 15 epochs the first 15 too, `curves_start.png`.

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
        row = self.best(trainer)
        best = None if row is None else epochs_done(row)
        labels = {name: metric_label(name, pl_module, getattr(trainer, "datamodule", None)) for name in present}
        title = run_title(folder)
        stopping = find_callback(trainer, EarlyStopping)
        early = stopping is not None and stopping.wait_count >= stopping.patience
        end = "stopped early" if early else "end of training"
        save_figure(trainer, draw_curves(rows, present, best, title, labels, end), "curves")
        start = [row for row in rows if epochs_done(row) <= START]
        if start and len(start) < len(rows):
            best = best if best is not None and best <= START else None
            title = f"{title}: the first {START} epochs"
            save_figure(trainer, draw_curves(start, present, best, title, labels, None), "curves_start")
