"""Memorization: what becomes of training samples whose label is wrong on purpose."""

from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from matplotlib.figure import Figure
from torch import Tensor
from typing_extensions import override

from callbacks.figures import WIDTH, epoch_axis, new_figure, plain_axes, save_figure, style
from callbacks.history import History, Row, epochs_done
from callbacks.lookup import run_folder, run_title
from callbacks.printing import metric_lines
from callbacks.probe import Evaluation, Probe, clean_subset, stratified_subset
from datamodules.base import DataModule
from models.task import Task

CAPTION = "What becomes of training samples whose label is wrong on purpose: memorised, or learnt from the others."
# Metrics without their prefix, their labels and colours; the fractions add up to 1.
FRACTIONS = {
    "wrong_label": ("predicted as the wrong label: memorised", "#d1495b"),
    "true_label": ("predicted as the true label: learnt", "#1f6fb4"),
    "neither": ("neither", "#cccccc"),
}
CLEAN_ACCURACY = ("clean_accuracy", "accuracy on training samples with true labels", "#222222")


def memorized_fractions(predicted: Tensor, given: Tensor, true: Tensor) -> dict[str, float]:
    """Return the fractions of samples with wrong labels that are predicted as the wrong label, the true one, neither.

    Args:
        predicted: Predicted classes, (n,), n above 0.
        given: The wrong labels that training is given, (n,).
        true: The true labels, (n,).

    Returns:
        "wrong_label", "true_label" and "neither", which add up to 1.
    """
    wrong, right = (predicted == given).float().mean().item(), (predicted == true).float().mean().item()
    return {"wrong_label": wrong, "true_label": right, "neither": 1 - wrong - right}


class Memorization(Probe):
    """Logs which fraction of the wrongly labelled training samples the network has memorised, and which it has learnt.

    With `label_noise` in the data (Zhang et al., arXiv 1611.03530; Arpit et al., arXiv 1706.05394), a sample that is
    predicted as its wrong label was memorised: nothing else leads there more often than chance. One that is predicted
    as its true label was learnt from the others. `memorization/wrong_label`, `/true_label` and `/neither` are fractions
    of those samples; `/clean_accuracy` is the accuracy on training samples with true labels, of which there may be more
    or fewer. All are evaluated as validation is: in evaluation mode, without augmentation. Draws
    `figures/memorization.png` when training ends. With noise of rate 0, as in a study that varies it, only the accuracy
    is logged.

    Args:
        samples: Largest number of samples with wrong labels, and of samples with true ones.
        every_n_epochs: Measure in every nth epoch, and in the last of `trainer.max_epochs`.

    Raises:
        ValueError: An argument is less than 1.
    """

    prefix = "memorization/"

    def __init__(self, samples: int = 5000, every_n_epochs: int = 1) -> None:
        super().__init__(samples, every_n_epochs)
        self._wrong: Evaluation | None = None
        self._clean: Evaluation | None = None
        self._true: Tensor

    @override
    def choose(self, data: DataModule) -> None:
        wrong = corrupted_samples(data, self.samples)
        if data.label_noise is None:
            raise MisconfigurationException("Memorization: no training label is wrong on purpose; set data.label_noise")
        self._true = data.samples.targets[wrong]
        self._wrong = Evaluation(data, wrong) if len(wrong) else None
        clean = clean_subset(data, self.samples)
        self._clean = Evaluation(data, clean) if len(clean) else None

    @override
    def measure(self, trainer: L.Trainer, task: Task) -> dict[str, float]:
        measured: dict[str, float] = {}
        if self._wrong is not None:
            logits, given = self._wrong(trainer, task)
            measured = memorized_fractions(logits.argmax(-1), given, self._true)
        if self._clean is not None:
            logits, given = self._clean(trainer, task)
            measured[CLEAN_ACCURACY[0]] = (logits.argmax(-1) == given).float().mean().item()
        return measured

    @override
    def summary_lines(self, best: Row) -> list[str]:
        return metric_lines({name: value for name, value in best.items() if name.startswith(self.prefix)})

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        rows, folder = History.of(trainer).measured("memorization/wrong_label"), run_folder(trainer)
        if rows and folder is not None and trainer.is_global_zero:
            title = f"{run_title(folder)}: training samples with wrong labels"
            save_figure(trainer, draw_memorization(rows, title), "memorization")


def corrupted_samples(data: DataModule, count: int) -> Tensor:
    """Return a random subset of the training samples with wrong labels, (n,), int64, n at most `count`."""
    assert data.split is not None
    train = data.split.train
    if data.label_noise is None:
        return torch.from_numpy(train[:0])
    wrong = train[(data.targets[train] != data.samples.targets[train]).numpy()]
    return stratified_subset(data, wrong, None, count)


def draw_memorization(rows: list[Row], title: str) -> Figure:
    """Draw the fractions over epochs, stacked, and the accuracy on clean samples and on validation as lines.

    Args:
        rows: One dictionary per epoch or validation within one, in order, all with "memorization/" metrics.
        title: Title over the figure.
    """
    with style(title):
        return _draw(rows, new_figure(WIDTH, 5.4, title, CAPTION))


def _draw(rows: list[Row], figure: Figure) -> Figure:
    axes = plain_axes(figure.add_subplot())
    epochs = [epochs_done(row) for row in rows]
    stacked = [[row[f"memorization/{name}"] for row in rows] for name in FRACTIONS]
    labels, colors = zip(*FRACTIONS.values(), strict=True)
    axes.stackplot(epochs, stacked, labels=labels, colors=colors, alpha=0.75, linewidth=0)
    name, label, color = CLEAN_ACCURACY
    lines: list[tuple[Any, ...]] = [
        (f"memorization/{name}", label, color, "-"),
        ("val/accuracy", "validation accuracy", color, "--"),
    ]
    for name, label, color, line_style in lines:
        points = [(epochs_done(row), row[name]) for row in rows if name in row]
        if points:
            axes.plot(*zip(*points, strict=True), color=color, linestyle=line_style, label=label)
    epoch_axis(axes)
    axes.set_ylabel("fraction")
    axes.set_ylim(0, 1)
    figure.legend(loc="outside lower center", ncols=1, frameon=False)
    return figure
