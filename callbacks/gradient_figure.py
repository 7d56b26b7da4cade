"""The figure of gradients: a line for each of a few epochs, over layers and over the steps of a sequence."""

from collections.abc import Sequence

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from torch import Tensor

from callbacks.figures import WIDTH, label, new_figure, plain_axes, style

CAPTION = "Norms by layer, of a few epochs: gradients that vanish or explode, and updates far from a thousandth."


Norms = dict[str, Tensor]  # "epoch", from 1, and by kind the norms of each layer or step, NaN where there is none
MOST_EPOCHS = 4
MOST_LABELS = 10
LEAST_SPAN = 100
FLOOR = 0.1  # of the smallest number in a panel: what a 0 is drawn at
USUAL_UPDATE = 1e-3
PANELS = {"gradients": "gradient norm", "updates": "update ÷ weights", "steps": "gradient norm"}


def draw_norms(epochs: Sequence[Norms], layers: Sequence[str], title: str) -> Figure:
    """Draw norms of gradients and updates by layer, and of gradients by step if there are any.

    Args:
        epochs: Of each epoch that was measured, in order; at least one. The first, the last and two between are drawn.
        layers: Names of the layers, from input to output.
        title: Title over the panels.
    """
    places = sorted({round(k * (len(epochs) - 1) / (MOST_EPOCHS - 1)) for k in range(MOST_EPOCHS)})
    shown = [epochs[place] for place in places]
    kinds = [kind for kind in PANELS if kind in shown[-1]]
    with style(title, *layers):
        figure = new_figure(WIDTH, 2.5 * len(kinds) + 2.0, title, CAPTION)
        panels = figure.subplots(len(kinds), squeeze=False)[:, 0]
        colors = matplotlib.colormaps["viridis_r"](torch.linspace(0.15, 1, len(shown)).numpy())
        for kind, axes in zip(kinds, panels, strict=True):
            plain_axes(axes).set_yscale("log")
            measured = torch.cat([norms[kind] for norms in shown if kind in norms])
            floor = _floor(measured)
            for norms, color in zip(shown, colors, strict=True):
                if kind in norms:
                    values = norms[kind].clamp_min(floor)
                    marker = "o" if len(values) <= MOST_LABELS else None
                    axes.plot(range(1, len(values) + 1), values, color=color, marker=marker, label=_epoch(norms))
            axes.set_ylabel(PANELS[kind])
            if (measured == 0).any():
                axes.axhline(floor, color="#444444", linestyle="--", linewidth=1.5, label="0: no gradient")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlim(left=0.5)
            if kind == "steps":
                axes.set_xlabel("step of the sequence")
            if kind == "updates":
                axes.axhline(USUAL_UPDATE, color="#444444", linestyle=":", linewidth=1.5, label="1/1,000: usual")
            _log_axis(axes)
        if "updates" in kinds:
            axes = panels[kinds.index("updates")]
            _label_layers(axes, layers)
            if len(layers) <= MOST_LABELS:
                panels[kinds.index("gradients")].sharex(axes)
                panels[kinds.index("gradients")].tick_params(labelbottom=False)
        lines = {line.get_label(): line for axes in panels for line in axes.lines}
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _floor(values: Tensor) -> float:
    """Return what a 0 is drawn at, on an axis that has none."""
    positive = values[values > 0]
    return FLOOR * positive.min().item() if len(positive) else 1.0


def _log_axis(axes: Axes) -> None:
    """Label a logarithmic axis in plain text, and let it span two decades: within one, gradients do not vanish."""
    least, most = axes.get_ylim()
    wider = max(LEAST_SPAN / (most / least), 1) ** 0.5
    axes.set_ylim(least / wider, most * wider)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _epoch(norms: Norms) -> str:
    return f"epoch {int(norms['epoch'])}"


def _label_layers(axes: Axes, layers: Sequence[str]) -> None:
    if len(layers) <= MOST_LABELS:
        axes.set_xticks(range(1, len(layers) + 1), [label(name, 18) for name in layers], rotation=40, ha="right")
        axes.set_xlabel("layer, from input to output")
    else:
        axes.set_xlabel(f"layer: 1 is {label(layers[0], 18)}, {len(layers)} is {label(layers[-1], 18)}")
