"""Mixed samples: MixUp and CutMix.

torchvision's `MixUp` and `CutMix` draw one λ for a whole batch and mix neighbours of a rolled batch, each sample with
the next; here λ is drawn for every sample (by option for the batch), and partners are a random permutation.
"""

from typing import Any, Literal

import torch
from torch import Tensor

from models.errors import TrainingError
from models.regularizers.base import Regularizer, check_coefficient
from models.regularizers.batches import check_images
from models.regularizers.boxes import box_mask, draw_centres

Each = Literal["sample", "batch"]


def draw_shares(alpha: float, count: int, device: torch.device) -> Tensor:
    """Draw from Beta(α, α).

    A gamma variate of a small α is below what floats hold, and that of two such is undefined. Their logarithms are not:
    Gamma(α) is Gamma(α + 1) · U^(1/α) (Devroye, "Non-Uniform Random Variate Generation", 1986, chapter IX.3.5).

    Args:
        alpha: α, above 0.
        count: Number of draws.
        device: Where they are drawn.

    Returns:
        (count,), float32 in [0, 1].
    """
    alpha = max(alpha, 1e-30)  # where a draw is 0 or 1 as it is for any smaller α, and 1/α still a number
    shape, rate = (torch.tensor(value, device=device, dtype=torch.float32) for value in (alpha + 1, 1))
    gamma = torch.distributions.Gamma(shape, rate).sample((2, count))
    uniform = 1 - torch.rand(2, count, device=device, dtype=torch.float32)  # never 0
    logarithms = gamma.log() + uniform.log() / alpha
    return torch.sigmoid(logarithms[0] - logarithms[1])


def mix_up(inputs: Tensor, targets: Tensor, shares: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:
    """Return λ times each sample and its target plus 1 − λ times its partner's (Zhang et al., ICLR 2018, equation 1).

    Args:
        inputs: (N, ...), float.
        targets: (N, C), float.
        shares: λ of each sample, (N,), float in [0, 1].
        partners: Index of each sample's partner, (N,), int64.
    """
    return _blend(inputs, shares, partners), _blend(targets, shares, partners)


def cut_mix(
    inputs: Tensor, targets: Tensor, shares: Tensor, partners: Tensor, centres: Tensor
) -> tuple[Tensor, Tensor]:
    """Return images with a box of their partner's in them, and targets mixed by the area of what is seen of each.

    The box has the share 1 − λ of the image's area and the image's aspect (Yun et al., ICCV 2019, equation 2); what
    sticks out is clipped, and the targets have the shares that are left.

    Args:
        inputs: (N, C, H, W), float.
        targets: (N, classes), float.
        shares: λ of each sample, (N,), float in [0, 1].
        partners: Index of each sample's partner, (N,), int64.
        centres: Where the box's centre lies as a share of height and width, (N, 2), float in [0, 1).
    """
    height, width = inputs.shape[-2:]
    size = (1 - shares).sqrt().unsqueeze(1) * torch.tensor([height, width], device=inputs.device)
    inside = box_mask(centres, size.int(), height, width)
    mixed = torch.where(inside.unsqueeze(1), inputs[partners], inputs)
    return mixed, _blend(targets, 1 - inside.float().mean((1, 2)), partners)


class Mixing(Regularizer):
    """Base class of what mixes each sample of a batch with another of it.

    Args:
        alpha: λ is drawn from Beta(α, α); 0 mixes nothing, 1 is uniform.
        each: Draw one λ for each "sample", or one for the "batch" as the papers' own code does.

    Raises:
        ValueError: `alpha` is out of range.
    """

    strength = "alpha"
    mixes_samples = True

    def __init__(self, alpha: float, each: Each = "sample") -> None:
        super().__init__()
        check_coefficient(type(self).__name__, "alpha", alpha)
        self.alpha = alpha
        self.each: Each = each

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        if self.alpha == 0:
            return inputs, targets
        samples, device = len(inputs), inputs.device
        shares = draw_shares(self.alpha, samples if self.each == "sample" else 1, device)
        partners = torch.randperm(samples, device=device)
        return self.mix(inputs, targets, shares.expand(samples), partners)

    def check_batch(self, inputs: Any, of_steps: bool) -> None:
        """Refuse samples that have no target each, to be mixed like them."""
        if of_steps or not isinstance(inputs, Tensor):
            raise TrainingError(f"{type(self).__name__} mixes samples with one target each, not sequences of them")

    def mix(self, inputs: Tensor, targets: Tensor, shares: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mixed batch, given λ and the partner of each sample, (N,)."""
        raise NotImplementedError


class MixUp(Mixing):
    """Trains on sums of two samples and of their targets; in regression too (C-Mixup's baseline).

    Args:
        alpha: λ is drawn from Beta(α, α); 0 mixes nothing. The paper's: 0.2 (ImageNet) to 1 (CIFAR-10).
        each: Draw one λ for each "sample", or one for the "batch" as the paper's own code does.

    Raises:
        ValueError: `alpha` is out of range.
    """

    def __init__(self, alpha: float = 0.2, each: Each = "sample") -> None:
        super().__init__(alpha, each)

    def mix(self, inputs: Tensor, targets: Tensor, shares: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        return mix_up(inputs, targets, shares, partners)


class CutMix(Mixing):
    """Trains on images with a box of another image in them, and on targets mixed by area.

    Args:
        alpha: λ is drawn from Beta(α, α); 0 mixes nothing, the paper's is 1.
        each: Draw one λ for each "sample", or one for the "batch" as the paper's own code does.

    Raises:
        ValueError: `alpha` is out of range.
    """

    applies_to = "classes"

    def __init__(self, alpha: float = 1.0, each: Each = "sample") -> None:
        super().__init__(alpha, each)

    def check_batch(self, inputs: Any, of_steps: bool) -> None:  # noqa: D102
        super().check_batch(inputs, of_steps)
        check_images("CutMix", inputs)

    def mix(self, inputs: Tensor, targets: Tensor, shares: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        return cut_mix(inputs, targets, shares, partners, draw_centres(inputs))


def _blend(values: Tensor, shares: Tensor, partners: Tensor) -> Tensor:
    if not values.is_floating_point():
        raise ValueError(f"mixing takes floating-point values, not {values.dtype}")
    shares = shares.to(values.dtype).view(-1, *[1] * (values.ndim - 1))
    return torch.lerp(values[partners], values, shares)
