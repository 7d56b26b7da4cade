"""Tutorial 004's convolutional network, LeNet-5 with batch norm, for images of any size."""

from torch import Tensor, nn

from datamodules.checks import check_fraction
from models.networks.drop_block import DropBlock
from models.networks.network import Network
from models.networks.norms import Norm, image_norm
from models.networks.shapes import check_image, count_features


class CNN(Network):
    """Two 5×5 convolutions with 6 and 16 channels, each followed by 2×2 pooling, then 120 and 64 units and the head.

    The tutorial's first linear layer takes 512 features, but a 32×32 image has 400 there; here the number is inferred.

    Args:
        input_shape: (C, H, W) of one image, 16×16 or larger.
        num_classes: Number of logits.
        dropout: Probability that one of the 120 units is dropped, in [0, 1).
        norm: Norm after each convolution: "batch", "group" (see `group_count`), "layer" (one group) or "none".
        spatial_dropout: Probability that a whole channel is dropped, after each pooling, in [0, 1) (Tompson et al.,
            "Efficient Object Localization Using Convolutional Networks", CVPR 2015, section 3.2).
        drop_block: Approximate fraction of the feature maps that is dropped in squares, after each pooling, in [0, 1).
        block_size: Height and width of the squares, odd.

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
        check_fraction("CNN", below_one=True, dropout=dropout, spatial_dropout=spatial_dropout, drop_block=drop_block)
        blocks: list[nn.Module] = []
        for in_channels, out_channels in ((input_shape[0], 6), (6, 16)):
            between = [] if norm == "none" else [image_norm(norm, out_channels)]
            # One module with the pooling: dropout must not change the names of weights.
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
