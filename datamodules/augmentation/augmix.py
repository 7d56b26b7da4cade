"""AugMix: a mixture of an image and of several chains of operations on it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Dirichlet

from datamodules.augmentation.affine import INTERPOLATIONS, Interpolation
from datamodules.augmentation.base import Augmentation
from datamodules.augmentation.operations import Drawn, apply_drawn, draw_operations, make_space

BINS = 10  # of strengths; `severity` is how many of them are drawn from
DEEPEST = 3
COLORS = ("Brightness", "Color", "Contrast", "Sharpness")
SPACE = make_space(shear=0.3, shift=1 / 3, unit="side", degrees=30, factor=0.9, bits=(4, 0))


def mix(images: Tensor, others: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Return the weighted sum of each image and its others.

    Args:
        images: (N, C, H, W), float in [0, 1].
        others: k batches of that shape.
        weights: (N, 1 + k), 0 or more, each row's sum 1.
    """
    parts = zip((images, *others), weights.unbind(1), strict=True)
    return torch.stack([part * weight.view(-1, 1, 1, 1) for part, weight in parts]).sum(0).clamp(0, 1)


class AugMix(Augmentation):
    """Mixes each image with chains of operations on it; the label stays.

    As torchvision's `AugMix` draws it, for each sample (Hendrycks et al., "AugMix: A Simple Data Processing Method to
    Improve Robustness and Uncertainty", ICLR 2020, algorithm 1). The paper's consistency loss, which needs outputs for
    three versions of an image, is not part of it.

    Args:
        severity: Largest strength of an operation, in [1, 10].
        mixture_width: Number of chains, 1 or more.
        chain_depth: Operations a chain, 1 or more; None draws 1, 2 or 3 for each chain (torchvision's -1).
        alpha: Parameter of the Dirichlet and Beta distributions of the weights, positive.
        all_ops: Brightness, colour, contrast and sharpness are among the operations, too; the paper leaves them out,
            for they are among the corruptions that it is tested on.
        interpolation: Of the operations that move pixels.
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
        self.require(1 <= severity <= BINS, f"severity {severity} is not in [1, {BINS}]")
        self.require(mixture_width >= 1, f"mixture_width {mixture_width} is less than 1")
        self.require(chain_depth is None or chain_depth >= 1, f"chain_depth {chain_depth} is less than 1")
        self.require(0 < alpha < float("inf"), f"alpha {alpha} is not positive and finite")
        self.require_choice("interpolation", interpolation, INTERPOLATIONS)
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        left_out = ("Identity",) if all_ops else ("Identity", *COLORS)
        self.space = {name: strengths for name, strengths in SPACE.items() if name not in left_out}
        self.interpolation: Interpolation = interpolation

    @property
    def names(self) -> list[str]:
        """What the operations drawn number: a chain that is shorter than others ends with identities."""
        return [*self.space, "Identity"]

    def draw(self, images: Tensor) -> tuple[list[list[Drawn]], Tensor]:
        """Draw each chain's operations, and the weights of the image and of each chain, (N, 1 + `mixture_width`)."""
        count, device = len(images), images.device
        kept = Dirichlet(torch.full((2,), self.alpha, device=device)).sample((count,))
        shares = Dirichlet(torch.full((self.mixture_width,), self.alpha, device=device)).sample((count,))
        chains = [self._draw_chain(images) for _ in range(self.mixture_width)]
        return chains, torch.cat([kept[:, :1], kept[:, 1:] * shares], 1)

    def _draw_chain(self, images: Tensor) -> list[Drawn]:
        count, device = len(images), images.device
        if self.chain_depth is None:
            depths, deepest = torch.randint(1, DEEPEST + 1, (count,), device=device), DEEPEST
        else:
            depths, deepest = torch.full((count,), self.chain_depth, device=device), self.chain_depth
        steps = []
        for step in range(deepest):
            bins = torch.randint(self.severity, (count,), device=device)
            chosen, strengths = draw_operations(images, self.space, bins, BINS - 1)
            steps.append(Drawn(chosen.masked_fill(depths <= step, len(self.space)), strengths))
        return steps

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        self.require_colors(images)
        chains, weights = self.draw(images)
        return mix(images, [self._apply_chain(images, chain) for chain in chains], weights)

    def _apply_chain(self, images: Tensor, chain: list[Drawn]) -> Tensor:
        for drawn in chain:
            images = apply_drawn(images, self.names, drawn, self.interpolation)
        return images
