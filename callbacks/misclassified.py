"""A gallery of the most confident mistakes on the test images."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import lightning as L
import torch
from matplotlib.figure import Figure
from torch import Tensor
from typing_extensions import override

from callbacks.figures import (
    RIGHT_COLOR,
    WRONG_COLOR,
    class_labels,
    save_figure,
    style,
)
from callbacks.image_grid import Words, image_figure
from datamodules.samples import target_kind

CAPTION = "The most confident mistakes on the test part: the predicted class, its probability, and the true class."


class Mistake(NamedTuple):
    """One image that was classified wrongly.

    Attributes:
        confidence: Probability of the predicted class.
        predicted: The predicted class.
        actual: The true class.
        image: (C, H, W), float32 in [0, 1].
    """

    confidence: float
    predicted: int
    actual: int
    image: Tensor


def draw_mistakes(mistakes: Sequence[Mistake], class_names: Sequence[str], title: str, columns: int = 4) -> Figure:
    """Draw images in rows, each below the predicted class, its probability and the actual class.

    Args:
        mistakes: Mistakes to draw in order, at least one.
        class_names: Names of the C classes.
        title: Title over the images.
        columns: Images per row.
    """
    with style(title, *class_names):
        names = class_labels(class_names, longest=11)
        words = [mistake_words(mistake, names) for mistake in mistakes]
        images = [mistake.image for mistake in mistakes]
        return image_figure(title, images, words, columns, words_above=True, caption=CAPTION)


def mistake_words(mistake: Mistake, names: Sequence[str]) -> Words:
    """Return what was predicted, with its probability, and what is true, as words at an image."""
    lines = (f"{names[mistake.predicted]} {mistake.confidence:.0%}", f"is {names[mistake.actual]}")
    return Words(lines, (WRONG_COLOR, RIGHT_COLOR))


class MisclassifiedGallery(L.Callback):
    """Draws `figures/misclassified.png`: the most confident mistakes of a test.

    Acts if inputs are images in [0, 1] with one or three channels, each of one class, and the task's `test_step`
    returns logits.

    Args:
        count: Largest number of images.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self, count: int = 16) -> None:
        self.count = count
        self._worst: list[Mistake] = []
        self._wrong = self._seen = 0

    @override
    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._worst, self._wrong, self._seen = [], 0, 0

    @override
    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        inputs, targets, *_ = batch
        if not isinstance(inputs, Tensor) or inputs.ndim != 4 or inputs.shape[1] not in (1, 3) or outputs is None:
            return
        if targets.ndim != 1 or target_kind(targets) != "classes":
            return
        confidences, predictions = outputs.float().softmax(-1).max(-1)
        wrong = (predictions != targets).nonzero().flatten()
        self._seen, self._wrong = self._seen + len(targets), self._wrong + len(wrong)
        chosen = wrong[confidences[wrong].argsort(descending=True)[: self.count]]
        images = inputs[chosen].float().clamp(0, 1).cpu()
        columns = (confidences[chosen].tolist(), predictions[chosen].tolist(), targets[chosen].tolist(), images)
        self._keep(Mistake(*values) for values in zip(*columns, strict=True))

    def _keep(self, more: Any) -> None:
        self._worst = sorted([*self._worst, *more], key=lambda mistake: -mistake.confidence)[: self.count]

    @override
    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.world_size > 1:
            found: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(found, (list(self._worst), self._wrong, self._seen))
            self._worst = []
            self._keep(mistake for worst, *_ in found for mistake in worst)
            self._wrong, self._seen = (sum(counts[k] for counts in found) for k in (1, 2))
        if self._worst and trainer.is_global_zero:
            title = f"{self._wrong:,} of {self._seen:,} test images are wrong; the most confident mistakes"
            self.draw(trainer, pl_module, self._worst, title)

    def draw(self, trainer: L.Trainer, pl_module: L.LightningModule, mistakes: Sequence[Mistake], title: str) -> None:
        """Draw the mistakes, at least one, the most confident first."""
        names = trainer.datamodule.class_names  # type: ignore[attr-defined]
        save_figure(trainer, draw_mistakes(mistakes, names, title), "misclassified")
