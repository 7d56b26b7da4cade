"""Jacobian regularization (Hoffman et al., "Robust Learning with Jacobian Regularization", arXiv 1908.02729)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.regularizers.base import Forward, Regularizer, check_coefficient
from models.regularizers.batches import check_tensor


def jacobian_norm(forward: Forward, inputs: Tensor, projections: int = 1) -> Tensor:
    """Return an estimate, without bias, of ‖J‖²: the squared Frobenius norm of an output's slopes by the inputs.

    C/n · Σ ‖∂(v·z)/∂x‖² over n directions v, each drawn evenly from the unit sphere, afresh for each sample (the
    paper's algorithm 1). The gradient flows to the parameters.

    Args:
        forward: Maps inputs (N, ...) to outputs z, (N, C), each sample by itself; or to those of M steps, (M, C).
        inputs: (N, ...), x.
        projections: n, 1 or more.

    Returns:
        A scalar in single precision or better.
    """
    inputs = inputs.detach().requires_grad_()
    outputs = forward(inputs)
    total = outputs.new_zeros((), dtype=torch.promote_types(outputs.dtype, torch.float32))
    for _ in range(projections):
        direction = F.normalize(torch.randn_like(outputs), dim=-1)
        (slope,) = torch.autograd.grad(outputs, inputs, direction, create_graph=True)
        total = total + slope.to(total.dtype).square().sum() / len(outputs)
    return total * (outputs.shape[-1] / projections)


class JacobianPenalty(Regularizer):
    """Adds λ/2 · ‖J‖² to the loss, J being the outputs' slopes by the inputs: small changes of an input change little.

    The batch is passed again and differentiated twice: over six times a step of ResNet-18 on a CPU. cuDNN cannot do so
    with recurrent layers on a GPU. Under batch norm a sample's outputs depend on the others of its batch too; those
    slopes count as well.

    Args:
        coefficient: λ, 0 or more; the paper's is 0.01.
        projections: Number of random directions in the space of outputs, 1 or more; the paper's is 1.

    Raises:
        ValueError: An argument is out of range.
    """

    strength = "coefficient"

    def __init__(self, coefficient: float = 0.01, projections: int = 1) -> None:
        super().__init__()
        check_coefficient("JacobianPenalty", "coefficient", coefficient)
        if projections < 1:
            raise ValueError(f"JacobianPenalty: projections {projections} is less than 1")
        self.coefficient = coefficient
        self.projections = projections

    def check_batch(self, inputs: Any, of_steps: bool) -> None:  # noqa: D102
        check_tensor("JacobianPenalty", inputs)

    def second_pass(  # noqa: D102
        self, forward: Forward, inputs: Tensor, outputs: Tensor, targets: Tensor
    ) -> Tensor | None:
        return self.coefficient / 2 * jacobian_norm(forward, inputs, self.projections) if self.coefficient else None
