"""Learning curves: train against validation, with the best epoch and the end of training marked."""

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from callbacks.files import atomic_write
from callbacks.history import History, Row
from callbacks.presets import Mode, monitor_mode
from callbacks.trainer import find_callback, run_folder

COLORS = {"train": "#888888", "val": "#1f6fb4"}
LABELS = {"loss": "cross entropy"}


def draw_curves(rows: list[Row], figures: list[str], best_epoch: int | None, title: str) -> Figure:
    """Draw one panel a figure, training and validation over epochs.

    Args:
        rows: One dictionary an epoch, as `History.rows`.
        figures: Names without their stage: "loss", "accuracy".
        best_epoch: Epoch to mark, counted from 0; None marks none.
        title: Title over the panels.
    """
    figure = Figure(figsize=(4.6 * len(figures), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    for number, name in enumerate(figures, start=1):
        _panel(figure.add_subplot(1, len(figures), number), rows, name, best_epoch)
    return figure


def _panel(axes: Axes, rows: list[Row], name: str, best_epoch: int | None) -> None:
    for stage, color in COLORS.items():
        points = [(row["epoch"] + 1, row[f"{stage}/{name}"]) for row in rows if f"{stage}/{name}" in row]
        if points:
            epochs, values = zip(*points, strict=True)
            label = "training" if stage == "train" else "validation"
            axes.plot(epochs, values, color=color, label=label, marker="o" if len(points) == 1 else None)
    if best_epoch is not None:
        axes.axvline(
            best_epoch + 1,
            color="#d1495b",
            linewidth=1,
            linestyle="--",
            label=f"best: epoch {best_epoch + 1}",
        )
    axes.axvline(rows[-1]["epoch"] + 1, color="#bbbbbb", linewidth=1, linestyle=":", label="end of training")
    axes.set_xlabel("epoch")
    axes.set_ylabel(LABELS.get(name, name.replace("_", " ")))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


class Curves(L.Callback):
    """Draws `figures/curves.png` in the run folder, and into TensorBoard, when training ends. Needs a `History`.

    Args:
        monitor: Figure whose best epoch is marked.
        mode: "min" or "max"; by default right for the figure.
        figures: Which figures to draw, without their stage.
    """

    def __init__(self, monitor: str = "val/loss", mode: Mode | None = None, figures: list[str] | None = None) -> None:
        self.monitor = monitor
        self.mode: Mode = mode or monitor_mode(monitor) or "min"
        self.figures = ["loss", "accuracy"] if figures is None else figures

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the curves."""
        history = find_callback(trainer, History)
        folder = run_folder(trainer)
        if history is None or not history.rows or folder is None or not trainer.is_global_zero:
            return
        present = [
            name for name in self.figures if any(row.keys() & {f"train/{name}", f"val/{name}"} for row in history.rows)
        ]
        if not present:
            return
        best = history.best(self.monitor, self.mode)
        title = "/".join(folder.parts[-2:])
        figure = draw_curves(history.rows, present, None if best is None else int(best["epoch"]), title)
        with atomic_write(folder / "figures" / "curves.png") as file:
            figure.savefig(file, dpi=120, format="png")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_figure("curves", figure, global_step=trainer.global_step)
