"""Which pixels decided: attributions of the most confident mistakes of a test, by captum."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import lightning as L
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from typing_extensions import override

from callbacks.figures import WIDTH, class_labels, new_figure, save_figure, style
from callbacks.misclassified import MisclassifiedGallery, Mistake, head_image, show_image
from datamodules.optional import need

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
    columns = 3 if explanations[0].areas is not None else 2
    heads = ("image", "integrated\ngradients", "Grad-CAM")[:columns]
    with style(title, *class_names):
        names = class_labels(class_names, longest=14)
        cell = WIDTH / 3
        figure = new_figure(WIDTH, (cell + 0.45) * len(explanations) + 1.4, title)
        for row, (mistake, gradients, areas) in enumerate(explanations):
            axes = [figure.add_subplot(len(explanations), columns, row * columns + k + 1) for k in range(columns)]
            show_image(axes[0], mistake.image)
            head_image(axes[0], f"{names[mistake.predicted]} {mistake.confidence:.0%}", f"is {names[mistake.actual]}")
            most = gradients.abs().quantile(0.995).item() or 1.0
            axes[1].imshow(gradients.numpy(), cmap="RdBu_r", vmin=-most, vmax=most)
            if areas is not None:
                grey = mistake.image.mean(0).numpy()
                axes[2].imshow(grey, cmap="gray", vmin=0, vmax=1)
                axes[2].imshow(areas.numpy(), cmap="jet", alpha=0.45, vmin=0, vmax=areas.max().item() or 1.0)
            for panel, head in zip(axes[1:], heads[1:], strict=True):
                panel.set_axis_off()
                if row == 0:
                    panel.set_title(head)
        figure.supxlabel("red: for the predicted class, blue: against it", fontsize=11)
    return figure
