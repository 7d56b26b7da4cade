"""A multilayer perceptron for tables, which embeds categories of many values."""

import torch
from torch import Tensor, nn
from typing_extensions import override

from models.networks.mlp import MLP, Activation
from models.networks.norms import Norm


class TableMLP(MLP):
    """A multilayer perceptron that embeds each category of many values first (Guo and Berkhahn, arXiv 1604.06737).

    The embedding of a category of n values has min(50, 1.6 · n^0.56) dimensions, fastai's rule.

    Args:
        input_shape: Number of inputs, (F,).
        num_classes: Number of logits, or of outputs in regression.
        category_blocks: First input and number of inputs of each category to embed; filled in from the data.
        widths: Number of units of each hidden layer.
        dropout: Probability that a hidden unit is dropped, in [0, 1).
        norm: Norm of each hidden layer.
        activation: Activation of each hidden layer.

    Raises:
        ValueError: A width is less than 1, or `dropout` is out of range.
    """

    others: Tensor

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        category_blocks: list[tuple[int, int]] | None = None,
        widths: list[int] | None = None,
        dropout: float = 0.0,
        norm: Norm = "none",
        activation: Activation = "relu",
    ) -> None:
        blocks = [tuple(block) for block in category_blocks or []]
        dimensions = [min(50, round(1.6 * size**0.56)) for _, size in blocks]
        embedded = {index for start, size in blocks for index in range(start, start + size)}
        others = [index for index in range(input_shape[0]) if index not in embedded]
        super().__init__((len(others) + sum(dimensions),), num_classes, widths, dropout, norm, activation)
        self.blocks = blocks
        # One input per value, so that mixed rows have mixed embeddings.
        self.embeddings = nn.ModuleList(
            nn.Linear(size, dimension, bias=False) for (_, size), dimension in zip(blocks, dimensions, strict=True)
        )
        self.register_buffer("others", torch.tensor(others, dtype=torch.int64), persistent=False)

    @override
    def forward(self, inputs: Tensor) -> Tensor:
        if not self.blocks:
            return super().forward(inputs)
        pairs = zip(self.blocks, self.embeddings, strict=True)
        embedded = [embed(inputs[:, start : start + size]) for (start, size), embed in pairs]
        return super().forward(torch.cat([inputs[:, self.others], *embedded], dim=1))
