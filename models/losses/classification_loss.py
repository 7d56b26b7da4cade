"""Base class of the losses for classification: targets are labels or class probabilities."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric

from models.init_args import RecordsInitArgs
from models.instances import check_instance


class ClassificationLoss(RecordsInitArgs, nn.Module):
    """Base class of losses that map logits (N, C) and targets to a scalar, the mean over the batch.

    A loss that divides the sum over samples by something else than N has a method `divisor(targets)` that returns it:
    with it, several devices train as one.

    Targets are labels (N,), int64, or class probabilities (N, C). The loss is computed in single precision, or in the
    logits' own if that is better.
    """


def check_scalar_loss(loss: nn.Module) -> None:
    """Check that a loss is a module, and gives one number for a batch, of this alone, without weights to be trained.

    Raises:
        ValueError: It does not.
    """
    check_instance("loss", loss, nn.Module)
    if getattr(loss, "reduction", None) == "none":
        raise ValueError("loss: reduction 'none' leaves one number per sample; set 'mean' or 'sum'")
    if isinstance(loss, Metric):
        raise ValueError(f"loss: {type(loss).__name__} is a metric, which adds up what it has seen; give a loss")
    trained = next((path for path, weight in loss.named_parameters() if weight.requires_grad), None)
    if trained is not None:
        raise ValueError(
            f"loss: {type(loss).__name__} has weights of its own ({trained}), and only the network's are trained: use "
            f"the network's last layer in their place, or freeze them by requires_grad_(False)"
        )


def log_probabilities(logits: Tensor) -> Tensor:
    """Return the logarithm of the softmax, (N, C), in single precision or better."""
    return F.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))


def expected_loss(losses: Tensor, targets: Tensor) -> Tensor:
    """Return the mean over the batch of a loss given for every label; for soft targets, the expected loss.

    Args:
        losses: The loss of each label, (N, C), finite.
        targets: Labels (N,), int64, or class probabilities (N, C).

    Raises:
        ValueError: Class probabilities and losses differ in shape.
    """
    if not targets.is_floating_point():
        return losses.gather(1, targets.unsqueeze(1)).mean()
    if targets.shape != losses.shape:
        raise ValueError(f"class probabilities {tuple(targets.shape)} do not fit logits {tuple(losses.shape)}")
    return (losses * targets).sum(-1).mean()
