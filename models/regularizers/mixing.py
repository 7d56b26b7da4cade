"""Mixed samples: MixUp and CutMix.

torchvision's `MixUp` and `CutMix` draw one λ per batch and mix neighbours in a rolled batch. Here λ is drawn per sample
(or per batch, as an option), and partners are a random permutation.
"""

from typing import Any, Literal

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.checks import check_coefficient
from models.errors import TrainingError
from models.regularizers.base import Regularizer
from models.regularizers.boxes import box_mask, draw_centres
from models.regularizers.hook_results import perturbed_pair
from models.regularizers.input_checks import check_images

MixPer = Literal["sample", "batch"]


def draw_lambdas(alpha: float, samples: int, device: torch.device, each: MixPer = "sample") -> Tensor:
    """Draw λ of each sample from Beta(α, α).

    For small α a gamma variate underflows, and the ratio of two is undefined. Their logarithms stay finite: Gamma(α) is
    Gamma(α + 1) · U^(1/α) (Devroye, "Non-Uniform Random Variate Generation", 1986, chapter IX.3.5).

    Args:
        alpha: α, above 0.
        samples: N, the number of samples.
        device: Device to draw on.
        each: One draw per "sample", or one for the "batch".

    Returns:
        (N,), float32 in [0, 1].
    """
    count = samples if each == "sample" else 1
    alpha = max(alpha, 1e-30)  # below, λ is 0 or 1 in any case, and 1/α overflows
    shape, rate = (torch.tensor(value, device=device, dtype=torch.float32) for value in (alpha + 1, 1))
    gamma = torch.distributions.Gamma(shape, rate).sample((2, count))
    uniform = 1 - torch.rand(2, count, device=device, dtype=torch.float32)  # never 0
    logarithms = gamma.log() + uniform.log() / alpha
    return torch.sigmoid(logarithms[0] - logarithms[1]).expand(samples)


def mix_up(inputs: Tensor, targets: Tensor, lambdas: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:
    """Return λ times each sample and its target plus 1 − λ times its partner's (Zhang et al., ICLR 2018, equation 1).

    Args:
        inputs: (N, ...), float.
        targets: (N, C), float.
        lambdas: λ of each sample, (N,), float in [0, 1].
        partners: Index of each sample's partner, (N,), int64.
    """
    for values in (inputs, targets):
        if not values.is_floating_point():
            raise ValueError(f"MixUp takes floating-point values, not {values.dtype}")
    of_inputs = lambdas.to(inputs.dtype).view(-1, *[1] * (inputs.ndim - 1))
    of_targets = lambdas.to(targets.dtype).unsqueeze(1)
    mixed = torch.lerp(inputs[partners], inputs, of_inputs)
    return mixed, torch.lerp(targets[partners], targets, of_targets)


def cut_mix(
    inputs: Tensor, targets: Tensor, lambdas: Tensor, partners: Tensor, centres: Tensor
) -> tuple[Tensor, Tensor]:
    """Return images with a box from their partner, and targets mixed by the visible area of each image.

    The box has the image's aspect ratio and the fraction 1 − λ of its area (Yun et al., ICCV 2019, equation 2). The
    part outside the image is clipped; the targets count the area that is left.

    Args:
        inputs: (N, C, H, W), float.
        targets: (N, classes), float.
        lambdas: λ of each sample, (N,), float in [0, 1].
        partners: Index of each sample's partner, (N,), int64.
        centres: Position of the box's centre as fractions of height and width, (N, 2), float in [0, 1).
    """
    height, width = inputs.shape[-2:]
    size = (1 - lambdas).sqrt().unsqueeze(1) * torch.tensor([height, width], device=inputs.device)
    inside = box_mask(centres, size.int(), height, width)
    mixed = torch.where(inside.unsqueeze(1), inputs[partners], inputs)
    visible = 1 - inside.float().mean((1, 2))
    return mixed, torch.lerp(targets[partners], targets, visible.to(targets.dtype).unsqueeze(1))


class Mixing(Regularizer):
    """Base class of regularizers that mix each sample of a batch with another.

    Args:
        alpha: λ is drawn from Beta(α, α); 0 mixes nothing, 1 is uniform.
        each: Draw one λ per "sample", or one for the "batch" as the papers' own code does.

    Raises:
        ValueError: `alpha` is out of range.
    """

    strength = "alpha"
    mixes_samples = True

    def __init__(self, alpha: float, each: MixPer = "sample") -> None:
        super().__init__()
        check_coefficient(type(self).__name__, alpha=alpha)
        self.alpha = alpha
        self.each: MixPer = each

    @override
    def check_batch(self, inputs: Any, of_steps: bool) -> None:
        if of_steps or not isinstance(inputs, Tensor):
            raise TrainingError(f"{type(self).__name__} mixes samples with one target each, not sequences of them")

    @override
    def perturb_weighted(self, inputs: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mix weights like targets, with the same λ: a mixed sample weighs λ of one and 1 − λ of the other."""
        both = torch.cat([targets, weights.to(targets.dtype).unsqueeze(1)], dim=1)
        mixed, together = perturbed_pair(self, inputs, both)
        return mixed, together[:, :-1], together[:, -1]


class MixUp(Mixing):
    """Trains on weighted sums of two samples and of their targets; in regression too (C-Mixup's baseline).

    Args:
        alpha: λ is drawn from Beta(α, α); 0 mixes nothing. The paper's: 0.2 (ImageNet) to 1 (CIFAR-10).
        each: Draw one λ per "sample", or one for the "batch" as the paper's own code does.

    Raises:
        ValueError: `alpha` is out of range.
    """

    def __init__(self, alpha: float = 0.2, each: MixPer = "sample") -> None:
        super().__init__(alpha, each)

    @override
    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self.alpha == 0:
            return inputs, targets
        lambdas = draw_lambdas(self.alpha, len(inputs), inputs.device, self.each)
        return mix_up(inputs, targets, lambdas, torch.randperm(len(inputs), device=inputs.device))


class CutMix(Mixing):
    """Trains on images with a box from another image, and on targets mixed by area.

    Args:
        alpha: λ is drawn from Beta(α, α); 0 mixes nothing, the paper's is 1.
        each: Draw one λ per "sample", or one for the "batch" as the paper's own code does.

    Raises:
        ValueError: `alpha` is out of range.
    """

    applies_to = ("classes", "labels")

    def __init__(self, alpha: float = 1.0, each: MixPer = "sample") -> None:
        super().__init__(alpha, each)

    @override
    def check_batch(self, inputs: Any, of_steps: bool) -> None:
        super().check_batch(inputs, of_steps)
        check_images("CutMix", inputs)

    @override
    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self.alpha == 0:
            return inputs, targets
        lambdas = draw_lambdas(self.alpha, len(inputs), inputs.device, self.each)
        partners = torch.randperm(len(inputs), device=inputs.device)
        return cut_mix(inputs, targets, lambdas, partners, draw_centres(inputs))
