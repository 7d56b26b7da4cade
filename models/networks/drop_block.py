"""DropBlock (Ghiasi et al., "DropBlock: A regularization method for convolutional networks", NeurIPS 2018)."""

from torch import Tensor, nn
from torchvision.ops import drop_block2d


class DropBlock(nn.Module):
    """Drops squares of each channel of each sample, by torchvision's `drop_block2d`.

    The squares are drawn for each sample and channel by itself; what is left is scaled by its share of the whole batch,
    as in the paper. Unlike torchvision's module this one takes maps that are smaller than a square (it is cut to the
    largest odd size that they hold, where torchvision refuses an even one) and works in single precision, because in
    half precision the count of what is left overflows.

    Args:
        rate: About the share that is dropped, in [0, 1): squares may overlap.
        block_size: Height and width of a square, odd.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, rate: float, block_size: int) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"DropBlock: rate {rate} is not in [0, 1)")
        if block_size < 1 or block_size % 2 == 0:
            raise ValueError(f"DropBlock: block_size {block_size} is not odd and 1 or more")
        self.p = rate
        self.block_size = block_size

    def forward(self, inputs: Tensor) -> Tensor:
        """Map feature maps (N, C, H, W) to the same shape."""
        if not self.training or not self.p:
            return inputs
        smaller = min(inputs.shape[-2:])
        size = min(self.block_size, smaller if smaller % 2 else smaller - 1)
        kept: Tensor = drop_block2d(inputs.float(), self.p, max(size, 1))
        return kept.to(inputs.dtype)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"rate={self.p}, block_size={self.block_size}"
