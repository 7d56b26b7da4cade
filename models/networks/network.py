"""The base class of this project's networks."""

from torch import nn

from models.init_args import RecordsInitArgs


class Network(RecordsInitArgs, nn.Module):
    """A network that takes `input_shape` and `num_classes`, and whose last layer is called `head`.

    Any `nn.Module` can be trained. This class says which networks are the project's own, whose short names the command
    line prefers, and lets a checkpoint rebuild them.
    """
