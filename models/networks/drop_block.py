"""DropBlock (Ghiasi et al., "DropBlock: A regularization method for convolutional networks", NeurIPS 2018)."""

from torch import Tensor, nn
from torchvision.ops import drop_block2d
from typing_extensions import override

from datamodules.checks import check_at_least, check_fraction


class DropBlock(nn.Module):
    """Drops squares of each channel of each sample, with torchvision's `drop_block2d`.

    The squares are drawn independently for each sample and channel. The remaining values are divided by their fraction
    of the batch, as in the paper. Unlike torchvision's module this one accepts maps smaller than a square, which is
    reduced to the largest odd size that fits, and computes in single precision, because the count of remaining values
    overflows in half precision.

    Args:
        rate: Approximate fraction of values to drop, in [0, 1); squares may overlap.
        block_size: Height and width of a square, odd.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, rate: float, block_size: int) -> None:
        super().__init__()
        check_fraction("DropBlock", below_one=True, rate=rate)
        check_at_least("DropBlock", 1, block_size=block_size)
        if block_size % 2 == 0:
            raise ValueError(f"DropBlock: block_size {block_size} is not odd")
        self.p = rate
        self.block_size = block_size

    def forward(self, inputs: Tensor) -> Tensor:
        """Map feature maps (N, C, H, W) to feature maps of the same shape."""
        if not self.training or not self.p:
            return inputs
        smaller = min(inputs.shape[-2:])
        size = min(self.block_size, smaller if smaller % 2 else smaller - 1)
        kept: Tensor = drop_block2d(inputs.float(), self.p, max(size, 1))
        return kept.to(inputs.dtype)

    @override
    def extra_repr(self) -> str:
        return f"rate={self.p}, block_size={self.block_size}"
