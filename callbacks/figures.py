"""Pictures of a run: as files in its folder, and in TensorBoard."""

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from callbacks.lookup import run_folder
from datamodules.atomic_write import atomic_write


def new_figure(width: float, height: float, title: str) -> Figure:
    """Return an empty figure that needs no display, sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    return figure


def plain_axes(axes: Axes) -> Axes:
    """Take from axes what carries no information."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def epoch_axis(axes: Axes) -> None:
    """Let the axis of epochs have whole numbers."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def save_figure(trainer: L.Trainer, figure: Figure, name: str) -> None:
    """Write a figure to `figures/<name>.png` in the run folder, and into TensorBoard where that is the logger."""
    folder = run_folder(trainer)
    if folder is None:
        return
    with atomic_write(folder / "figures" / f"{name}.png") as file:
        figure.savefig(file, dpi=120, format="png")
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(name, figure, global_step=trainer.global_step)
