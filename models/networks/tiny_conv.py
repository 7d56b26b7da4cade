"""Tutorial 000's network: two strided convolutions of three channels and a linear layer."""

from torch import Tensor, nn

from datamodules.checks import check_at_least
from models.networks.mlp import ACTIVATIONS, Activation
from models.networks.network import Network
from models.networks.shapes import check_image


class TinyConv(Network):
    """An 8×8 convolution with stride 8, a 4×4 convolution and the head: 766 parameters for 32×32 colour images.

    The tutorial has no activations between the layers, so the network is a linear map. Images larger than 32×32 leave
    more than one position after the convolutions; the head gets their mean.

    Args:
        input_shape: (C, H, W) of one image, 32×32 or larger.
        num_classes: Number of logits.
        channels: Channels of both convolutions.
        activation: Activation after each convolution; None, as in the tutorial, for none.

    Raises:
        ValueError: Images are too small, or `channels` is less than 1.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        channels: int = 3,
        activation: Activation | None = None,
    ) -> None:
        super().__init__()
        check_image("TinyConv", input_shape, 32)
        check_at_least("TinyConv", 1, channels=channels)
        kind = nn.Identity if activation is None else ACTIVATIONS[activation]
        self.body = nn.Sequential(
            nn.Conv2d(input_shape[0], channels, 8, stride=8),
            kind(),
            nn.Conv2d(channels, channels, 4),
            kind(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(channels, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.head(self.body(inputs))
        return logits
