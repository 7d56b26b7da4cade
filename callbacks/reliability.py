"""Reliability diagrams: how often predictions come true, against the probability that they were given."""

from collections.abc import Mapping
from typing import Any, ClassVar

import lightning as L
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor
from typing_extensions import override

from callbacks.figures import BEST_COLOR, PART_COLORS, PART_LABELS, new_figure, plain_axes, save_figure, style
from callbacks.lookup import run_folder, run_title
from datamodules.samples import existing_targets
from models.metrics.calibration import JUDGES, ReliabilityBins, expected_gap
from models.metrics.mean_loss import SUM_DTYPE

CAPTION = "How often predictions of each confidence come true; on the diagonal the confidence is honest."
BAR_COLOR, PALE_COLOR = PART_COLORS["val"], "#a9cbe6"
FEW = 10  # samples of a bin whose rate says little
AXES = {
    "classes": ("confidence in the predicted class", "accuracy"),
    "labels": ("probability of a label", "fraction of true labels"),
}


def draw_reliability(panels: Mapping[str, Tensor], title: str, labels: tuple[str, str] = AXES["classes"]) -> Figure:
    """Draw a reliability diagram in each panel, and below it how the samples spread over its bins.

    Args:
        panels: By title, what `reliability_bins` returns, (3, bins).
        title: Title over the panels.
        labels: Labels of the axes: what the probability is of, and what came true.
    """
    with style(title, *panels):
        return _draw(panels, new_figure(max(4.4 * len(panels), 5.4), 5.4, title, CAPTION), labels)


def _draw(panels: Mapping[str, Tensor], figure: Figure, labels: tuple[str, str]) -> Figure:
    grid = figure.add_gridspec(2, len(panels), height_ratios=(4, 1))
    for column, (name, bins) in enumerate(panels.items()):
        above = plain_axes(figure.add_subplot(grid[0, column]))
        _diagram(above, bins.cpu(), f"{name}\ncalibration error {expected_gap(bins):.2%}", labels)
        below = plain_axes(figure.add_subplot(grid[1, column], sharex=above))
        _spread(below, bins.cpu(), labels)
    kinds = (
        Patch(color=BAR_COLOR, label=labels[1]),
        Patch(color=PALE_COLOR, label=f"{labels[1]} of fewer than {FEW}"),
        Patch(facecolor="none", edgecolor=BEST_COLOR, hatch="////", linewidth=0, label="gap to the mean probability"),
    )
    # Bars may be anywhere in the panels.
    figure.legend(
        handles=kinds,
        loc="outside lower center",
        ncols=2 if len(panels) == 1 else len(kinds),
        fontsize=9,
        frameon=False,
    )
    return figure


def _edges(bins: Tensor) -> tuple[list[float], float]:
    width = 1 / bins.shape[1]
    return [number * width for number in range(bins.shape[1])], width


def _diagram(axes: Axes, bins: Tensor, title: str, labels: tuple[str, str]) -> None:
    counts, confidences, correct = bins
    edges, width = _edges(bins)
    held = counts > 0
    rate, mean = (correct / counts).nan_to_num(), (confidences / counts).nan_to_num()
    colors = [BAR_COLOR if count >= FEW else PALE_COLOR for count in counts.tolist()]
    axes.bar(edges, rate.tolist(), width, align="edge", color=colors, edgecolor="white")
    gaps = (mean - rate).where(held, 0.0).tolist()
    hatched: dict[str, Any] = {"facecolor": "none", "edgecolor": BEST_COLOR, "hatch": "////", "linewidth": 0}
    axes.bar(edges, gaps, width, bottom=rate.tolist(), align="edge", **hatched)
    axes.plot([0, 1], [0, 1], color="#444444", linewidth=1, linestyle="--")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel=labels[1])
    axes.set_title(title, fontsize=10)
    axes.tick_params(labelbottom=False)


def _spread(axes: Axes, bins: Tensor, labels: tuple[str, str]) -> None:
    edges, width = _edges(bins)
    shares = (bins[0] / bins[0].sum()).tolist()
    axes.bar(edges, shares, width, align="edge", color=PART_COLORS["train"], edgecolor="white")
    axes.set(ylim=(0, 1), yticks=(0, 0.5, 1), xlabel=labels[0], ylabel="share\nof samples")


class ReliabilityDiagram(L.Callback):
    """Draws `figures/reliability.png` of a test, before and after temperature scaling if a temperature was fitted.

    Acts if the task has classes or yes/no labels and its `test_step` returns logits.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self) -> None:
        self._bins: dict[str, ReliabilityBins] = {}

    @override
    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        judge = JUDGES.get(getattr(pl_module, "takes", "values"))
        names = panel_names(getattr(pl_module, "temperature", 1.0)) if judge is not None else ()
        self._bins = {name: ReliabilityBins(judge).to(pl_module.device) for name in names if judge is not None}

    @override
    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        if not isinstance(outputs, Tensor):
            self._bins = {}
            return
        raw = outputs.to(SUM_DTYPE) * getattr(pl_module, "temperature", 1.0)
        for bins, logits in zip(self._bins.values(), (raw, outputs), strict=False):
            bins.update(logits, existing_targets(batch[1]))

    @override
    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        panels = {name: bins.compute() for name, bins in self._bins.items()}  # on every device: they exchange them
        if any(bins[0].sum() for bins in panels.values()) and trainer.is_global_zero:
            save_reliability(trainer, pl_module, panels, "test")


def panel_names(temperature: float) -> tuple[str, ...]:
    """Return the titles of the panels: before and after temperature scaling, or one if there is none."""
    return ("not scaled",) if temperature == 1 else ("temperature 1", f"temperature {temperature:.4g}")


def save_reliability(trainer: L.Trainer, task: L.LightningModule, panels: Mapping[str, Tensor], part: str) -> None:
    """Draw a task's diagrams of a part, "val" or "test", into the run's folder."""
    folder = run_folder(trainer)
    if folder is None:
        return
    samples = int(next(iter(panels.values()))[0].sum())
    takes = getattr(task, "takes", "classes")
    kind = "labels" if takes == "labels" else "samples"
    title = f"{run_title(folder)}: reliability on {samples:,} {PART_LABELS[part]} {kind}"
    save_figure(trainer, draw_reliability(panels, title, AXES[takes]), "reliability")
