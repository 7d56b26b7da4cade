"""A list of regularizers as the training step uses it."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from typing_extensions import override

from datamodules.samples import TargetKind
from models.optimization.uncounted_step import frozen_batch_norm_statistics
from models.regularizers.base import Regularizer, Step
from models.regularizers.hook_results import penalty_of, perturbed, revised
from models.regularizers.scheduled import Scheduled

HOOKS = ("revise", "penalty", "project", "start_epoch")
ALL_HOOKS = (*HOOKS, "setup", "check_batch", "perturb")


class RegularizerChain(nn.ModuleList):
    """Regularizers in the order in which they act; the list is fixed once made.

    An item that is `Scheduled` stands in the list as the regularizer that it wraps.

    Args:
        regularizers: Any number of them.

    Attributes:
        takes_labels: Whether all of them take labels; an empty list does.

    Raises:
        ValueError: An item is not a `Regularizer`, or overrides none of its hooks.
    """

    def __init__(self, regularizers: Sequence[Regularizer]) -> None:
        for item in regularizers:
            if not isinstance(item, Regularizer):
                raise ValueError(f"regularizers: {type(item).__name__} is not a Regularizer")
            if not isinstance(item, Scheduled) and not any(overrides(item, hook) for hook in ALL_HOOKS):
                name = type(item).__name__
                raise ValueError(f"regularizers: {name} does nothing: it has no perturb, revise, penalty or project")
        super().__init__(item.regularizer if isinstance(item, Scheduled) else item for item in regularizers)
        self.schedules = [item for item in regularizers if isinstance(item, Scheduled)]
        self.takes_labels = all(map(_takes_labels, self))
        self._length = len(self)
        self._on_batches = [(item, overrides(item, "check_batch"), overrides(item, "perturb")) for item in self]
        self._overriding = {hook: [item for item in self if overrides(item, hook)] for hook in HOOKS}

    @override
    def __iter__(self) -> Iterator[Regularizer]:  # type: ignore[override]
        return cast("Iterator[Regularizer]", super().__iter__())

    def members(self) -> list[Regularizer]:
        """Return the regularizers that act: the items, and in place of a `RandomMix` its choices."""
        return [member for item in self for member in _members(item)]

    def setup(self, network: nn.Module, num_classes: int, kind: TargetKind | None = None) -> None:
        """Set all of them up, as `Regularizer.setup` does one.

        Args:
            network: As in `Regularizer.setup`.
            num_classes: As in `Regularizer.setup`.
            kind: The kind of targets; by default classes, or continuous values if there are none.
        """
        kind = kind or ("classes" if num_classes else "values")
        before: list[Regularizer] = []
        for item in self:
            for member in (item, *_members(item)):
                member.target_kind = kind
            item.setup(network, num_classes, tuple(before))
            before += _members(item)

    def perturb(self, inputs: Any, *others: Tensor, of_steps: bool = False) -> tuple[Any, ...]:
        """Return the batch (inputs, targets) or (inputs, targets, weights) as all of them change it.

        Each acts after its `check_batch`.
        """
        batch = (inputs, *others)
        for item, checks, perturbs in self._on_batches:
            if checks:
                item.check_batch(batch[0], of_steps)
            if not perturbs:
                continue
            batch = perturbed(item, *batch)
        return batch

    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the targets as all of them change them."""
        for item in self._overriding["revise"]:
            targets = revised(item, outputs, targets)
        return targets

    def penalties(self, step: Step) -> list[tuple[str, Tensor]]:
        """Return the scalars to add to the loss, each with the name of its regularizer.

        Args:
            step: The training step with the plain forward pass; each regularizer gets one in which batch norm's
                running statistics stay.
        """

        def forward(inputs: Tensor) -> Tensor:
            with frozen_batch_norm_statistics(step.network):
                return step.forward(inputs)

        given, found = step._replace(forward=forward), []
        for item in self._overriding["penalty"]:
            penalty = penalty_of(item, given)
            found += [] if penalty is None else [(type(item).__name__, penalty)]
        return found

    @torch.no_grad()
    def project(self, network: nn.Module) -> None:
        """Move the parameters back to where all of them allow them."""
        for item in self._overriding["project"]:
            item.project(network)

    def start_epoch(self, epoch: int) -> None:
        """Tell all of them how many epochs were trained before, and set the strengths of scheduled ones.

        Raises:
            ValueError: The list was changed after it was made.
        """
        if len(self) != self._length:
            raise ValueError("regularizers: the list changed after the task was made; pass all of them to the task")
        for scheduled in self.schedules:
            scheduled.start_epoch(epoch)
        for item in self._overriding["start_epoch"]:
            item.start_epoch(epoch)

    def warn_unfinished_ramps(self, epochs: int | None) -> None:
        """Warn of each schedule that does not end within a run; see `Scheduled.warn_unfinished`."""
        for module in self.modules():  # a RandomMix has a chain of its own
            if isinstance(module, RegularizerChain):
                for scheduled in module.schedules:
                    scheduled.warn_unfinished(epochs)


def overrides(regularizer: Regularizer, hook: str) -> bool:
    """Return whether a regularizer's class overrides a hook."""
    return getattr(type(regularizer), hook) is not getattr(Regularizer, hook)


def _takes_labels(item: Regularizer) -> bool:
    saying = next(cls for cls in type(item).__mro__ if {"perturb", "takes_labels"} & vars(cls).keys())
    return bool(vars(saying).get("takes_labels", False))


def _members(item: Regularizer) -> list[Regularizer]:
    nested = [child for child in item.children() if isinstance(child, RegularizerChain)]
    return [member for chain in nested for member in chain.members()] or [item]
