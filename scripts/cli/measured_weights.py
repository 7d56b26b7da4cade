"""What an evaluation of weights that no run made says first: how inputs are prepared, and what is taken for granted."""

from typing import Any

from callbacks.printing import say
from models.preprocessing import Preprocessing
from scripts.cli.session import Session


def tell_given_weights(session: Session) -> None:
    """Say which weights are measured, on what their inputs are normalised, and what is taken for granted."""
    if not session.trainer.is_global_zero:
        return
    lines = [f"weights {session.given_weights}, which no run made: nothing is written beside them"]
    lines.append(f"  {preprocessing_words(session)}")
    data = session.data
    if data.class_names:
        names = ", ".join(data.class_names[:3]) + (", ..." if len(data.class_names) > 3 else "")
        lines.append(f"  their outputs are taken for the data's classes in this order: {names}")
    else:
        lines.append("  their outputs are taken for targets standardised by the training part of this split")
    say(*lines)


def preprocessing_words(session: Session) -> str:
    """Return how the inputs of a network are normalised."""
    network = session.model.network
    if getattr(network, "normalizes_inputs", False):
        transform: Any = getattr(network, "transform", None)
        if transform is None:
            return "the network normalises its inputs itself"
        sizes = f", resized to {transform.size}×{transform.size}" if transform.size else ""
        return (
            f"inputs are normalised by the weights' own statistics: {_statistics(transform.mean, transform.std)}{sizes}"
        )
    settings = Preprocessing(**session.data.preprocessing)
    if settings.mean is None or settings.std is None:
        return "inputs are not normalised"
    stated = session.data.stated_normalization is not None
    source = "data.mean and data.std" if stated else "the mean and standard deviation of the training part"
    return f"inputs are normalised by {source}: {_statistics(settings.mean, settings.std)}"


def _statistics(mean: Any, std: Any) -> str:
    shown = [[f"{value:.4g}" for value in values.flatten().tolist()] for values in (mean, std)]
    return " and ".join(", ".join(values[:3]) + (", ..." if len(values) > 3 else "") for values in shown)
