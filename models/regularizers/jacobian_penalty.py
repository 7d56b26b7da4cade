"""Jacobian regularization (Hoffman et al., "Robust Learning with Jacobian Regularization", arXiv 1908.02729)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from datamodules.checks import check_at_least, check_coefficient
from models.regularizers.base import Forward, Regularizer, Step
from models.regularizers.input_checks import check_tensor


def jacobian_norm(forward: Forward, inputs: Tensor, projections: int = 1) -> Tensor:
    """Return an unbiased estimate of ‖J‖², the squared Frobenius norm of the outputs' Jacobian, averaged over samples.

    C/n · Σ ‖∂(v·z)/∂x‖² over n directions v, drawn uniformly from the unit sphere, anew for each sample (the paper's
    algorithm 1). The gradient flows to the parameters.

    Args:
        forward: Maps inputs (N, ...) to outputs z, (N, C), each sample on its own; or to those of M steps, (M, C).
        inputs: x, (N, ...).
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
    """Adds λ/2 · ‖J‖² to the loss, with J the Jacobian of outputs by inputs: small input changes have small effects.

    The batch is passed again and differentiated twice: over six times a step of ResNet-18 on a CPU. cuDNN cannot do
    this with recurrent layers on a GPU. With batch norm, a sample's outputs also depend on the other samples of its
    batch; those derivatives count too.

    Args:
        coefficient: λ, 0 or more; the paper's is 0.01.
        projections: Number of random directions in output space, 1 or more; the paper's is 1.

    Raises:
        ValueError: An argument is out of range.
    """

    strength = "coefficient"
    differentiates_twice = True

    def __init__(self, coefficient: float = 0.01, projections: int = 1) -> None:
        super().__init__()
        check_coefficient("JacobianPenalty", coefficient=coefficient)
        check_at_least("JacobianPenalty", 1, projections=projections)
        self.coefficient = coefficient
        self.projections = projections

    @override
    def check_batch(self, inputs: Any, of_steps: bool) -> None:
        check_tensor("JacobianPenalty", inputs)

    @override
    def penalty(self, step: Step) -> Tensor | None:
        if not self.coefficient:
            return None
        return self.coefficient / 2 * jacobian_norm(step.forward, step.inputs, self.projections)
