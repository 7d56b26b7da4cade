"""Residual networks (He et al., arXiv 1512.03385): 18, 34 and 50 layers, and the narrow CIFAR family of 20 to 110."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from models.networks.drop_block import DropBlock
from models.networks.network import Network
from models.networks.norms import image_norm
from models.networks.shapes import check_image
from models.networks.weight_files import load_weights

Depth = Literal[18, 20, 32, 34, 44, 50, 56, 110]
ImageNorm = Literal["batch", "group", "layer"]
IMAGENET_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
# Prefixes and names of torchvision's ResNet, and of the common public CIFAR ResNets, on the left; ours on the right.
WEIGHT_NAMES = {"module.": "", "network.": "", "fc.": "head.", "linear.": "head.", ".shortcut.": ".downsample."}


class PaddingShortcut(nn.Module):
    """The shortcut without parameters ("option A"): every second pixel, and zeros for the channels that are new."""

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
    """Return a convolution that keeps the image's size but for the stride, without a bias: a norm follows it."""
    return nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        shortcut: nn.Module,
        drop_path: float,
        norm: ImageNorm,
        drop_block: nn.Module,
    ) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, channels, 3, stride)
        self.bn1 = image_norm(norm, channels)
        self.conv2 = conv(channels, channels, 3)
        self.bn2 = image_norm(norm, channels)
        self.downsample = shortcut
        self.drop_path = StochasticDepth(drop_path, "row")
        self.drop_block = drop_block

    @property
    def last_norm(self) -> nn.Module:
        """The norm before the sum."""
        return self.bn2

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, channels, H / stride, W / stride)."""
        hidden = F.relu(self.drop_block(self.bn1(self.conv1(inputs))))
        hidden = self.drop_block(self.bn2(self.conv2(hidden)))
        return F.relu(self.drop_path(hidden) + self.drop_block(self.downsample(inputs)))


class Bottleneck(nn.Module):
    """A 1×1, a 3×3 (which carries the stride, as torchvision has it) and a 1×1 convolution beside a shortcut."""

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        shortcut: nn.Module,
        drop_path: float,
        norm: ImageNorm,
        drop_block: nn.Module,
    ) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, channels, 1)
        self.bn1 = image_norm(norm, channels)
        self.conv2 = conv(channels, channels, 3, stride)
        self.bn2 = image_norm(norm, channels)
        self.conv3 = conv(channels, channels * self.expansion, 1)
        self.bn3 = image_norm(norm, channels * self.expansion)
        self.downsample = shortcut
        self.drop_path = StochasticDepth(drop_path, "row")
        self.drop_block = drop_block

    @property
    def last_norm(self) -> nn.Module:
        """The norm before the sum."""
        return self.bn3

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, 4 · channels, H / stride, W / stride)."""
        hidden = F.relu(self.drop_block(self.bn1(self.conv1(inputs))))
        hidden = F.relu(self.drop_block(self.bn2(self.conv2(hidden))))
        hidden = self.drop_block(self.bn3(self.conv3(hidden)))
        return F.relu(self.drop_path(hidden) + self.drop_block(self.downsample(inputs)))


class ResNet(Network):
    """Residual network; the parameters are named as torchvision names them, but for the `head`.

    Depths 18, 34 and 50 are those of the paper's section 4.1 (four stages of 64 to 512 channels); 20, 32, 44, 56 and
    110 those of its section 4.2 (three stages of 16, 32 and 64 channels).

    Args:
        input_shape: (C, H, W) of one image; 8×8 or larger with the CIFAR stem, 32×32 with the ImageNet one.
        num_classes: Number of logits.
        depth: Number of layers with weights.
        stem: "cifar" is a 3×3 convolution; "imagenet" a 7×7 one with stride 2 and a max-pooling with stride 2.
        shortcut: Where a block changes the shape: a 1×1 convolution ("projection", option B) or "padding" (option A).
            By default as in the paper: projection for 18, 34 and 50, padding for the others.
        zero_init_last_norm: Begin with every block an identity (Goyal et al., arXiv 1706.02677, section 5.1).
        dropout: Probability that an input of the head is dropped, in [0, 1).
        stochastic_depth: Probability that the last block is skipped for a sample, in [0, 1); it grows linearly with
            depth (Huang et al., arXiv 1603.09382).
        drop_block: About the share of the feature maps that is dropped in squares, in [0, 1): after every convolution
            and on every shortcut of the last two stages, as the paper has it (arXiv 1810.12890; there it grows with
            time).
        block_size: Height and width of those squares, odd; the paper's is 7, for maps of 14×14 and 7×7.
        norm: "batch", "group" (as `group_count` says) or "layer" (one group), everywhere.
        weights: File of weights made elsewhere (.pt or .safetensors): a state dict of this class, with torchvision's
            names, or with those of the public CIFAR ResNets (`linear`, `shortcut`, a `module.` before). Every weight
            must fit.

    Raises:
        ValueError: An argument is out of range, or the weights do not fit.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        depth: Depth = 18,
        stem: Literal["cifar", "imagenet"] = "cifar",
        shortcut: Literal["projection", "padding"] | None = None,
        zero_init_last_norm: bool = False,
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
        drop_block: float = 0.0,
        block_size: int = 5,
        norm: ImageNorm = "batch",
        weights: str | None = None,
    ) -> None:
        super().__init__()
        check_image("ResNet", input_shape, 32 if stem == "imagenet" else 8)
        rates = {"dropout": dropout, "stochastic_depth": stochastic_depth, "drop_block": drop_block}
        for name, value in rates.items():
            if not 0 <= value < 1:
                raise ValueError(f"ResNet: {name} {value} is not in [0, 1)")
        large = depth in IMAGENET_BLOCKS
        self.block: type[BasicBlock | Bottleneck] = Bottleneck if depth == 50 else BasicBlock
        self.shortcut = shortcut or ("projection" if large else "padding")
        counts = IMAGENET_BLOCKS[depth] if large else ((depth - 2) // 6,) * 3
        self.norm: ImageNorm = norm
        channels = 64 if large else 16
        imagenet = stem == "imagenet"
        self.conv1 = conv(input_shape[0], channels, 7 if imagenet else 3, stride=2 if imagenet else 1)
        self.bn1 = image_norm(norm, channels)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if imagenet else nn.Identity()
        self.stages = [f"layer{number}" for number in range(1, len(counts) + 1)]
        in_channels, done = channels, 0
        for number, count in enumerate(counts):
            width = channels * 2**number
            skipped = [stochastic_depth * (done + k + 1) / sum(counts) for k in range(count)]
            squares = DropBlock(drop_block if number >= len(counts) - 2 else 0.0, block_size)
            stage = self._stage(in_channels, width, 2 if number else 1, skipped, squares)
            self.add_module(self.stages[number], stage)
            in_channels, done = width * self.block.expansion, done + count
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.head = nn.Linear(in_channels, num_classes)
        self._initialise(zero_init_last_norm)
        if weights is not None:
            load_weights(self, weights, WEIGHT_NAMES)

    def _stage(
        self, in_channels: int, channels: int, stride: int, skipped: list[float], squares: DropBlock
    ) -> nn.Sequential:
        blocks = []
        for rate in skipped:
            beside = self._shortcut(in_channels, channels * self.block.expansion, stride)
            blocks.append(self.block(in_channels, channels, stride, beside, rate, self.norm, squares))
            in_channels, stride = channels * self.block.expansion, 1
        return nn.Sequential(*blocks)

    def _shortcut(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        if stride == 1 and in_channels == out_channels:
            return nn.Identity()
        if self.shortcut == "padding":
            return PaddingShortcut(in_channels, out_channels, stride)
        return nn.Sequential(conv(in_channels, out_channels, 1, stride), image_norm(self.norm, out_channels))

    def _initialise(self, zero_init_last_norm: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if zero_init_last_norm and isinstance(module, BasicBlock | Bottleneck):
                nn.init.zeros_(module.last_norm.get_parameter("weight"))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, num_classes)."""
        fastest = inputs.contiguous(memory_format=torch.channels_last)
        hidden = self.maxpool(F.relu(self.bn1(self.conv1(fastest))))
        for stage in self.stages:
            hidden = self.get_submodule(stage)(hidden)
        logits: Tensor = self.head(self.pool(hidden))
        return logits
