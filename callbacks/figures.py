"""Figures of a run: files in its folder, and in TensorBoard."""

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from callbacks.lookup import run_folder
from datamodules.atomic_write import atomic_write
from datamodules.printable import printable

PART_COLORS = {"train": "#888888", "val": "#1f6fb4", "test": "#d1495b"}
PART_LABELS = {"train": "training", "val": "validation", "test": "test"}


def new_figure(width: float, height: float, title: str) -> Figure:
    """Return an empty figure that needs no display; width and height in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(printable(title), fontsize=11, parse_math=False)
    return figure


def plain_axes(axes: Axes) -> Axes:
    """Add a light grid to axes, and hide the frame above and on the right."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def epoch_axis(axes: Axes) -> None:
    """Label the x axis as epochs, with whole numbers."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def save_figure(trainer: L.Trainer, figure: Figure, name: str) -> None:
    """Write a figure to `figures/<name>.png` in the run folder, and into TensorBoard if that is a logger."""
    folder = run_folder(trainer)
    if folder is None:
        return
    with atomic_write(folder / "figures" / f"{name}.png") as file:
        figure.savefig(file, dpi=120, format="png")
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(name, figure, global_step=trainer.global_step)
