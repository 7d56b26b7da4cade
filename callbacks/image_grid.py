"""Images in rows, with words above or below each, on one pair of axes: many pairs take seconds to draw."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.figures import WIDTH, new_figure

GAP = 0.08  # between images, in widths of an image
LINE = 0.19  # inches of a line of words
FONT_SIZE = 11


class Words(NamedTuple):
    """Lines of text at an image, each with its colour."""

    lines: Sequence[str]
    colors: Sequence[str]


def image_figure(
    title: str, images: Sequence[Tensor], words: Sequence[Words], columns: int, words_above: bool, caption: str = ""
) -> Figure:
    """Return a figure of images in rows, with words at each. Call it within `callbacks.figures.style`.

    Args:
        title: Title over the images.
        images: Images (C, H, W) of one size, float in [0, 1], grey or RGB; at least one.
        words: The words at each.
        columns: Images per row.
        words_above: Write the words above the images, not below.
        caption: How to read it.
    """
    most = max(len(item.lines) for item in words)
    rows = math.ceil(len(images) / columns)
    line = LINE * columns * (1 + GAP) / WIDTH  # in widths of an image
    height = images[0].shape[1] / images[0].shape[2]
    step = height + most * line + 2 * GAP
    figure = new_figure(WIDTH, rows * step * WIDTH / (columns * (1 + GAP)) + 0.5, title, caption)
    axes = grid_axes(figure, columns * (1 + GAP), rows * step)
    for number, (image, item) in enumerate(zip(images, words, strict=True)):
        left, top = number % columns * (1 + GAP), number // columns * step + (most * line + GAP) * words_above
        show_at(axes, image, left, top)
        first = top - len(item.lines) * line - GAP / 2 if words_above else top + height + GAP / 2
        for place, (text, color) in enumerate(zip(*item, strict=True)):
            y = first + (place + 0.5) * line
            shown = axes.text(left + 0.5, y, text, color=color, ha="center", va="center", fontsize=FONT_SIZE)
            shown.set_in_layout(False)  # a long one must not make all images smaller
    return figure


def grid_axes(figure: Figure, width: float, height: float) -> Axes:
    """Add axes without ticks, on which y goes down and a unit is the width of an image."""
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(-GAP / 2, width - GAP / 2)
    axes.set_ylim(height, 0)
    axes.set_aspect("equal")
    return axes


def show_at(axes: Axes, image: Tensor, left: float, top: float) -> None:
    """Show an image (C, H, W), float in [0, 1], grey or RGB, one unit wide, on `grid_axes`."""
    pixels = image.permute(1, 2, 0).numpy()
    height = pixels.shape[0] / pixels.shape[1]
    axes.imshow(
        pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels,
        cmap="gray",
        vmin=0,
        vmax=1,
        extent=(left, left + 1, top + height, top),
        interpolation="nearest",
    )
