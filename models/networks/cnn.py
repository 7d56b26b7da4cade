"""Tutorial 004's convolutional network, which is LeNet-5 with batch norm, for images of any size."""

from torch import Tensor, nn

from models.networks.shapes import count_features, require_image


class CNN(nn.Module):
    """Two convolutions of 5×5 with 6 and 16 channels, each pooled by 2, then 120 and 64 units and the head.

    The tutorial's first linear layer takes 512 features, which fits no 32×32 image (there are 400); here the size is
    found by a dry pass.

    Args:
        input_shape: (C, H, W) of one image, 16×16 or larger.
        num_classes: Number of logits.
        dropout: Probability that one of the 120 units is dropped, in [0, 1).
        batch_norm: Normalise after each convolution.

    Raises:
        ValueError: Images are too small for the two convolutions, or `dropout` is out of range.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        dropout: float = 0.5,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        require_image("CNN", input_shape, 16)
        if not 0 <= dropout < 1:
            raise ValueError(f"CNN: dropout {dropout} is not in [0, 1)")
        self.features = nn.Sequential(
            *self._block(input_shape[0], 6, batch_norm), *self._block(6, 16, batch_norm), nn.Flatten()
        )
        width = count_features(self.features, input_shape)
        self.body = nn.Sequential(nn.Linear(width, 120), nn.ReLU(), nn.Dropout(dropout), nn.Linear(120, 64), nn.ReLU())
        self.head = nn.Linear(64, num_classes)

    @staticmethod
    def _block(in_channels: int, out_channels: int, batch_norm: bool) -> list[nn.Module]:
        norm: list[nn.Module] = [nn.BatchNorm2d(out_channels)] if batch_norm else []
        return [nn.Conv2d(in_channels, out_channels, 5), *norm, nn.ReLU(), nn.MaxPool2d(2)]

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.head(self.body(self.features(inputs)))
        return logits
