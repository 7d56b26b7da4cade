"""Residual networks (He et al., arXiv 1512.03385): 18, 34 and 50 layers, and the narrow CIFAR family of 20 to 110."""

import functools
from abc import abstractmethod
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth
from typing_extensions import override

from datamodules.checks import check_fraction
from models.networks.drop_block import DropBlock
from models.networks.network import Network
from models.networks.norms import image_norm
from models.networks.shapes import check_image
from models.networks.weight_files import load_weights

Depth = Literal[18, 20, 32, 34, 44, 50, 56, 110]
ImageNorm = Literal["batch", "group", "layer"]
Shortcut = Literal["projection", "padding"]
LARGE_SIDE = 96
IMAGENET_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
# Weight names of torchvision's ResNet and of the common public CIFAR ResNets, and ours for them.
PUBLIC_NAMES = {"module.": "", "network.": "", "fc.": "head.", "linear.": "head.", ".shortcut.": ".downsample."}


class PaddingShortcut(nn.Module):
    """The shortcut without parameters ("option A"): every second pixel, and zeros for the new channels."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        thinned = inputs[:, :, :: self.stride, :: self.stride]
        return F.pad(thinned, (0, 0, 0, 0, self.before, self.after))


def conv(in_channels: int, out_channels: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Return a padded convolution without a bias, for a norm to follow; only the stride shrinks the image."""
    return nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2, bias=False)


def build_shortcut(kind: Shortcut, norm: ImageNorm, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return a block's shortcut: the identity unless the block changes the shape."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "padding":
        return PaddingShortcut(in_channels, out_channels, stride)
    return nn.Sequential(conv(in_channels, out_channels, 1, stride), image_norm(norm, out_channels))


class Block(nn.Module):
    """A residual block: convolutions, each followed by a norm, beside a shortcut.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the block; the output has `expansion` times as many.
        stride: Stride of the block.
        shortcut: Kind of shortcut where the block changes the shape.
        norm: Norm after each convolution.
        drop_path: Probability that the convolutions are skipped for a sample.
        drop_block: Applied after each norm and to the shortcut.
    """

    expansion: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        shortcut: Shortcut,
        norm: ImageNorm,
        drop_path: float,
        drop_block: nn.Module,
    ) -> None:
        super().__init__()
        # Built first and registered last, so that a seed keeps its initial weights and a weight its place.
        beside = build_shortcut(shortcut, norm, in_channels, channels * self.expansion, stride)
        convolutions = self.convolutions(channels, stride)
        self.depth = len(convolutions)
        for number, (out_channels, size, step) in enumerate(convolutions, start=1):
            self.add_module(f"conv{number}", conv(in_channels, out_channels, size, step))
            self.add_module(f"bn{number}", image_norm(norm, out_channels))
            in_channels = out_channels
        self.downsample = beside
        self.drop_path = StochasticDepth(drop_path, "row")
        self.drop_block = drop_block

    @staticmethod
    @abstractmethod
    def convolutions(channels: int, stride: int) -> list[tuple[int, int, int]]:
        """Return the output channels, kernel size and stride of each convolution."""

    @property
    def last_norm(self) -> nn.Module:
        """The norm before the sum."""
        return self.get_submodule(f"bn{self.depth}")

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, expansion · channels, H / stride, W / stride)."""
        hidden = inputs
        for number in range(1, self.depth + 1):
            convolution, norm = self.get_submodule(f"conv{number}"), self.get_submodule(f"bn{number}")
            hidden = self.drop_block(norm(convolution(hidden)))
            if number < self.depth:
                hidden = F.relu(hidden)
        return F.relu(self.drop_path(hidden) + self.drop_block(self.downsample(inputs)))


class BasicBlock(Block):
    """Two 3×3 convolutions beside a shortcut."""

    expansion = 1

    @staticmethod
    @override
    def convolutions(channels: int, stride: int) -> list[tuple[int, int, int]]:
        return [(channels, 3, stride), (channels, 3, 1)]


class Bottleneck(Block):
    """A 1×1, a 3×3 (with the stride, as in torchvision) and a 1×1 convolution beside a shortcut."""

    expansion = 4

    @staticmethod
    @override
    def convolutions(channels: int, stride: int) -> list[tuple[int, int, int]]:
        return [(channels, 1, 1), (channels, 3, stride), (4 * channels, 1, 1)]


class ResNet(Network):
    """Residual network; parameters have torchvision's names, except for the `head`.

    Depths 18, 34 and 50 are those of the paper's section 4.1 (four stages of 64 to 512 channels); 20, 32, 44, 56 and
    110 those of its section 4.2 (three stages of 16, 32 and 64 channels).

    Args:
        input_shape: (C, H, W) of one image; 8×8 or larger with the CIFAR stem, 32×32 with the ImageNet stem.
        num_classes: Number of logits.
        depth: Number of layers with weights.
        stem: "cifar" is a 3×3 convolution; "imagenet" a 7×7 one with stride 2 and a max-pooling with stride 2; "auto"
            is the former for images with a side below 96, else the latter.
        shortcut: Shortcut of a block that changes the shape: a 1×1 convolution ("projection", option B) or "padding"
            (option A). The default is the paper's: projection for 18, 34 and 50, padding for the others.
        zero_init_last_norm: Start with every block as the identity (Goyal et al., arXiv 1706.02677, section 5.1).
        dropout: Probability that an input of the head is dropped, in [0, 1).
        stochastic_depth: Probability that the last block is skipped for a sample, in [0, 1); that of earlier blocks
            grows linearly with depth (Huang et al., arXiv 1603.09382).
        drop_block: Approximate fraction of the feature maps that is dropped in squares, in [0, 1): after every
            convolution and on every shortcut of the last two stages, as in the paper (arXiv 1810.12890), where it
            grows during training.
        block_size: Height and width of the squares, odd; the paper uses 7 for maps of 14×14 and 7×7.
        norm: Norm of the whole network: "batch", "group" (see `group_count`) or "layer" (one group).
        weights: File of weights trained elsewhere (.pt or .safetensors): a state dict of this class, with torchvision's
            names, or with those of the public CIFAR ResNets (`linear`, `shortcut`, prefix `module.`). Every weight
            must fit.

    Raises:
        ValueError: An argument is out of range, or the weights do not fit.
    """

    may_change_on_resume = ("weights",)

    lays_out_channels_last = True

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        depth: Depth = 18,
        stem: Literal["cifar", "imagenet", "auto"] = "cifar",
        shortcut: Shortcut | None = None,
        zero_init_last_norm: bool = False,
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
        drop_block: float = 0.0,
        block_size: int = 5,
        norm: ImageNorm = "batch",
        weights: str | None = None,
    ) -> None:
        super().__init__()
        imagenet = stem == "imagenet" or (stem == "auto" and min(input_shape[1:]) >= LARGE_SIDE)
        check_image("ResNet", input_shape, 32 if imagenet else 8)
        check_fraction(
            "ResNet", below_one=True, dropout=dropout, stochastic_depth=stochastic_depth, drop_block=drop_block
        )
        large = depth in IMAGENET_BLOCKS
        counts = IMAGENET_BLOCKS[depth] if large else ((depth - 2) // 6,) * 3
        channels = 64 if large else 16
        self.conv1 = conv(input_shape[0], channels, 7 if imagenet else 3, stride=2 if imagenet else 1)
        self.bn1 = image_norm(norm, channels)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if imagenet else nn.Identity()
        self.stages = [f"layer{number}" for number in range(1, len(counts) + 1)]
        kind = Bottleneck if depth == 50 else BasicBlock
        default: Shortcut = "projection" if large else "padding"
        build_block = functools.partial(kind, shortcut=shortcut or default, norm=norm)
        drop_paths = (stochastic_depth * number / sum(counts) for number in range(1, sum(counts) + 1))
        in_channels = channels
        for number, count in enumerate(counts):
            width = channels * 2**number
            squares = DropBlock(drop_block if number >= len(counts) - 2 else 0.0, block_size)
            blocks: list[nn.Module] = []
            for position in range(count):
                stride = 2 if number and not position else 1
                block = build_block(in_channels, width, stride, drop_path=next(drop_paths), drop_block=squares)
                blocks.append(block)
                in_channels = width * kind.expansion
            self.add_module(self.stages[number], nn.Sequential(*blocks))
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.head = nn.Linear(in_channels, num_classes)
        self._initialise(zero_init_last_norm)
        if weights is not None:
            load_weights(self, weights, PUBLIC_NAMES)

    def _initialise(self, zero_init_last_norm: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if zero_init_last_norm and isinstance(module, Block):
                nn.init.zeros_(module.last_norm.get_parameter("weight"))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, num_classes)."""
        fastest = inputs.contiguous(memory_format=torch.channels_last)
        hidden = self.maxpool(F.relu(self.bn1(self.conv1(fastest))))
        for stage in self.stages:
            hidden = self.get_submodule(stage)(hidden)
        logits: Tensor = self.head(self.pool(hidden))
        return logits
