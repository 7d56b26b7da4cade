"""Lightning's trainer, which can also be told to choose the precision that suits the machine."""

from typing import Any, Literal

import lightning as L
import torch
from lightning.fabric.plugins.precision.precision import _PRECISION_INPUT

Precision = Literal["auto"] | _PRECISION_INPUT


class Trainer(L.Trainer):
    """Lightning's trainer.

    Args:
        precision: As Lightning has it, or "auto": bf16-mixed where the device computes in bfloat16 by itself, which
            more than doubles the speed of convolutional networks, else 32-true.
        kwargs: Arguments of `lightning.Trainer`.
    """

    def __init__(self, *, precision: Precision | None = None, **kwargs: Any) -> None:
        chosen = choose_precision(kwargs.get("accelerator", "auto")) if precision == "auto" else precision
        super().__init__(precision=chosen, **kwargs)


def choose_precision(accelerator: Any) -> Literal["bf16-mixed", "32-true"]:
    """Return the fastest safe precision of an accelerator, as `trainer.accelerator` names it."""
    on_gpu = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    # Without instructions of its own a CPU emulates bfloat16, at a fraction of the speed; so does an old GPU.
    native = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else _cpu_has_bfloat16()
    return "bf16-mixed" if native and (on_gpu or accelerator in ("auto", "cpu")) else "32-true"


def _cpu_has_bfloat16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
