"""AugMix: each image mixed with chains of operations applied to it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Dirichlet
from typing_extensions import override

from datamodules.augmentation.affine import INTERPOLATIONS, Interpolation
from datamodules.augmentation.base import Augmentation
from datamodules.augmentation.operations import Drawn, apply_drawn, draw_operations, make_space
from datamodules.checks import check_at_least, check_between, check_choice, check_positive

BINS = 10  # number of strengths; the `severity` weakest are drawn from
MAX_DEPTH = 3
COLORS = ("Brightness", "Color", "Contrast", "Sharpness")
SPACE = make_space(shear=0.3, shift=1 / 3, unit="side", degrees=30, factor=0.9, bits=(4, 0))


def mix(images: Tensor, others: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Return the weighted sum of each image and its other versions.

    Args:
        images: (N, C, H, W), float in [0, 1].
        others: k batches of the same shape.
        weights: (N, 1 + k), non-negative; each row sums to 1.
    """
    parts = zip((images, *others), weights.unbind(1), strict=True)
    return torch.stack([part * weight.view(-1, 1, 1, 1) for part, weight in parts]).sum(0).clamp(0, 1)


class AugMix(Augmentation):
    """Mixes each image with chains of operations applied to it; the label stays.

    Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty", ICLR 2020,
    algorithm 1. The distribution is that of torchvision's `AugMix`, drawn per sample. The paper's consistency loss
    needs outputs for three versions of an image and is not included.

    Args:
        severity: Largest strength of an operation, in [1, 10].
        mixture_width: Number of chains, 1 or more.
        chain_depth: Operations per chain, 1 or more; None draws 1, 2 or 3 for each chain (torchvision's -1).
        alpha: Parameter of the Dirichlet and Beta distributions of the weights, positive.
        all_ops: Also use brightness, colour, contrast and sharpness. The paper leaves them out because it tests on
            corruptions of that kind.
        interpolation: Interpolation of the operations that move pixels.
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int | None = None,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Interpolation = "bilinear",
    ) -> None:
        super().__init__()
        check_between(self.name, 1, BINS, severity=severity)
        check_at_least(self.name, 1, mixture_width=mixture_width)
        if chain_depth is not None:
            check_at_least(self.name, 1, chain_depth=chain_depth)
        check_positive(self.name, alpha=alpha)
        check_choice(self.name, INTERPOLATIONS, interpolation=interpolation)
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        left_out = ("Identity",) if all_ops else ("Identity", *COLORS)
        self.space = {name: strengths for name, strengths in SPACE.items() if name not in left_out}
        self.interpolation: Interpolation = interpolation

    @property
    def operations(self) -> list[str]:
        """Names of the operations that draws number; a shorter chain is filled up with identities."""
        return [*self.space, "Identity"]

    def draw(self, images: Tensor) -> tuple[list[list[Drawn]], Tensor]:
        """Draw each chain's operations, and the weights of the image and of each chain, (N, 1 + `mixture_width`)."""
        count, device = len(images), images.device
        kept = Dirichlet(torch.full((2,), self.alpha, device=device)).sample((count,))
        weights = Dirichlet(torch.full((self.mixture_width,), self.alpha, device=device)).sample((count,))
        chains = [self._draw_chain(images) for _ in range(self.mixture_width)]
        return chains, torch.cat([kept[:, :1], kept[:, 1:] * weights], 1)

    def _draw_chain(self, images: Tensor) -> list[Drawn]:
        count, device = len(images), images.device
        if self.chain_depth is None:
            depths, deepest = torch.randint(1, MAX_DEPTH + 1, (count,), device=device), MAX_DEPTH
        else:
            depths, deepest = torch.full((count,), self.chain_depth, device=device), self.chain_depth
        steps = []
        for step in range(deepest):
            bins = torch.randint(self.severity, (count,), device=device)
            chosen, strengths = draw_operations(images, self.space, bins, BINS - 1)
            steps.append(Drawn(chosen.masked_fill(depths <= step, len(self.space)), strengths))
        return steps

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_colors(images)
        chains, weights = self.draw(images)
        return mix(images, [self._apply_chain(images, chain) for chain in chains], weights)

    def _apply_chain(self, images: Tensor, chain: list[Drawn]) -> Tensor:
        for drawn in chain:
            images = apply_drawn(images, self.operations, drawn, self.interpolation)
        return images
