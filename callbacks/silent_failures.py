"""Warnings of a training that runs to its end and learns nothing, with the likely cause."""

import math
from typing import Any, ClassVar

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from callbacks.history import History, Row
from callbacks.lookup import validates_in_fit
from models.evaluated import EvaluatedModule

EQUAL_FOR = 3  # validations in which all predictions are the same before it is said
CHANCE_AFTER = 5  # epochs: a sequence model may need some before it finds anything
UNMOVED_FOR = 3  # epochs
HUGE = 50.0  # root mean square of the first batch's inputs; normalised ones have about 1
SAME = 1e-6  # relative


class SilentFailures(L.Callback):
    """Warns, one line each, of inputs, labels and settings with which a training ends well and has learnt nothing.

    It looks at the settings, the labels and the first batch, and at the metrics of the first epochs; it asks the device
    nothing in a training step. What it said is in `summary.json`, under "warnings".

    Attributes:
        messages: What was said, by kind; a resumed run knows what was said before.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self) -> None:
        self._lowest: Tensor | None = None
        self._highest: Tensor | None = None
        self._equal = 0
        self._said: set[str] = set()
        self.messages: dict[str, str] = {}

    def _warn(self, kind: str, message: str) -> None:
        self.messages.setdefault(kind, message)
        if kind not in self._said:
            self._said.add(kind)
            rank_zero_warn(message)

    def summary(self, best: Row) -> dict[str, Any]:
        """Return the entry of `summary.json`."""
        return {"warnings": list(self.messages.values())}

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"equal": self._equal, "messages": self.messages}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._equal, self.messages = state_dict["equal"], dict(state_dict["messages"])

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage == "fit":  # a resumed run loads its own afterwards
            self._equal, self.messages = 0, {}

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.max_epochs is not None and 0 <= trainer.max_epochs < (trainer.min_epochs or 0):
            self._warn(
                "epochs",
                f"trainer.min_epochs {trainer.min_epochs} is above trainer.max_epochs {trainer.max_epochs}, which ends "
                f"the run: raise max_epochs",
            )
        if str(trainer.precision).startswith("16-true") and pl_module.device.type == "cpu":
            self._warn(
                "precision",
                "trainer.precision 16-true on a CPU: float16 is slow there and overflows above 65,504; use bf16-mixed, "
                "or 32-true",
            )
        held = _classes_of_validation(trainer)
        if held is not None and len(held) == 1:
            self._warn(
                "validation",
                f"the validation part holds one class alone, {next(iter(held))}: its accuracy says nothing of the "
                f"others; enlarge it (--data.split.val_fraction), or stratify it",
            )

    @override
    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if trainer.current_epoch or batch_idx or not isinstance(pl_module, EvaluatedModule):
            return
        inputs, _, _ = pl_module.unpack(batch)
        if not isinstance(inputs, Tensor) or not inputs.is_floating_point() or not inputs.numel():
            return
        scale = inputs.detach().double().square().mean().sqrt().item()
        if scale > HUGE:
            self._warn(
                "scale",
                f"the network's inputs are of the size {scale:.3g} (root mean square), where about 1 is usual: they "
                f"are not normalised, or outliers stretch them; look at data.mean and data.std, or into the data",
            )

    @override
    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any, **__: Any
    ) -> None:
        if not _watches(trainer) or not isinstance(outputs, Tensor) or outputs.ndim < 1 or not len(outputs):
            return
        classes = getattr(pl_module, "takes", None) == "classes"
        decided = outputs.argmax(-1, keepdim=True) if classes else outputs
        lowest, highest = decided.amin(0), decided.amax(0)
        self._lowest = lowest if self._lowest is None else torch.minimum(self._lowest, lowest)
        self._highest = highest if self._highest is None else torch.maximum(self._highest, highest)

    @override
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        lowest, highest, self._lowest, self._highest = self._lowest, self._highest, None, None
        if not _watches(trainer) or lowest is None or highest is None:
            return
        size = float(torch.maximum(lowest.abs(), highest.abs()).max())
        equal = float((highest - lowest).max()) <= SAME * size
        self._equal = self._equal + 1 if equal else 0
        held = _classes_of_validation(trainer)
        if self._equal == EQUAL_FOR and (held is None or len(held) > 1):
            what = "class" if getattr(pl_module, "takes", None) == "classes" else "value"
            self._warn(
                "equal",
                f"all validation samples are given the same {what}, {EQUAL_FOR} times in a row: the learning rate is "
                f"too high or too low, the network's units are dead, or nearly all samples are of one {what}",
            )

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._look_back(trainer)  # the epoch before: its metrics are complete only now

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._look_back(trainer)

    def _look_back(self, trainer: L.Trainer) -> None:
        if trainer.current_epoch > CHANCE_AFTER or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        rows = History.of(trainer).rows
        losses = [row["val/loss"] for row in rows if "val/loss" in row]
        if len(losses) >= UNMOVED_FOR and _is_flat(losses):
            self._warn(
                "loss",
                f"val/loss has not moved in {len(losses)} epochs ({losses[-1]:.6g}): the learning rate is 0 or far too "
                f"low, all weights are frozen, or no gradient reaches them",
            )
        held = _classes_of_validation(trainer)
        if len(rows) >= CHANCE_AFTER and held is not None and len(held) > 1:
            self._check_chance(rows, max(held.values()) / sum(held.values()))

    def _check_chance(self, rows: list[dict[str, float]], chance: float) -> None:
        """Warn if neither training nor validation is better than naming the most frequent class."""
        best = {part: max(row.get(f"{part}/accuracy", math.nan) for row in rows) for part in ("train", "val")}
        if all(value <= chance * 1.02 for value in best.values()):
            self._warn(
                "chance",
                f"after {len(rows)} epochs accuracy is that of naming the most frequent class ({chance:.3f}): the "
                f"learning rate is too high or too low, the labels do not belong to the inputs, or the network is too "
                f"small",
            )


def _watches(trainer: L.Trainer) -> bool:
    return validates_in_fit(trainer) and trainer.current_epoch < CHANCE_AFTER


def _is_flat(losses: list[float]) -> bool:
    return max(losses) - min(losses) <= SAME * max(map(abs, losses))


def _classes_of_validation(trainer: L.Trainer) -> dict[str, int] | None:
    """Return how many samples the validation part holds of each class in it; None without classes."""
    data: Any = getattr(trainer, "datamodule", None)
    split, names = getattr(data, "split", None), getattr(data, "class_names", ())
    targets = getattr(data, "targets", None)
    if split is None or targets is None or not names or targets.ndim != 1 or targets.is_floating_point():
        return None
    found, number = np.unique(np.asarray(targets)[split.val], return_counts=True)
    return {str(names[label]): int(count) for label, count in zip(found, number, strict=True) if label >= 0}
