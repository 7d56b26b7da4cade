"""The loss of independent yes/no labels."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from datamodules.checks import check_positive
from models.errors import TrainingError
from models.losses.class_counts import ClassCountLoss

PositiveWeight = list[float] | Literal["balanced"]


class BinaryCrossEntropy(ClassCountLoss, nn.BCEWithLogitsLoss):
    """Binary cross entropy of logits (N, L), in which a positive sample of a label weighs more than a negative one.

    It is `torch.nn.BCEWithLogitsLoss` with a `pos_weight` that a recipe can state. Targets are probabilities (N, L).

    Args:
        pos_weight: Weight of each label's positive samples, L numbers above 0, or "balanced": negative samples per
            positive one in the training part, so that both weigh the same.

    Raises:
        ValueError: A weight is not above 0.
    """

    pos_weight: Tensor | None

    def __init__(self, pos_weight: PositiveWeight = "balanced") -> None:
        super().__init__()
        # Not in checkpoints: it follows from the argument or the data, and evaluation does not need it.
        self.register_buffer("pos_weight", None, persistent=False)
        self.balanced = pos_weight == "balanced"
        if not isinstance(pos_weight, str):
            check_positive("BinaryCrossEntropy", **{f"pos_weight[{k}]": weight for k, weight in enumerate(pos_weight)})
            self.pos_weight = torch.tensor(pos_weight)

    def set_class_counts(self, counts: Tensor) -> None:
        """Weigh positive samples by negatives per positive.

        Args:
            counts: Number of positive samples of each label, then the number of all samples, (L + 1,).
        """
        positive, samples = counts[:-1], counts[-1]
        weight = (samples - positive) / positive.clamp_min(1)
        self.pos_weight = torch.where(weight > 0, weight, torch.ones_like(weight)).float()

    def count_classes(self, datamodule: Any, device: torch.device) -> None:
        """Take the counts from a datamodule, if the weight is balanced.

        Raises:
            TrainingError: It has none.
        """
        if not self.balanced:
            return
        counts, split = (getattr(datamodule, name, None) for name in ("class_counts", "split"))
        if counts is None or split is None:
            raise TrainingError("loss: BinaryCrossEntropy needs a datamodule that has class_counts, or a pos_weight")
        self.set_class_counts(torch.tensor([*counts, len(split.train)], device=device))

    def extra_repr(self) -> str:
        """Return the setting."""
        weight = None if self.pos_weight is None else self.pos_weight.tolist()
        return f"pos_weight={'balanced' if self.balanced else weight}"
