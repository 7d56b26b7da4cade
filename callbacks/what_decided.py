"""Which pixels decided: attributions of the most confident mistakes of a test, by captum."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import lightning as L
import matplotlib
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from typing_extensions import override

from callbacks.figures import class_labels, save_figure, style
from callbacks.image_grid import Words, image_figure
from callbacks.misclassified import MisclassifiedGallery, Mistake, mistake_words
from datamodules.optional import need

CAPTION = "Which pixels decided: integrated gradients and, of a convolution network, Grad-CAM."
STEPS = 50  # points on the way from the baseline to the image


class Explanation(NamedTuple):
    """What decided that an image was classified as it was.

    Attributes:
        mistake: The image, its predicted and its actual class.
        gradients: Integrated gradients of the predicted class's logit, summed over the channels, (H, W).
        areas: Grad-CAM of the predicted class in the last convolution, (H, W), 0 or more; None without a convolution.
    """

    mistake: Mistake
    gradients: Tensor
    areas: Tensor | None

    def pictures(self) -> list[Tensor]:
        """Return the gradients, red where above 0 and blue where below, and the areas over the image, (3, H, W)."""
        most = self.gradients.abs().quantile(0.995).item() or 1.0  # a single pixel must not make the others pale
        pictures = [_colored("RdBu_r", self.gradients / (2 * most) + 0.5)]
        if self.areas is not None:
            heat = _colored("jet", self.areas / (self.areas.max().item() or 1.0))
            pictures.append(0.5 * heat + 0.5 * self.mistake.image.mean(0))
        return pictures


def _colored(name: str, values: Tensor) -> Tensor:
    """Return values in [0, 1], (H, W), in the colours of a map of matplotlib, (3, H, W)."""
    colors = matplotlib.colormaps[name](values.clamp(0, 1).numpy())[..., :3]
    return torch.from_numpy(colors).permute(2, 0, 1)


class WhatDecided(MisclassifiedGallery):
    """Draws `figures/what_decided.png` in a test: for the most confident mistakes, which pixels spoke for the class.

    By integrated gradients (Sundararajan et al., ICML 2017), whose baseline is a black image, and for networks with
    convolutions by Grad-CAM of the last one (Selvaraju et al., ICCV 2017). It acts as `MisclassifiedGallery` does, if
    the network takes images: `holdout test --ckpt_path FILE --trainer.callbacks+ WhatDecided`.

    Args:
        count: Largest number of images.

    Raises:
        MissingPackageError: captum is not installed.
    """

    def __init__(self, count: int = 4) -> None:
        need("captum", "explain", "WhatDecided")
        super().__init__(count)

    @override
    def draw(self, trainer: L.Trainer, pl_module: Any, mistakes: Sequence[Mistake], title: str) -> None:
        if getattr(pl_module, "preprocessing", None) is None or pl_module.preprocessing.rows:
            return
        explanations = explain(pl_module, mistakes)
        names = trainer.datamodule.class_names  # type: ignore[attr-defined]
        save_figure(trainer, draw_explanations(explanations, names, f"what decided; {title}"), "what_decided")


def explain(task: Any, mistakes: Sequence[Mistake]) -> list[Explanation]:
    """Return what decided of some mistakes; the task must be in evaluation mode.

    Args:
        task: A classifier of images.
        mistakes: At least one.
    """
    from captum.attr import IntegratedGradients, LayerGradCam  # takes a second to import

    with torch.inference_mode(False), torch.enable_grad():
        images = torch.stack([mistake.image for mistake in mistakes]).to(task.device).clone()
        predicted = torch.tensor([mistake.predicted for mistake in mistakes], device=task.device)

        def logits(scaled: Tensor) -> Tensor:
            outputs: Tensor = task.network(task.preprocessing.normalize(scaled, task.network_dtype))
            return outputs.float()

        attributed = IntegratedGradients(logits).attribute(
            images, torch.zeros_like(images), predicted, n_steps=STEPS, internal_batch_size=max(STEPS, len(images))
        )
        areas: Tensor | None = None
        layer = last_convolution(task.network)
        if layer is not None:
            coarse = LayerGradCam(logits, layer).attribute(images, predicted, relu_attributions=True)
            areas = F.interpolate(coarse.float(), images.shape[-2:], mode="bilinear").detach().cpu()[:, 0]
    gradients = attributed.sum(1).float().detach().cpu()
    return [
        Explanation(mistake, gradients[k], None if areas is None else areas[k]) for k, mistake in enumerate(mistakes)
    ]


def last_convolution(network: nn.Module) -> nn.Conv2d | None:
    """Return the last convolution of a network, None if it has none."""
    found = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    return found[-1] if found else None


def draw_explanations(explanations: Sequence[Explanation], class_names: Sequence[str], title: str) -> Figure:
    """Draw a row for each image: the image, its integrated gradients and its Grad-CAM.

    Args:
        explanations: At least one.
        class_names: Names of the C classes.
        title: Title over the rows.
    """
    columns = 2 if explanations[0].areas is None else 3
    with style(title, *class_names):
        names = class_labels(class_names, longest=14)
        images, words = [], []
        for explanation in explanations:
            images += [explanation.mistake.image, *explanation.pictures()]
            heads = [Words(text, ("black",) * 2) for text in (("integrated", "gradients"), ("Grad-CAM", ""))]
            words += [mistake_words(explanation.mistake, names), *heads[: columns - 1]]
        images = [image.expand(3, -1, -1) for image in images]
        figure = image_figure(title, images, words, columns, words_above=True, caption=CAPTION)
        figure.supxlabel("red: for the predicted class, blue: against it", fontsize=11)
    return figure
