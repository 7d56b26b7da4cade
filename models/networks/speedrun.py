"""The network of the CIFAR-10 speed runs (Jordan, arXiv 2404.00498, section 3): a whitening layer and three blocks."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from datamodules.checks import check_at_least
from models.networks.network import Network
from models.networks.shapes import check_image

PATCH = 2  # pixels, of a side
EPSILON = 5e-4  # added to the variances of patches, the paper's value
NORM_MOMENTUM = 0.4  # of batch norm's running statistics, which a run of some hundred steps must reach


class WhiteningConv(nn.Conv2d):
    """A convolution whose outputs over patches of training images are uncorrelated, each of variance 1.

    Each direction is there with both signs, for the activation to follow. The weights are not trained; the bias is.

    Args:
        channels: Channels of the images.

    Attributes:
        fitted: Whether the weights have been set, for what was trained after them.
    """

    fitted: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2 * channels * PATCH**2, PATCH)
        self.weight.requires_grad_(False)
        self.register_buffer("fitted", torch.tensor(False))

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Set the weights from images (N, C, H, W): the eigenvectors of their patches, divided by their deviations."""
        products, count = torch.zeros(()), 0
        for some in torch.split(images.float(), 50):  # of large images, all patches at once take gigabytes
            patches = F.unfold(some, PATCH).transpose(1, 2).flatten(0, 1)
            products, count = patches.T @ patches + products, count + len(patches)
        variances, directions = torch.linalg.eigh(products / count)
        scaled = (directions / (variances + EPSILON).sqrt()).T.reshape(-1, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([scaled, -scaled]))
        self.fitted.fill_(True)


class Block(nn.Sequential):
    """Two 3×3 convolutions, with pooling after the first, each with batch norm without a scale, and GELU."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(
            _conv(in_channels, channels),
            nn.MaxPool2d(2),
            _norm(channels),
            nn.GELU(),
            _conv(channels, channels),
            _norm(channels),
            nn.GELU(),
        )


class SpeedrunCNN(Network):
    """Six convolutions behind a whitening layer, which learn fast.

    The first layer is set from patches of training images before training begins, and stays. Convolutions are
    initialised to the identity, as far as there are channels.

    Args:
        input_shape: (C, H, W) of one image; with three blocks 9×9 or larger.
        num_classes: Number of logits.
        widths: Channels of the blocks, each of which halves the image; [64, 256, 256] if not given.
        logit_scale: Factor of the logits.

    Raises:
        ValueError: Images are too small, or `widths` is empty or holds a number below 1.
    """

    adapts_to = 500
    lays_out_channels_last = True

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        widths: list[int] | None = None,
        logit_scale: float = 1 / 9,
    ) -> None:
        super().__init__()
        chosen = [64, 256, 256] if widths is None else widths
        check_at_least("SpeedrunCNN", 1, widths=min(chosen, default=0))
        check_image("SpeedrunCNN", input_shape, PATCH - 1 + 2 ** len(chosen))
        self.whitening = WhiteningConv(input_shape[0])
        channels = [self.whitening.out_channels, *chosen]
        blocks = [Block(before, after) for before, after in itertools.pairwise(channels)]
        self.blocks = nn.Sequential(nn.GELU(), *blocks)
        self.pool = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.head = nn.Linear(channels[-1], num_classes, bias=False)
        self.logit_scale = logit_scale

    @override
    def adapt(self, inputs: Tensor) -> None:
        if not self.whitening.fitted:  # what was trained behind other directions would be lost
            self.whitening.fit(inputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, num_classes)."""
        fastest = inputs.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.head(self.pool(self.blocks(self.whitening(fastest))))
        return logits * self.logit_scale


def _conv(in_channels: int, channels: int) -> nn.Conv2d:
    layer = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight[:in_channels])
    return layer


def _norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, momentum=NORM_MOMENTUM)
    norm.weight.requires_grad_(False)
    return norm
