"""Max-norm (Srebro & Shraibman, 2005; with dropout: Srivastava et al., JMLR 2014, section 5.1)."""

import torch
from torch import nn

from models.regularizers.weight_penalty import WeightRegularizer


class MaxNorm(WeightRegularizer):
    """After each step, scales a unit's incoming weights down to a norm of at most `limit`, by `torch.renorm`.

    A unit is a row of a linear layer, or a filter of a convolution. There is no term in the loss.

    Args:
        limit: The largest norm, above 0; the paper's are 3 to 4.
        pattern: Only weights in whose name this regular expression is found; by default all trainable ones.

    Raises:
        ValueError: `limit` is out of range, or `pattern` no regular expression.
    """

    def __init__(self, limit: float = 3.0, pattern: str | None = None) -> None:
        super().__init__(pattern)
        if not 0 < limit < float("inf"):
            raise ValueError(f"MaxNorm: limit {limit} must be above 0")
        self.limit = limit

    def project(self, network: nn.Module) -> None:  # noqa: D102
        with torch.no_grad():
            for weight in self.weights(network):
                weight.renorm_(p=2, dim=0, maxnorm=self.limit)
