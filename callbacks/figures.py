"""Figures of a run: files in its folder, and pictures in its loggers."""

import io
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unicodedata import east_asian_width

import lightning as L
import matplotlib.style
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from callbacks.fonts import drawable, families
from callbacks.lookup import run_folder
from callbacks.tensorboard_records import picture_record
from datamodules.atomic_write import atomic_write

PART_COLORS = {"train": "#7a7a7a", "val": "#1f6fb4", "test": "#d1495b"}
PART_LABELS = {"train": "training", "val": "validation", "test": "test"}
BEST_COLOR, WRONG_COLOR, RIGHT_COLOR = "#d1495b", "#b3243a", "#1d7a3c"
LONGEST_LABEL = 24  # letters
# TensorBoard shows pictures 300 to 400 pixels wide: in a figure 5.5 inches wide 12 points are 10 pixels there.
WIDTH = 5.5
DPI = 160
LETTER = 0.095  # inches that a letter of 12 points takes on average
STYLE = {
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "figure.titlesize": 12,
    "figure.facecolor": "white",  # opaque, in TensorBoard's dark mode too
    "axes.axisbelow": True,
    "text.parse_math": False,  # a class may be called $x^{$
    "lines.linewidth": 2,
}


@contextmanager
def style(*texts: str) -> Iterator[None]:
    """Draw in this project's style, whatever the user's is, with fonts for the letters of the texts."""
    with matplotlib.style.context(["default", STYLE | {"font.family": families("".join(texts))}]):  # type: ignore[list-item]
        yield


def label(text: str, longest: int = LONGEST_LABEL) -> str:
    """Return a name from the data as a label: one line, without letters that no font has, cut in the middle if long.

    Args:
        text: The name.
        longest: Width of the longest label, in Latin letters; Chinese, Japanese and Korean ones are two wide.
    """
    line = drawable(text)
    if _width(line) <= longest:
        return line
    end = longest // 3
    start = longest - 1 - end
    return f"{_fitting(line, start)}…{_fitting(line[::-1], end)[::-1]}"


def _width(line: str) -> int:
    return sum(1 + (east_asian_width(letter) in "WF") for letter in line)


def _fitting(line: str, width: int) -> str:
    """Return as much of a line's beginning as fits."""
    return next(line[:count] for count in range(width, -1, -1) if _width(line[:count]) <= width)


def class_labels(names: Iterable[str], longest: int = LONGEST_LABEL) -> list[str]:
    """Return labels of classes; one whose name no font can draw is called by its number, from 0."""
    found = []
    for number, name in enumerate(names):
        readable = drawable(name).count("?") == name.count("?")
        found.append(label(name, longest) if readable else f"class {number}")
    return found


def new_figure(width: float, height: float, title: str, caption: str = "") -> Figure:
    """Return an empty figure that needs no display. Call it within `style`.

    Args:
        width: In inches.
        height: In inches.
        title: Title over the figure.
        caption: How to read it; its PNG file holds this, and `holdout report` shows it.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.set_label(caption)
    figure.suptitle(textwrap.fill(drawable(title), max(20, int(width / LETTER)), break_on_hyphens=False))
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


def as_png(figure: Figure) -> bytes:
    """Return a figure as a PNG file, which is the same for the same figure."""
    with style(), io.BytesIO() as file:
        metadata = {"Software": None, "Description": str(figure.get_label()) or None}
        figure.savefig(file, dpi=DPI, format="png", metadata=metadata)
        return file.getvalue()


def save_figure(trainer: L.Trainer, figure: Figure, name: str) -> None:
    """Write a figure to `figures/<name>.png` in the run folder, and give it to each logger that takes pictures."""
    folder = run_folder(trainer)
    if folder is None:
        return
    png = as_png(figure)
    with atomic_write(folder / "figures" / f"{name}.png") as file:
        file.write(png)
    for logger in trainer.loggers:
        _log_picture(logger, f"figures/{name}", png, trainer.global_step)


def _log_picture(logger: Any, name: str, png: bytes, step: int) -> None:
    if getattr(logger, "is_waiting", False) is True:  # for a training to begin: there is nothing to add to
        return
    picture = Image.open(io.BytesIO(png))
    if isinstance(logger, TensorBoardLogger):
        logger.experiment._get_file_writer().add_summary(picture_record(name, png, *picture.size), step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_image(logger.run_id, picture.convert("RGB"), artifact_file=f"{name}.png")
    elif hasattr(logger, "log_image"):  # as W&B's
        logger.log_image(key=name, images=[picture.convert("RGB")], step=step)
