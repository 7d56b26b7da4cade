"""Learning curves: train against validation, with the best epoch and the end of training marked."""

from collections.abc import Mapping

import lightning as L
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.figures import epoch_axis, new_figure, plain_axes, save_figure
from callbacks.history import History, Row, epochs_done, shared_metrics
from callbacks.lookup import find_callback, run_folder, run_title
from callbacks.presets import Mode, monitor_mode

COLORS = {"train": "#888888", "val": "#1f6fb4"}


def draw_curves(
    rows: list[Row], figures: list[str], best: float | None, title: str, labels: Mapping[str, str] | None = None
) -> Figure:
    """Draw one panel a figure, training and validation over epochs.

    Args:
        rows: One dictionary an epoch, as `History.rows`, and one a validation within an epoch, in order.
        figures: Names without their stage: "loss", "accuracy".
        best: Where to mark the best, in epochs done; None marks none.
        title: Title over the panels.
        labels: What to call a figure on its axis, where it is not its name.
    """
    figure = new_figure(4.6 * len(figures), 3.6, title)
    for number, name in enumerate(figures, start=1):
        label = (labels or {}).get(name, name.replace("_", " "))
        _panel(plain_axes(figure.add_subplot(1, len(figures), number)), rows, name, best, label)
    return figure


def _panel(axes: Axes, rows: list[Row], name: str, best: float | None, label: str) -> None:
    for stage, color in COLORS.items():
        points = [(epochs_done(row), row[f"{stage}/{name}"]) for row in rows if f"{stage}/{name}" in row]
        if points:
            epochs, values = zip(*points, strict=True)
            part = "training" if stage == "train" else "validation"
            axes.plot(epochs, values, color=color, label=part, marker="o" if len(points) == 1 else None)
    if best is not None:
        axes.axvline(best, color="#d1495b", linewidth=1, linestyle="--", label=f"best: epoch {round(best, 2):g}")
    axes.axvline(epochs_done(rows[-1]), color="#bbbbbb", linewidth=1, linestyle=":", label="end of training")
    epoch_axis(axes)
    axes.set_ylabel(label)
    axes.legend(frameon=True, framealpha=0.85, edgecolor="none", fontsize=8)  # lines may run behind it


class Curves(L.Callback):
    """Draws `figures/curves.png` in the run folder, and into TensorBoard, when training ends. Needs a `History`.

    Args:
        monitor: Figure whose best epoch is marked.
        mode: "min" or "max"; by default right for the figure.
        figures: Which figures to draw, without their stage; by default all that training is measured by.
    """

    def __init__(self, monitor: str = "val/loss", mode: Mode | None = None, figures: list[str] | None = None) -> None:
        self.monitor = monitor
        self.mode: Mode = mode or monitor_mode(monitor) or "min"
        self.figures = figures

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the curves."""
        history = find_callback(trainer, History)
        folder = run_folder(trainer)
        if history is None or not history.rows or folder is None or not trainer.is_global_zero:
            return
        rows = history.in_order()
        wanted = shared_metrics(rows) if self.figures is None else self.figures
        present = [name for name in wanted if any(row.keys() & {f"train/{name}", f"val/{name}"} for row in rows)]
        if not present:
            return
        best = history.best(self.monitor, self.mode)
        labels = {"loss": getattr(pl_module, "loss_name", "loss")}
        figure = draw_curves(rows, present, None if best is None else epochs_done(best), run_title(folder), labels)
        save_figure(trainer, figure, "curves")
