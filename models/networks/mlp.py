"""Fully connected networks: a linear classifier and the multilayer perceptron."""

import math
import warnings
from typing import Literal

from torch import Tensor, nn

from datamodules.checks import check_fraction
from models.networks.network import Network
from models.networks.norms import Norm, vector_norm

Activation = Literal["relu", "gelu", "tanh", "silu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh, "silu": nn.SiLU}


class Linear(Network):
    """One linear layer on the flattened input: softmax regression, or linear regression.

    Args:
        input_shape: Shape of one sample.
        num_classes: Number of logits, or of outputs in regression.
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(math.prod(input_shape), num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (N, *input_shape) to logits (N, num_classes)."""
        logits: Tensor = self.head(inputs.flatten(1))
        return logits


class MLP(Network):
    """Multilayer perceptron: linear, norm, activation and dropout for each width, then the head.

    Args:
        input_shape: Shape of one sample.
        num_classes: Number of logits, or of outputs in regression.
        widths: Number of units of each hidden layer; [256, 128] is tutorial 003's.
        dropout: Probability that a hidden unit is dropped, in [0, 1).
        norm: Norm of each hidden layer: "batch", "group" (see `group_count`), "layer" or "none".
        activation: Activation of each hidden layer.

    Raises:
        ValueError: A width is less than 1, or `dropout` is out of range.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        widths: list[int] | None = None,
        dropout: float = 0.0,
        norm: Norm = "none",
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        widths = [256, 128] if widths is None else widths
        if any(width < 1 for width in widths):
            raise ValueError(f"MLP: widths {widths} has a width of less than 1")
        check_fraction("MLP", below_one=True, dropout=dropout)
        if not widths:
            warnings.warn("MLP: widths [] has no hidden layer, so that the network is linear", stacklevel=2)
        layers: list[nn.Module] = [nn.Flatten()]
        features = math.prod(input_shape)
        for width in widths:
            layers.append(nn.Linear(features, width))
            if norm != "none":
                layers.append(vector_norm(norm, width))
            layers.append(ACTIVATIONS[activation]())
            if dropout:
                layers.append(nn.Dropout(dropout))
            features = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(features, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (N, *input_shape) to logits (N, num_classes)."""
        logits: Tensor = self.head(self.body(inputs))
        return logits
