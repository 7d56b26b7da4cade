"""AlexNet (Krizhevsky et al., NeurIPS 2012), with a stem for small images and the original stem for large ones."""

from typing import Literal

import torch
from torch import Tensor, nn

from datamodules.checks import check_at_least, check_fraction
from models.networks.network import Network
from models.networks.shapes import check_image, count_features


class AlexNet(Network):
    """Five convolutions and three fully connected layers, with the channels of "One weird trick" (arXiv 1404.5997).

    Args:
        input_shape: (C, H, W) of one image; 16×16 or larger with the CIFAR stem, 63×63 with the ImageNet stem.
        num_classes: Number of logits.
        stem: "imagenet" is the paper's 11×11 convolution with stride 4 and 3×3 pooling with stride 2; "cifar" a 3×3
            convolution with stride 1 and 2×2 pooling, for images of about 32×32.
        width: Units of the two hidden fully connected layers. The default is 4,096, as in the paper, and 1,024 with
            "cifar".
        dropout: Probability that an input of these layers is dropped, in [0, 1).

    Raises:
        ValueError: Images are too small for the stem, or an argument is out of range.
    """

    lays_out_channels_last = True

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        stem: Literal["cifar", "imagenet"] = "cifar",
        width: int | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        large = stem == "imagenet"
        width = (4096 if large else 1024) if width is None else width
        check_image("AlexNet", input_shape, 63 if large else 16)
        check_at_least("AlexNet", 1, width=width)
        check_fraction("AlexNet", below_one=True, dropout=dropout)
        self.features = nn.Sequential(
            nn.Conv2d(input_shape[0], 64, 11, stride=4, padding=2) if large else nn.Conv2d(input_shape[0], 64, 3, 1, 1),
            nn.ReLU(),
            self._pool(large),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            self._pool(large),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            self._pool(large),
            nn.AdaptiveAvgPool2d(6) if large else nn.Identity(),
            nn.Flatten(),
        )
        self.body = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(count_features(self.features, input_shape), width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.ReLU(),
        )
        self.head = nn.Linear(width, num_classes)

    @staticmethod
    def _pool(large: bool) -> nn.Module:
        return nn.MaxPool2d(3, stride=2) if large else nn.MaxPool2d(2)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, num_classes)."""
        fastest = inputs.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.head(self.body(self.features(fastest)))
        return logits
