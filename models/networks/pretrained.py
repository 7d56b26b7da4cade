"""Transfer learning: a backbone with weights made elsewhere under a new head, frozen as far as asked."""

import copy
import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from models.networks.input_transform import Preprocessing, Resize
from models.networks.network import Network
from models.networks.resnet import PUBLIC_NAMES
from models.networks.shapes import check_image
from models.networks.stages import Stage, stages
from models.networks.torchvision_network import build_network, cut_head, published_preprocessing, published_weights
from models.networks.weight_files import load_initial_weights, load_weights, read_file

NetworkFactory = Callable[[tuple[int, ...], int], nn.Module]
WEIGHT_FILES = (".pt", ".pth", ".th", ".safetensors", ".ckpt")
LEFT_OUT = ("head.", "preprocessing.", "AuxLogits.", "aux1.", "aux2.")


class Pretrained(Network):
    """A pretrained backbone and a new head.

    Inputs are images in [0, 1] (`data.mean: [0.0]` and `data.std: [1.0]`): resizing and normalisation come with the
    weights and are done here, on the device, so that they also fit grey images, which become three equal channels.

    What is frozen does not move by a bit: its parameters take no gradient and no weight decay, and its norms and
    dropout stay in evaluation mode whatever `train()` is called with. The blocks of "last:<n>" are the backbone's
    `stages`: a ResNet has five (the stem, then `layer1` to `layer4`), a vision transformer one for its patches and one
    for each encoder block.

    Args:
        input_shape: (C, H, W) of one image of the data.
        num_classes: Number of logits.
        architecture: A classification network of torchvision by its name, such as "resnet18"; or a network of this
            project by its class and arguments, without `input_shape` and `num_classes` (in a notebook, one that is
            built).
        weights: torchvision's by name ("DEFAULT", "IMAGENET1K_V1"); or a file: a .ckpt that was trained here, a .pt or
            a .safetensors. The file's head is left out; all else must fit. None begins at random.
        train: What is trained: "all", the "head" alone, or the head and the last n blocks, "last:<n>".
        resize: Height and width to resize images to, whole (bilinear or bicubic as the weights want, antialiased);
            "weights" is the size that torchvision's weights were trained with, and None with a network of ours; None
            leaves images as they are.

    Attributes:
        feature_cache: What gives the features of inputs in the backbone's place, None if nothing does.

    Raises:
        ValueError: An argument is wrong, or the weights cannot be had or do not fit.
    """

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
        if isinstance(resize, int) and resize < 1:
            raise ValueError(f"Pretrained: resize {resize} is less than 1")
        file = weights if weights is not None and _is_file(weights) else None
        name = weights if file is None else None
        if isinstance(architecture, str):
            published = published_weights(architecture, name or "DEFAULT")
            self.backbone = build_network(architecture, published, load=name is not None and load_initial_weights())
            self.preprocessing = published_preprocessing(published, resize)
            self.name = architecture
        elif name is not None:
            raise ValueError(
                f"weights: {name!r} is no file ({', '.join(WEIGHT_FILES)}); by name there are torchvision's alone"
            )
        else:
            size = None if resize == "weights" else resize
            shape = input_shape if size is None else (input_shape[0], size, size)
            if isinstance(architecture, nn.Module):
                self.backbone = copy.deepcopy(architecture)
            else:
                self.backbone = architecture(shape, num_classes)
            self.preprocessing = Preprocessing([0.0] * shape[0], [1.0] * shape[0], size)
            self.name = type(self.backbone).__name__
        head_name, features = cut_head(self.backbone)
        self.head = nn.Linear(features, num_classes)
        self.feature_cache: Callable[[Tensor], Tensor] | None = None
        if file is not None:
            load_weights(self.backbone, file, {**PUBLIC_NAMES, "backbone.": "", f"{head_name}.": "head."}, LEFT_OUT)
            self._take_statistics(file)
        self.initially_trained = self._count_trained(train)
        self.train_last(self.initially_trained)
        self._require_fit(input_shape)

    def blocks(self) -> list[Stage]:
        """Return the backbone's stages, from the input to the head."""
        return stages(self.backbone)

    def train_last(self, count: int) -> None:
        """Let the head and the last `count` blocks train; freeze the rest."""
        blocks = self.blocks()
        self.trained_blocks = min(count, len(blocks))
        for number, block in enumerate(blocks):
            for parameter in block.parameters():
                parameter.requires_grad_(number >= len(blocks) - self.trained_blocks)
                parameter.grad = None if not parameter.requires_grad else parameter.grad
        self.train(self.training)

    def train(self, mode: bool = True) -> "Pretrained":
        """Set training or evaluation mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        blocks = self.blocks()
        for block in blocks[: len(blocks) - self.trained_blocks]:
            for module in block.modules:
                module.eval()
        return self

    def features(self, inputs: Tensor) -> Tensor:
        """Map images (N, C, H, W) to what the head is given, (N, features)."""
        if self.feature_cache is not None:
            return self.feature_cache(inputs)
        features: Tensor = self.backbone(self.preprocessing(inputs))
        return features

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [0, 1] to logits (N, num_classes)."""
        logits: Tensor = self.head(self.features(inputs))
        return logits

    def _count_trained(self, train: str) -> int:
        count = len(self.blocks())
        if train in ("all", "head"):
            return count if train == "all" else 0
        last = re.fullmatch(r"last:([1-9]\d*)", train)
        if last is None:
            raise ValueError(f"train: {train!r} is none of all, head and last:<n>, such as last:1")
        if int(last[1]) > count:
            raise ValueError(f"train: {train} is more than the {count} blocks that {self.name} has")
        return int(last[1])

    def _take_statistics(self, path: str) -> None:
        """Normalise as the run did that a checkpoint is from: its data first, then perhaps its network."""
        content = read_file(path) if load_initial_weights() else None
        if not isinstance(content, Mapping) or "pytorch-lightning_version" not in content:
            return
        names = [f"network.preprocessing.{name}" for name in ("mean", "std")]
        mean, std = (content.get("state_dict", {}).get(name) for name in names)
        recorded = (content.get("split") or {}).get("normalization")
        if mean is None and recorded is None:
            return
        data = recorded or {"mean": [0.0], "std": [1.0]}
        data_mean, data_std = torch.tensor(data["mean"]), torch.tensor(data["std"])
        self.preprocessing.mean.copy_(data_mean + data_std * (0 if mean is None else mean))
        self.preprocessing.std.copy_(data_std * (1 if std is None else std))

    def _require_fit(self, input_shape: tuple[int, ...]) -> None:
        channels = len(self.preprocessing.mean)
        if input_shape[0] not in (1, channels):
            raise ValueError(f"Pretrained: {self.name} takes images of 1 or {channels} channels, not {input_shape[0]}")
        mode, size = self.training, self.preprocessing.size or f"{input_shape[1]}×{input_shape[2]}"
        try:
            with torch.no_grad():
                self.eval()(torch.zeros(1, *input_shape))
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"Pretrained: {self.name} takes no images of size {size}; set resize ({reason})"
            ) from error
        self.train(mode)


def _is_file(weights: str) -> bool:
    # By its name alone: with a checkpoint of this network at hand, the file may be gone.
    return weights.endswith(WEIGHT_FILES)
