"""Lightning's trainer, which can also be told to choose the precision that suits the machine."""

from typing import Any, Literal

import lightning as L
import torch
from lightning.fabric.plugins.precision.precision import _PRECISION_INPUT
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback

Precision = Literal["auto"] | _PRECISION_INPUT


class Trainer(L.Trainer):
    """Lightning's trainer.

    Args:
        precision: As Lightning has it, or "auto": bf16-mixed where the device computes in bfloat16 by itself, which
            more than doubles the speed of convolutional networks, else 32-true.
        limit_train_batches: How much of the training part an epoch sees: a whole number of batches, or a share.
        limit_val_batches: How much of the validation part is measured, likewise.
        limit_test_batches: How much of the test part is measured, likewise.
        limit_predict_batches: How much of the test part is predicted, likewise.
        overfit_batches: Train and validate on so much of the training part, likewise.
        val_check_interval: Validate after so many batches, or this share of an epoch.
        kwargs: Arguments of `lightning.Trainer`.

    Raises:
        MisconfigurationException: A callback is there twice.
    """

    # Types of their own: `Union[int, float]` and `Union[float, int]` are one object to Python, whichever came first, so
    # that a parser may read 1, one batch, as 1.0, all of them.
    def __init__(
        self,
        *,
        precision: Precision | None = None,
        limit_train_batches: int | float | None = None,
        limit_val_batches: int | float | None = None,
        limit_test_batches: int | float | None = None,
        limit_predict_batches: int | float | None = None,
        overfit_batches: int | float = 0.0,
        val_check_interval: int | float | None = None,
        **kwargs: Any,
    ) -> None:
        check_no_repeats(kwargs.get("callbacks"))
        super().__init__(
            precision=resolve_precision(precision, kwargs.get("accelerator", "auto")),
            limit_train_batches=limit_train_batches,
            limit_val_batches=limit_val_batches,
            limit_test_batches=limit_test_batches,
            limit_predict_batches=limit_predict_batches,
            overfit_batches=overfit_batches,
            val_check_interval=val_check_interval,
            **kwargs,
        )


def check_no_repeats(callbacks: Any) -> None:
    """Check that no two callbacks would keep their state in a checkpoint under one name.

    Args:
        callbacks: As `lightning.Trainer` takes them: several, one, or None.

    Raises:
        MisconfigurationException: Two would, being alike.
    """
    several = callbacks if isinstance(callbacks, list) else []
    stateful = [callback for callback in several if type(callback).state_dict is not Callback.state_dict]
    keys = [callback.state_key for callback in stateful]
    repeated = next((type(callback).__name__ for callback in stateful if keys.count(callback.state_key) > 1), None)
    if repeated is not None:
        raise MisconfigurationException(f"trainer.callbacks: {repeated} is there twice: leave one out")


def resolve_precision(precision: Any, accelerator: Any) -> Any:
    """Return the precision that "auto" comes to on this machine; any other as it is."""
    return choose_precision(accelerator) if precision == "auto" else precision


def choose_precision(accelerator: Any) -> Literal["bf16-mixed", "32-true"]:
    """Return the fastest safe precision of an accelerator, as `trainer.accelerator` names it."""
    on_gpu = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    # Without instructions of its own a CPU emulates bfloat16, at a fraction of the speed; so does an old GPU.
    native = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else _cpu_has_bfloat16()
    return "bf16-mixed" if native and (on_gpu or accelerator in ("auto", "cpu")) else "32-true"


def _cpu_has_bfloat16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
