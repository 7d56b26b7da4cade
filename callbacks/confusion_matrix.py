"""What is taken for what: the confusion matrix, and the accuracy of each class."""

from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix
from typing_extensions import override

from callbacks.figures import PART_COLORS, WIDTH, class_labels, new_figure, plain_axes, style
from callbacks.predictions import Collected, PredictionsFigure

CONFUSIONS = "Which true class, in rows, is taken for which, in columns; mistakes lie beside the diagonal."
ACCURACIES = "Accuracy of each class, the worst first, beside that of all samples."


Counts = npt.NDArray[np.int64]
MOST_CELLS = 20  # classes whose counts can be read in a matrix
MOST_NAMED = 12  # confusions, or classes of many, that are named
MOST_CLASSES = 300  # of which a matrix is collected: it is in each checkpoint


class ConfusionMatrix(PredictionsFigure):
    """Draws what each class is taken for, `confusion_matrix_<part>.png`, and `class_accuracy_<part>.png`.

    Of validation in the best epoch, when training ends (`val`), and of a test (`test`). For tasks with one class per
    sample, or per step, of up to 300 classes.
    """

    @override
    def begin(self, pl_module: L.LightningModule, data: Any) -> bool:
        names = getattr(data, "class_names", ())
        if getattr(pl_module, "takes", None) != "classes" or not 2 <= len(names) <= MOST_CLASSES:
            return False
        self._metric = MulticlassConfusionMatrix(len(names), validate_args=False).to(pl_module.device)
        return True

    @override
    def add(self, predictions: Tensor, targets: Tensor) -> None:
        self._metric.update(predictions, targets)

    @override
    def collected(self, trainer: L.Trainer) -> Collected:
        counts = self._metric.compute() if self._metric.update_called else torch.zeros(0)
        return {"counts": counts.int().cpu()} if counts.sum() else {}

    @override
    def draw(self, collected: Collected, part: str, title: str, pl_module: Any, data: Any) -> Mapping[str, Figure]:
        counts = collected["counts"].long().numpy()
        names = [*data.class_names]
        return {
            f"confusion_matrix_{part}": draw_confusions(counts, names, title),
            f"class_accuracy_{part}": draw_class_accuracy(counts, names, title, PART_COLORS[part]),
        }


def draw_confusions(counts: Counts, class_names: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix, coloured by the share of each true class; of many classes the largest confusions too.

    Args:
        counts: Samples of true class i that are taken for class j, (C, C).
        class_names: Names of the C classes.
        title: Title over the matrix.
    """
    number, many = len(counts), len(counts) > MOST_CELLS
    width = WIDTH if many else max(WIDTH, 1.8 + 0.27 * number)
    with style(title, *class_names):
        figure = new_figure(width, 0.9 * width + (2.6 if many else 0.3), title, CONFUSIONS)
        axes = figure.add_subplot() if not many else figure.subplots(2, height_ratios=[WIDTH - 0.6, 2.6])[0]
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02, label="share of the true class")
        bar.ax.set_yticks([0, 0.5, 1], ["0", "½", "1"])
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if many:
            _list_confusions(figure.axes[1], counts, class_labels(class_names, longest=17))
            return figure
        labels = class_labels(class_names, longest=12)
        axes.set_xticks(range(number), labels, rotation=90 if max(map(len, labels)) > 2 else 0)
        axes.set_yticks(range(number), labels)
        size = (11 if number <= 10 else 8) - 2 * (counts.max() >= 1000)
        for true, predicted in zip(*counts.nonzero(), strict=True):
            color = "white" if shares[true, predicted] > 0.5 else "black"
            count = f"{counts[true, predicted]}"
            axes.text(predicted, true, count, color=color, ha="center", va="center", fontsize=size)
    return figure


def _list_confusions(axes: Any, counts: Counts, labels: list[str]) -> None:
    """Write down the pairs of classes that are confused most often."""
    axes.set_axis_off()
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[: MOST_NAMED // 2]
    pairs = [(int(place) // len(counts), int(place) % len(counts)) for place in order if wrong.flat[place]]
    lines = [f"{wrong[true, predicted]} × {labels[true]} taken for {labels[predicted]}" for true, predicted in pairs]
    axes.text(0, 1, "\n".join(["most frequent:", *lines]), va="top", transform=axes.transAxes)


def draw_class_accuracy(counts: Counts, class_names: Sequence[str], title: str, color: str) -> Figure:
    """Draw the fraction of each class that is recognised, the worst class on top; of many classes the worst.

    Args:
        counts: As in `draw_confusions`.
        class_names: Names of the C classes.
        title: Title over the bars.
        color: Of the bars.
    """
    sizes = counts.sum(1)
    there = np.flatnonzero(sizes)
    accuracies = counts.diagonal() / np.maximum(sizes, 1)
    order = there[np.argsort(accuracies[there], kind="stable")]
    shown = order if len(order) <= MOST_CELLS else order[:MOST_NAMED]
    if len(shown) < len(order):
        title = f"{title}; the worst {len(shown)} of {len(order)} classes"
    overall = counts.trace() / counts.sum()
    with style(title, *class_names):
        figure = new_figure(WIDTH, 0.36 * len(shown) + 1.7, title, ACCURACIES)
        axes = plain_axes(figure.add_subplot())
        labels = class_labels(class_names, longest=17)
        places = range(len(shown), 0, -1)
        axes.barh(places, accuracies[shown], color=color, height=0.7)
        axes.set_yticks(places, [f"{labels[k]} ({sizes[k]:,})" for k in shown])
        for place, accuracy in zip(places, accuracies[shown], strict=True):
            x, text_color = (0.015, "white") if accuracy > 0.2 else (accuracy + 0.015, "black")
            axes.text(x, place, f"{accuracy:.0%}", va="center", color=text_color, fontsize=11)
        axes.axvline(
            overall, color="#444444", linestyle="--", linewidth=1.5, label=f"all: {overall:.1%} (in brackets: samples)"
        )
        axes.set_xlim(0, 1)
        axes.set_ylim(0.4, len(shown) + 0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("accuracy")
        figure.legend(loc="outside lower center", frameon=False)
    return figure
