"""Transfer learning: a pretrained backbone under a new head, with as many frozen blocks as wanted."""

import copy
import re
from collections.abc import Callable, Mapping
from typing import Self

import torch
from torch import Tensor, nn

from datamodules.checks import check_at_least
from models.networks.input_transform import InputTransform, Resize
from models.networks.network import Network
from models.networks.resnet import PUBLIC_NAMES
from models.networks.shapes import check_image
from models.networks.stages import Stage, stages
from models.networks.torchvision_network import (
    AUXILIARY_HEADS,
    build_network,
    cut_head,
    published_transform,
    published_weights,
)
from models.networks.weight_files import (
    load_initial_head,
    load_initial_weights,
    load_weights,
    read_statistics,
    read_weights,
    rename,
)

NetworkFactory = Callable[[tuple[int, ...], int], nn.Module]
WEIGHT_FILES = (".pt", ".pth", ".th", ".safetensors", ".ckpt")
# Prefixes of weights in a file that are not the backbone's; "preprocessing." is an older name of "transform.".
NOT_IN_BACKBONE = ("head.", "transform.", "preprocessing.", *(f"{name}." for name in AUXILIARY_HEADS))


class Pretrained(Network):
    """A pretrained backbone and a new head.

    Images are resized here, on the device, and a grey image becomes three equal channels for a backbone that takes
    three. Weights that come with statistics (torchvision's by name, or a .ckpt) also normalise images in [0, 1] by
    these here. Without, the statistics of the data apply: images must be normalised before, as a task does.

    Frozen parts do not change by a bit: their parameters take neither gradient nor weight decay, and their norms and
    dropout stay in evaluation mode even after `train()`. The blocks of "last:<n>" are the backbone's `stages`: a ResNet
    has five (the stem, then `layer1` to `layer4`), a vision transformer one for its patches and one for each encoder
    block.

    Args:
        input_shape: (C, H, W) of one image of the data.
        num_classes: Number of logits.
        architecture: Name of a classification network of torchvision, such as "resnet18"; or class and arguments of a
            network of this project, without `input_shape` and `num_classes` (in a notebook, also a network that is
            built).
        weights: Name of torchvision's weights ("DEFAULT", "IMAGENET1K_V1"); or a file: a .ckpt of this project, a .pt
            or a .safetensors. All of the file's weights except the head's must fit. None starts from random weights.
        train: Parts to train: "all", the "head", or the head and the last n blocks, "last:<n>".
        resize: Height and width to resize whole images to (bilinear or bicubic as the weights expect, antialiased).
            "weights" is the size that torchvision's weights were trained with, and does not resize for a network of
            this project. None does not resize.

    Attributes:
        inputs_are_features: Whether inputs are features of the backbone, (N, features), which are passed to the head.

    Raises:
        ValueError: An argument is out of range, or the weights cannot be read or do not fit.
    """

    inputs_are_features: bool = False

    may_change_on_resume = ("weights",)

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        architecture: str | NetworkFactory,
        weights: str | None,
        train: str = "all",
        resize: Resize = "weights",
    ) -> None:
        super().__init__()
        check_image("Pretrained", input_shape, 1)
        self.input_shape = tuple(input_shape)
        if isinstance(resize, int):
            check_at_least("Pretrained", 1, resize=resize)
        file = weights if weights is not None and weights.endswith(WEIGHT_FILES) else None
        name = weights if file is None else None
        # Known from the arguments alone: a run's checkpoint must be testable after `weights` is gone.
        self.normalizes_inputs = name is not None or (file is not None and file.endswith(".ckpt"))
        if isinstance(architecture, str):
            published = published_weights(architecture, name or "DEFAULT")
            self.backbone = build_network(architecture, published, load=name is not None and load_initial_weights())
            self.transform = published_transform(published, resize, normalize=name is not None)
            self.name = architecture
        elif name is not None:
            raise ValueError(
                f"weights: {name!r} is not a file ({', '.join(WEIGHT_FILES)}); only torchvision's networks have "
                f"weights by name"
            )
        else:
            size = None if resize == "weights" else resize
            shape = input_shape if size is None else (input_shape[0], size, size)
            if isinstance(architecture, nn.Module):
                self.backbone = copy.deepcopy(architecture)
            else:
                self.backbone = architecture(shape, num_classes)
            self.transform = InputTransform([0.0] * shape[0], [1.0] * shape[0], size)
            self.name = type(self.backbone).__name__
        if getattr(self.backbone, "adapts_to", 0):
            raise ValueError(f"Pretrained: {self.name} adapts to its own training data; make it the network itself")
        cut = cut_head(self.backbone)
        self.head = nn.Linear(cut.features, num_classes)
        if file is not None and load_initial_weights():
            new_names = {**PUBLIC_NAMES, "backbone.": "", f"{cut.name}.": "head."}
            load_weights(self.backbone, file, new_names, NOT_IN_BACKBONE)
            if load_initial_head():
                renamed = {rename(key, new_names): value for key, value in read_weights(file).items()}
                self._take_head({} if cut.layer is None else renamed, file)
            if self.normalizes_inputs:
                mean, std = read_statistics(file)
                self.transform.mean.copy_(mean)
                self.transform.std.copy_(std)
        if name is not None and load_initial_head() and load_initial_weights():
            published_head = {} if cut.layer is None else cut.layer.state_dict(prefix="head.")
            self._take_head(published_head, f"{self.name}'s {name}")
        self.initially_trained = self._count_trained(train)
        self.train_last(self.initially_trained)
        self._check_fit(input_shape)

    def blocks(self) -> list[Stage]:
        """Return the backbone's stages in order from the input."""
        return stages(self.backbone)

    def train_last(self, count: int) -> None:
        """Train the head and the last `count` blocks; freeze the others."""
        blocks = self.blocks()
        self.trained_blocks = min(count, len(blocks))
        for number, block in enumerate(blocks):
            for parameter in block.parameters():
                parameter.requires_grad_(number >= len(blocks) - self.trained_blocks)
                parameter.grad = None if not parameter.requires_grad else parameter.grad
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; frozen blocks stay in evaluation mode."""
        super().train(mode)
        blocks = self.blocks()
        for block in blocks[: len(blocks) - self.trained_blocks]:
            for module in block.modules:
                module.eval()
        return self

    def features(self, inputs: Tensor) -> Tensor:
        """Map images (N, C, H, W) to the inputs of the head, (N, features)."""
        if self.inputs_are_features:
            return inputs
        features: Tensor = self.backbone(self.transform(inputs))
        return features

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.head(self.features(inputs))
        return logits

    def _take_head(self, found: Mapping[str, Tensor], source: str) -> None:
        """Take the head of weights that are measured without training."""
        weight, bias = found.get("head.weight"), found.get("head.bias")
        if weight is None or weight.shape != self.head.weight.shape:
            has = "no linear head" if weight is None else f"a head {tuple(weight.shape)}"
            raise ValueError(
                f"weights: {source} has {has}, and the data needs one of {tuple(self.head.weight.shape)}: without "
                f"training only weights for the same classes can be measured"
            )
        with torch.no_grad():
            self.head.weight.copy_(weight)
            self.head.bias.copy_(torch.zeros_like(self.head.bias) if bias is None else bias)

    def _count_trained(self, train: str) -> int:
        count = len(self.blocks())
        if train in ("all", "head"):
            return count if train == "all" else 0
        last = re.fullmatch(r"last:([1-9]\d*)", train)
        if last is None:
            raise ValueError(f"train: {train!r} is not all, head or last:<n>, for example last:1")
        if int(last[1]) > count:
            raise ValueError(f"train: {train} is more than the {count} blocks that {self.name} has")
        return int(last[1])

    def _check_fit(self, input_shape: tuple[int, ...]) -> None:
        channels = len(self.transform.mean)
        if input_shape[0] not in (1, channels):
            raise ValueError(f"Pretrained: {self.name} takes images of 1 or {channels} channels, not {input_shape[0]}")
        mode, size = self.training, self.transform.size or f"{input_shape[1]}×{input_shape[2]}"
        try:
            with torch.no_grad():
                self.eval()(torch.zeros(1, *input_shape))
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"Pretrained: {self.name} does not take images of size {size}; set resize ({reason})"
            ) from error
        self.train(mode)
