"""Tutorial 004's convolutional network, which is LeNet-5 with batch norm, for images of any size."""

from torch import Tensor, nn

from models.networks.drop_block import DropBlock
from models.networks.network import Network
from models.networks.norms import Norm, image_norm
from models.networks.shapes import check_image, count_features


class CNN(Network):
    """Two convolutions of 5×5 with 6 and 16 channels, each pooled by 2, then 120 and 64 units and the head.

    The tutorial's first linear layer takes 512 features, which fits no 32×32 image (there are 400); here the size is
    found by a dry pass.

    Args:
        input_shape: (C, H, W) of one image, 16×16 or larger.
        num_classes: Number of logits.
        dropout: Probability that one of the 120 units is dropped, in [0, 1).
        norm: Normalisation after each convolution; "group" as `group_count` says, "layer" of all channels.
        spatial_dropout: Probability that a whole channel is dropped, after each pooling, in [0, 1) (Tompson et al.,
            "Efficient Object Localization Using Convolutional Networks", CVPR 2015, section 3.2).
        drop_block: About the share of the feature maps that is dropped in squares, after each pooling, in [0, 1).
        block_size: Height and width of those squares, odd.

    Raises:
        ValueError: Images are too small for the two convolutions, or an argument is out of range.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        dropout: float = 0.5,
        norm: Norm = "batch",
        spatial_dropout: float = 0.0,
        drop_block: float = 0.0,
        block_size: int = 5,
    ) -> None:
        super().__init__()
        check_image("CNN", input_shape, 16)
        rates = {"dropout": dropout, "spatial_dropout": spatial_dropout, "drop_block": drop_block}
        for name, value in rates.items():
            if not 0 <= value < 1:
                raise ValueError(f"CNN: {name} {value} is not in [0, 1)")
        blocks: list[nn.Module] = []
        for in_channels, out_channels in ((input_shape[0], 6), (6, 16)):
            between = [] if norm == "none" else [image_norm(norm, out_channels)]
            # In one module with the pooling, so that weights have the same names with and without.
            pool = nn.Sequential(nn.MaxPool2d(2), DropBlock(drop_block, block_size), nn.Dropout2d(spatial_dropout))
            blocks += [nn.Conv2d(in_channels, out_channels, 5), *between, nn.ReLU(), pool]
        self.features = nn.Sequential(*blocks, nn.Flatten())
        width = count_features(self.features, input_shape)
        self.body = nn.Sequential(nn.Linear(width, 120), nn.ReLU(), nn.Dropout(dropout), nn.Linear(120, 64), nn.ReLU())
        self.head = nn.Linear(64, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.head(self.body(self.features(inputs)))
        return logits
