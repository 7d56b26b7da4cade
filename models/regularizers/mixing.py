"""Mixed samples: MixUp, CutMix, and taking turns among them.

torchvision's `MixUp` and `CutMix` draw one λ for a whole batch and mix neighbours of a rolled batch, each sample with
the next; here λ is drawn for every sample (by option for the batch), and partners are a random permutation.
"""

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from models.errors import TrainingError
from models.regularizers.base import Regularizer, require_coefficient
from models.regularizers.boxes import box_mask

Each = Literal["sample", "batch"]


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
        require_coefficient(type(self).__name__, "alpha", alpha)
        self.alpha = alpha
        self.each: Each = each

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the batch.

        Raises:
            TrainingError: Inputs are no tensor with one target a sample, or not the images that they must be.
        """
        if self.alpha == 0:
            return inputs, targets
        self.require_samples(inputs, targets)
        samples, device = len(inputs), inputs.device
        alpha = torch.tensor(self.alpha, device=device)
        shares = torch.distributions.Beta(alpha, alpha).sample((samples if self.each == "sample" else 1,))
        partners = torch.randperm(samples, device=device)
        return self.mix(inputs, targets, shares.expand(samples), partners)

    def require_samples(self, inputs: Tensor, targets: Tensor) -> None:
        """Check that there is one target a sample, to be mixed like it."""
        if not isinstance(inputs, Tensor) or len(inputs) != len(targets):
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

    def require_samples(self, inputs: Tensor, targets: Tensor) -> None:  # noqa: D102
        super().require_samples(inputs, targets)
        if inputs.ndim != 4:
            raise TrainingError(f"CutMix takes images, not samples {tuple(inputs.shape[1:])}; MixUp takes any")

    def mix(self, inputs: Tensor, targets: Tensor, shares: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        centres = torch.rand(len(inputs), 2, device=inputs.device)
        return cut_mix(inputs, targets, shares, partners, centres)


class RandomMix(Regularizer):
    """Lets one of several regularizers change a batch, drawn anew for each batch; or none.

    Args:
        choices: What is drawn from.
        probabilities: Probability of each, adding up to 1 or less; what is missing leaves the batch as it is. By
            default all alike.

    Raises:
        ValueError: The probabilities do not belong to the choices, or are none.
    """

    mixes_samples = True

    def __init__(self, choices: list[Regularizer], probabilities: list[float] | None = None) -> None:
        super().__init__()
        if not choices:
            raise ValueError("RandomMix: there are no choices")
        shares = [1 / len(choices)] * len(choices) if probabilities is None else probabilities
        if len(shares) != len(choices):
            raise ValueError(f"RandomMix: {len(shares)} probabilities for {len(choices)} choices")
        if min(shares) < 0 or sum(shares) > 1 + 1e-6:
            raise ValueError(f"RandomMix: probabilities {shares} are not shares of 1")
        self.choices = nn.ModuleList(choices)
        self.probabilities = list(shares)

    def check(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        """Refuse what its choices refuse; only what changes batches can be taken turns with."""
        super().check(network, num_classes, before)
        for choice in cast("list[Regularizer]", self.choices):
            if type(choice).perturb is Regularizer.perturb:
                raise ValueError(f"RandomMix: {type(choice).__name__} does not change batches")
            choice.check(network, num_classes, before)

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        drawn = torch.rand(()).item()
        for choice, share in zip(cast("list[Regularizer]", self.choices), self.probabilities, strict=True):
            if drawn < share:
                return choice.perturb(inputs, targets)
            drawn -= share
        return inputs, targets


def _blend(values: Tensor, shares: Tensor, partners: Tensor) -> Tensor:
    if not values.is_floating_point():
        raise ValueError(f"mixing takes floating-point values, not {values.dtype}")
    shares = shares.to(values.dtype).view(-1, *[1] * (values.ndim - 1))
    return torch.lerp(values[partners], values, shares)
