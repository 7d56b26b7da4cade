"""The last operation of a network, and whether the range of its results suits what a task makes of outputs."""

import math
import re
import warnings
from typing import Any, NamedTuple

from torch import Tensor

from models.errors import TrainingError

PROBABILITIES = "network: its outputs are probabilities; leave its last softmax out, or use nn.LogSoftmax"
INFINITE = math.inf
# By the name that autograd gives to an operation; those with "saved" bounds keep their arguments.
RANGES: dict[str, tuple[str, float, float]] = {
    "Sigmoid": ("sigmoid", 0, 1),
    "Hardsigmoid": ("hardsigmoid", 0, 1),
    "Softmax": ("softmax", 0, 1),
    "LogSigmoid": ("log-sigmoid", -INFINITE, 0),
    "LogSoftmax": ("log-softmax", -INFINITE, 0),
    "Tanh": ("tanh", -1, 1),
    "Relu": ("ReLU", 0, INFINITE),
    "Softplus": ("softplus", 0, INFINITE),
    "Exp": ("exponential", 0, INFINITE),
    "Abs": ("absolute value", 0, INFINITE),
    "Sqrt": ("square root", 0, INFINITE),
    "Cosh": ("cosh", 1, INFINITE),
    "Elu": ("ELU", -1.76, INFINITE),
    "Celu": ("CELU", -1, INFINITE),
    "Gelu": ("GELU", -0.17, INFINITE),
    "Silu": ("SiLU", -0.28, INFINITE),
    "Mish": ("Mish", -0.31, INFINITE),
    "Hardswish": ("Hardswish", -0.375, INFINITE),
}
CLAMPS = {"Hardtanh": ("_saved_min_val", "_saved_max_val"), "Clamp": ("_saved_min", "_saved_max")}
CLAMPS |= {"ClampMin": ("_saved_min", ""), "ClampMax": ("", "_saved_max")}
# They change the shape or the precision of values, or choose some of them.
KEEPING = {"ToCopy", "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Index", "Select", "Slice", "T"}
KEEPING |= {"Transpose", "Permute", "Clone", "Alias", "Expand", "IndexSelect", "Gather", "Unbind", "Split"}
ENOUGH = 5.0  # a logit of 5 is a probability of 0.993
FEW = 0.05  # targets that may lie outside the range


class OutputRange(NamedTuple):
    """What a network's last operation can give."""

    operation: str
    lowest: float
    highest: float

    def __str__(self) -> str:
        if math.isinf(self.highest):
            where = f"are {self.lowest:g} or more"
        elif math.isinf(self.lowest):
            where = f"are {self.highest:g} or less"
        else:
            where = f"lie between {self.lowest:g} and {self.highest:g}"
        return f"network: its last operation is {self.operation}, so that its outputs {where}"

    @property
    def one_sided(self) -> bool:
        """True if results are all 0 or more, or all 0 or less."""
        return self.lowest >= 0 or self.highest <= 0


def output_range(outputs: Tensor) -> OutputRange | None:
    """Return the range of a network's last operation; None if it can give any number, or is not known.

    Args:
        outputs: The network's outputs, with their gradients.
    """
    node: Any = outputs.grad_fn
    while node is not None:
        name = re.sub(r"Backward\d*$", "", node.name())
        if name in RANGES:
            return OutputRange(*RANGES[name])
        if name in CLAMPS:
            low, high = (getattr(node, bound, None) for bound in CLAMPS[name])
            bounds = (-INFINITE if low is None else float(low)), (INFINITE if high is None else float(high))
            return OutputRange("a clamp", *bounds)
        if name not in KEEPING:
            return None
        node = node.next_functions[0][0]
    return None


def check_class_range(found: OutputRange) -> None:
    """Check that outputs can be the logits of classes; warn if they can hardly be.

    Args:
        found: Range of the outputs, not those of log-softmax, which are logits.

    Raises:
        TrainingError: They are probabilities.
    """
    if found.operation == "softmax":
        raise TrainingError(PROBABILITIES)
    if "sigmoid" in found.operation:
        raise TrainingError(f"{found}; the logits of classes can be any number: leave it out")
    warn_of_range(found)


def check_label_range(found: OutputRange) -> None:
    """Check that outputs can be the logits of yes/no labels; warn if they can hardly be.

    Raises:
        TrainingError: They are probabilities, or all decide yes, or all no.
    """
    if found.one_sided:
        instead = "" if "sigmoid" not in found.operation else ", and use BCEWithLogitsLoss, which has the sigmoid in it"
        raise TrainingError(
            f"{found}; the logits of labels are above 0 for yes and below 0 for no: leave it out{instead}"
        )
    warn_of_range(found)


def warn_of_range(found: OutputRange) -> None:
    """Warn of logits that cannot make a network sure."""
    if found.lowest > -ENOUGH or found.highest < ENOUGH:
        warnings.warn(f"{found}; logits can be any number: leave it out", stacklevel=2)


def check_value_range(found: OutputRange, targets: Tensor) -> None:
    """Check that outputs can reach standardised targets.

    Args:
        found: Range of the outputs.
        targets: Standardised targets of a batch, (N, outputs).

    Raises:
        TrainingError: They cannot.
    """
    outside = ((targets < found.lowest) | (targets > found.highest)).float().mean().item()
    if found.one_sided or outside > FEW:
        raise TrainingError(
            f"{found}; the standardised targets have mean 0 and standard deviation 1, on both sides of 0: leave it out"
        )
