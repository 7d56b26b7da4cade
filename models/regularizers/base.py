"""What a regularizer is: hooks on the training step, each of which may be left as it is."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from models.init_args import RecordsInitArgs

Forward = Callable[[Tensor], Tensor]


class Regularizer(RecordsInitArgs, nn.Module):
    """Base class of everything that fights overfitting through the batch or the loss.

    A list of regularizers composes: each `perturb` sees what the one before it returned, in the list's order, so does
    each `revise`, and the penalties add up. They act while training only; validation and test never see them.

    State that must survive a resume belongs in buffers. They are registered in `__init__`, or in `check` where their
    shape depends on the task: a checkpoint must find them there. Hooks may be called twice for a batch (by SAM), which
    counts once: buffers are then as the first call left them. Under DDP all devices have those of the first one.

    Attributes:
        applies_to: The targets it is made for; None for any.
        strength: Name of the setting that turns it off at 0, which `Scheduled` scales; None if it has none.
        keeps_inputs: Whether it passes inputs through the network as they are, and that is all: `perturb` returns the
            very ones that it was given, and `second_pass` does not differentiate by them.
        mixes_samples: Whether `perturb` mixes samples; one such in a list is enough.
        softens_labels: Whether it moves probability from the label to other classes; one such in a list is enough.
    """

    applies_to: ClassVar[Literal["classes", "values"] | None] = None
    strength: ClassVar[str | None] = None
    keeps_inputs: bool = False
    mixes_samples: bool = False
    softens_labels: bool = False

    def check(self, network: nn.Module, num_classes: int, before: Sequence["Regularizer"]) -> None:
        """Refuse a task, a network or a place in the list that makes no sense; make room for state that depends on it.

        Called once, when the task is made.

        Args:
            network: The network.
            num_classes: Number of classes; 0 where targets are continuous.
            before: The regularizers that stand before this one in the list.

        Raises:
            ValueError: It makes no sense; the message names the class and says what to do.
        """
        name = type(self).__name__
        if self.applies_to == "classes" and not num_classes:
            raise ValueError(f"{name} is for classes; the targets are continuous")
        if self.applies_to == "values" and num_classes:
            raise ValueError(f"{name} is for continuous targets; there are classes")
        if any(self._is_like(other) for other in before):
            raise ValueError(f"{name} is in the list of regularizers twice: leave one out")
        for alike, what in (
            ("mixes_samples", "mix samples (RandomMix takes turns)"),
            ("softens_labels", "soften labels"),
        ):
            other = next((type(other).__name__ for other in before if getattr(other, alike)), None)
            if getattr(self, alike) and other is not None:
                raise ValueError(f"{other} and {name} both {what}: leave one out")

    def check_batch(self, inputs: Any, of_steps: bool) -> None:
        """Refuse batches that it cannot act on; called for each before `perturb`, whatever the strength.

        Args:
            inputs: The training batch, (N, ...), or sequences with their lengths.
            of_steps: Whether targets are of the labelled steps of sequences, not of samples.

        Raises:
            TrainingError: It cannot; the message names the class.
        """

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Change the training batch; return new tensors and leave those given as they are.

        Args:
            inputs: The augmented, normalised batch, (N, ...), float.
            targets: Class probabilities (N, C) in classification, standardised values in regression.
        """
        return inputs, targets

    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Change the targets once the network's outputs for them are known; return new ones.

        Args:
            outputs: The network's outputs for the perturbed batch, float32; logits (N, C) in classification. Gradients
                flow through them: `detach` what shall be taken as given.
            targets: The perturbed targets.
        """
        return targets

    def penalty(self, outputs: Tensor, targets: Tensor, network: nn.Module) -> Tensor | None:
        """Return a scalar that is added to the loss, or None for nothing.

        Args:
            outputs: The network's outputs for the perturbed batch, float32; logits (N, C) in classification.
            targets: The perturbed and revised targets.
            network: The network, for penalties on its parameters.
        """
        return None

    def second_pass(self, forward: Forward, inputs: Tensor, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """Return a scalar that is added to the loss and takes passing inputs through the network again, or None.

        Args:
            forward: Passes inputs through the network as the training step did, with draws of its own for dropout;
                the running statistics of batch norm stay as they are.
            inputs: The perturbed batch.
            outputs: The network's outputs for it, float32.
            targets: The perturbed and revised targets.
        """
        return None

    def project(self, network: nn.Module) -> None:
        """Move the parameters back to where they are allowed, in place; called after each step of the optimizer."""

    def start_epoch(self, epoch: int) -> None:
        """Take note of the number of epochs that were trained before.

        Called whenever training begins an epoch or goes on; for the first epoch of a run twice.
        """

    def members(self) -> "list[Regularizer]":
        """Return the regularizers that this stands for in a list: itself, unless it wraps another."""
        return [self]

    def settings(self) -> dict[str, Any]:
        """Return what it was made with, by name."""
        return {
            name: value
            for name, value in vars(self).items()
            if name[0] != "_" and name not in ("training", "init_args")
        }

    def _is_like(self, other: "Regularizer") -> bool:
        return type(self) is type(other) and _alike(self.settings(), other.settings())

    def extra_repr(self) -> str:
        """Return the settings."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings().items() if value is not None)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)
    return bool(one == other)


def check_coefficient(name: str, argument: str, value: float) -> None:
    """Check a coefficient.

    Args:
        name: Name of the class, for the message.
        argument: Name of the argument, likewise.
        value: Its value.

    Raises:
        ValueError: It is less than 0, or no number.
    """
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name}: {argument} {value} must be 0 or more, and finite")


def check_fraction(name: str, argument: str, value: float) -> None:
    """Check a share, as `check_coefficient` does a coefficient.

    Raises:
        ValueError: It is not in [0, 1].
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: {argument} {value} is not in [0, 1]")


def check_percentage(name: str, argument: str, value: float) -> None:
    """Check a percentage, likewise.

    Raises:
        ValueError: It is not in [0, 100].
    """
    if not 0 <= value <= 100:
        raise ValueError(f"{name}: {argument} {value} is not in [0, 100] (it is a percentage)")
