"""Networks: plain `nn.Module`s that take `input_shape` and `num_classes`, and whose last layer is called `head`."""

from models.networks.alexnet import AlexNet
from models.networks.cnn import CNN
from models.networks.mlp import MLP, Linear
from models.networks.network import Network
from models.networks.pretrained import Pretrained
from models.networks.recurrent import Recurrent
from models.networks.resnet import ResNet
from models.networks.speedrun import SpeedrunCNN
from models.networks.table_mlp import TableMLP
from models.networks.tiny_conv import TinyConv
from models.networks.token_recurrent import TokenRecurrent

__all__ = [
    "CNN",
    "MLP",
    "AlexNet",
    "Linear",
    "Network",
    "Pretrained",
    "Recurrent",
    "ResNet",
    "SpeedrunCNN",
    "TableMLP",
    "TinyConv",
    "TokenRecurrent",
]
