"""Muon: momentum whose steps are orthogonalized, for the weights of hidden layers; AdamW for all other parameters."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adamw import adamw

from datamodules.checks import check_at_least, check_coefficient, check_fraction, check_positive

QUINTIC = (3.4445, -4.7750, 2.0315)  # of Jordan's iteration: steep at 0, and near 1 elsewhere
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def orthogonalize(matrices: Tensor, steps: int = 5, dtype: torch.dtype | None = None) -> Tensor:
    """Return about U Vᵀ of each matrix's singular value decomposition U S Vᵀ, by Newton–Schulz iterations.

    Five steps bring singular values between 0.01 and 1 times the matrix's norm to between 0.68 and 1.14, which serves
    as well as 1 (Jordan et al., https://kellerjordan.github.io/posts/muon).

    Args:
        matrices: (..., rows, columns).
        steps: Number of iterations, 1 or more.
        dtype: What they compute in; if not given, bfloat16 on a GPU, elsewhere the matrices' own.

    Returns:
        (..., rows, columns), of the same type; zeros where a matrix is 0.
    """
    a, b, c = QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    found: Tensor = matrices.mT if tall else matrices
    if dtype is None and found.device.type == "cuda":
        dtype = torch.bfloat16
    found = found.to(dtype or found.dtype)
    found = found / found.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    for _ in range(steps):
        gram = found @ found.mT
        found = a * found + (b * gram + c * gram @ gram) @ found
    return (found.mT if tall else found).to(matrices.dtype)


class MuonWithAdamW(Optimizer):
    """Steps hidden weights by orthogonalized momentum, and everything else by AdamW.

    All directions of a weight's step are equally large, also those that gradients rarely take. The filters of a
    convolution are the rows of a matrix. Biases, norms, embeddings and the head are stepped by AdamW, as the authors
    recommend (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon); schedules act on both learning rates
    alike. Weight decay is decoupled in both. `torch.optim.Muon` takes matrices only, and nothing else.

    A task tells it which weights are hidden: those below the layer called `head`. In a loop of your own, give groups:
    `{"params": [...], "hidden": False}` for head and embeddings; parameters of one dimension are never hidden. A
    group's `lr` is that of hidden weights; AdamW's rate is `adamw_factor` times that.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate of hidden weights, 0 or more: the size of a step's singular values, times
            sqrt(rows / columns) where there are more rows than columns.
        momentum: Weight of the past in the mean of gradients, in [0, 1).
        nesterov: Step by the mean of the gradient and the momentum, instead of the momentum alone.
        weight_decay: A step shrinks weights by the learning rate times this, 0 or more.
        newton_schulz_steps: Iterations of `orthogonalize`, 1 or more.
        newton_schulz_dtype: What they compute in: "bfloat16", as in the authors' code, or "float32"; if not given,
            bfloat16 on a GPU, elsewhere the weights' own.
        adamw_lr: AdamW's learning rate, 0 or more.
        betas: AdamW's, each in [0, 1).

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.02,
        momentum: float = 0.95,
        nesterov: bool = True,
        weight_decay: float = 0.0,
        newton_schulz_steps: int = 5,
        newton_schulz_dtype: Literal["bfloat16", "float32"] | None = None,
        adamw_lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.95),
    ) -> None:
        check_positive("MuonWithAdamW", lr=lr)
        check_coefficient("MuonWithAdamW", adamw_lr=adamw_lr, weight_decay=weight_decay)
        check_fraction("MuonWithAdamW", below_one=True, momentum=momentum, betas_0=betas[0], betas_1=betas[1])
        check_at_least("MuonWithAdamW", 1, newton_schulz_steps=newton_schulz_steps)
        if newton_schulz_dtype not in (None, *DTYPES):
            raise ValueError(f"MuonWithAdamW: newton_schulz_dtype {newton_schulz_dtype!r} is not {' or '.join(DTYPES)}")
        self.newton_schulz_steps = newton_schulz_steps
        self.newton_schulz_dtype = None if newton_schulz_dtype is None else DTYPES[newton_schulz_dtype]
        options: dict[str, Any] = {"momentum": momentum, "nesterov": nesterov, "betas": betas, "hidden": True}
        options["adamw_factor"] = adamw_lr / lr
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **options})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Step.

        Args:
            closure: Computes the loss and its gradient, and returns the loss.

        Returns:
            What `closure` returns; None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            given = [parameter for parameter in group["params"] if parameter.grad is not None]
            least = 2 if group["hidden"] else math.inf  # dimensions of a hidden weight
            for parameter in given:
                if parameter.ndim >= least:
                    self._step_hidden(parameter, group)
            if others := [parameter for parameter in given if parameter.ndim < least]:
                self._step_others(others, group)
        return loss

    def _step_hidden(self, parameter: Tensor, group: dict[str, Any]) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        mean: Tensor = state["momentum_buffer"]
        mean.lerp_(gradient, 1 - group["momentum"])
        update = gradient.lerp(mean, group["momentum"]) if group["nesterov"] else mean
        update = orthogonalize(update.flatten(1), self.newton_schulz_steps, self.newton_schulz_dtype)
        rows, columns = update.shape
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(update.view_as(parameter), alpha=-group["lr"] * max(1, rows / columns) ** 0.5)

    def _step_others(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "step": torch.zeros(()),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in parameters]
        adamw(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            exp_avgs=[state["exp_avg"] for state in states],
            exp_avg_sqs=[state["exp_avg_sq"] for state in states],
            max_exp_avg_sqs=[],
            state_steps=[state["step"] for state in states],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"] * group["adamw_factor"],
            weight_decay=group["weight_decay"],
            eps=1e-8,
            maximize=False,
        )
