"""The contract of a regularizer: hooks on the training step, each optional."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from datamodules.samples import TargetKind
from models.errors import TrainingError
from models.init_args import RecordsInitArgs
from models.regularizers.hook_results import perturbed_pair
from models.target_kinds import TARGETS

Forward = Callable[[Tensor], Tensor]


class Step(NamedTuple):
    """A training step after the forward pass, as penalties see it."""

    inputs: Tensor  # the perturbed batch, (N, ...)
    targets: Tensor  # the perturbed and revised targets
    outputs: Tensor  # the network's outputs for the batch, float32; logits (N, C) in classification
    network: nn.Module
    forward: Forward  # another pass of inputs, with new dropout draws; batch norm's running statistics stay


class Regularizer(RecordsInitArgs, nn.Module):
    """Base class of methods that fight overfitting through the batch or the loss.

    A list of regularizers composes: `perturb`, then `revise`, act in the list's order, each on the result of the one
    before; penalties add up. They act in training only; validation and test never see them. Hooks that a class does
    not override are not called.

    State that must survive a resume belongs in buffers, registered in `__init__` or `setup`. SAM calls the hooks twice
    per batch; buffers keep the first call's values. Under DDP rank 0's buffers are broadcast.

    Attributes:
        applies_to: The kinds of targets it takes: one class per sample, several yes/no labels, or continuous values.
        target_kind: The kind of the task's targets; known from `setup` on.
        strength: Name of the setting that turns it off at 0, which `Scheduled` scales; None if there is none.
        keeps_inputs: True if it neither changes the inputs nor differentiates with respect to them (FeatureCache asks).
        mixes_samples: True if `perturb` mixes samples; at most one per list.
        takes_labels: True if its `perturb` takes labels (N,), int64, too, and it has no other hook that sees targets; a
            list of such regularizers gets labels, which saves the work on class probabilities. A subclass that
            overrides `perturb` must set it again.
        differentiates_twice: True if it differentiates a gradient, which a compiled network does not allow.
        softens_labels: True if it moves probability from the label to other classes; at most one per list.
    """

    applies_to: ClassVar[tuple[TargetKind, ...]] = ("classes", "labels", "values")
    target_kind: TargetKind = "classes"
    strength: ClassVar[str | None] = None
    keeps_inputs: bool = False
    mixes_samples: bool = False
    takes_labels: ClassVar[bool] = False
    differentiates_twice: ClassVar[bool] = False
    softens_labels: bool = False

    def setup(self, network: nn.Module, num_classes: int, before: Sequence["Regularizer"]) -> None:
        """Check that it fits the task and the list, and register state that depends on them; called once.

        Args:
            network: The network.
            num_classes: Number of classes or labels; 0 if targets are continuous.
            before: The regularizers before this one in the list.

        Raises:
            ValueError: It does not fit; the message names the class and a way out.
        """
        name = type(self).__name__
        if self.target_kind not in self.applies_to:
            wanted = " or ".join(TARGETS[kind] for kind in self.applies_to)
            raise ValueError(f"{name} is for {wanted}; the data has {TARGETS[self.target_kind]}: leave it out")
        if repr(self) in map(repr, before):
            raise ValueError(f"{name} is in the list of regularizers twice: leave one out")
        once = {"mixes_samples": "mix samples (RandomMix takes turns)", "softens_labels": "soften labels"}
        for flag, effect in once.items():
            for other in before:
                if getattr(self, flag) and getattr(other, flag):
                    raise ValueError(f"{type(other).__name__} and {name} both {effect}: leave one out")

    def check_batch(self, inputs: Any, of_steps: bool) -> None:
        """Refuse a batch that it cannot act on; called before `perturb`, whatever the strength.

        Args:
            inputs: The training batch, (N, ...), or sequences with their lengths.
            of_steps: True if targets belong to the labelled steps of sequences, not to samples.

        Raises:
            TrainingError: It cannot act on this batch; the message names the class.
        """

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return a changed batch as new tensors.

        Args:
            inputs: The augmented, normalised batch, (N, ...), float.
            targets: Class probabilities (N, C) in classification, a probability of each of several labels (N, L),
                standardised values in regression.
        """
        return inputs, targets

    def perturb_weighted(self, inputs: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Do what `perturb` does to a batch whose samples have weights.

        Args:
            inputs: As `perturb` takes them.
            targets: As `perturb` takes them.
            weights: Weight of each sample in the loss, (N,).

        Raises:
            TrainingError: It mixes samples, and does not say how their weights mix.
        """
        if self.mixes_samples:
            name = type(self).__name__
            raise TrainingError(f"{name} mixes samples, and has no perturb_weighted to mix their weights: leave it out")
        return *perturbed_pair(self, inputs, targets), weights

    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return changed targets, given the network's outputs for the perturbed batch.

        Args:
            outputs: As in `Step`. Gradients flow through them; `detach` them where they should not.
            targets: The perturbed targets.
        """
        return targets

    def penalty(self, step: Step) -> Tensor | None:
        """Return a scalar to add to the loss, or None."""
        return None

    def project(self, network: nn.Module) -> None:
        """Move the parameters back into the allowed set, in place; called after each optimizer step."""

    def start_epoch(self, epoch: int) -> None:
        """Note how many epochs were trained before; called as an epoch begins or resumes, twice for a run's first."""

    def extra_repr(self) -> str:
        """Return all settings: two regularizers with the same `repr` are the same."""
        hidden = ("training", "init_args", "target_kind")
        settings = [(k, v) for k, v in vars(self).items() if k[0] != "_" and k not in hidden and v is not None]
        return ", ".join(f"{name}={value!r}" for name, value in settings)
