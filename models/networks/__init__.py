"""Networks: plain `nn.Module`s, each taking `input_shape` and `num_classes` and naming its last layer `head`."""

from models.networks.cnn import CNN
from models.networks.mlp import MLP, Linear

__all__ = ["CNN", "MLP", "Linear"]
