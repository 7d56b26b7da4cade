"""Max-norm (Srebro & Shraibman, 2005; with dropout: Srivastava et al., JMLR 2014, section 5.1)."""

import torch
from torch import nn
from typing_extensions import override

from datamodules.checks import check_positive
from models.regularizers.weight_penalties import WeightRegularizer, matching_weights


class MaxNorm(WeightRegularizer):
    """Scales a unit's incoming weights down to a norm of at most `limit` after each step, with `torch.renorm`.

    A unit is a row of a linear layer, or a filter of a convolution. Nothing is added to the loss.

    Args:
        limit: The largest norm, above 0; the papers' are 3 to 4.
        pattern: Only weights whose name matches this regular expression anywhere; by default all trainable ones.

    Raises:
        ValueError: `limit` is out of range, or `pattern` is not a regular expression.
    """

    def __init__(self, limit: float = 3.0, pattern: str | None = None) -> None:
        super().__init__(pattern)
        check_positive("MaxNorm", limit=limit)
        self.limit = limit

    @override
    @torch.no_grad()
    def project(self, network: nn.Module) -> None:
        for weight in matching_weights(network, self.pattern).values():
            weight.renorm_(p=2, dim=0, maxnorm=self.limit)
