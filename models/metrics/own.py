"""Metrics of a user's choice, beside those of the task: any of torchmetrics', or of one's own."""

import inspect
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.wrappers.transformations import MetricInputTransformer
from typing_extensions import override

from models.calibration.conformal import class_probabilities, label_probabilities
from models.errors import TrainingError
from models.init_args import unwrap_factory
from models.own_code import with_place
from models.signatures import constructor_parameters

# Returns what a user's metric is given of predictions and targets, as the task's own metrics take them.
Prepare = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class MetricFactory(Protocol):
    """Makes a metric, given the size of the task where it takes it; a class of metrics is one."""

    def __call__(self, *, num_classes: int, num_labels: int, num_outputs: int) -> Metric:
        """Return the metric. A task gives the one of these that it has, and only to a class that takes it."""


class OwnMetric(MetricInputTransformer):
    """A user's metric, whose mistakes are one line that names it.

    Its value may be a number; a number for each class, label or target; or a dict of these, whose keys follow the
    metric's name.

    Args:
        name: The name that it is logged by.
        metric: The metric.
        prepare: Returns what it is given of predictions and targets.
        size: Number of classes, labels or targets.
    """

    def __init__(self, name: str, metric: Metric, prepare: Prepare, size: int) -> None:
        super().__init__(metric)
        self.name = name
        self.prepare = prepare
        self.size = size

    @property
    def higher_is_better(self) -> bool | None:  # type: ignore[override]
        """What the metric says of itself."""
        stated: bool | None = self.wrapped_metric.higher_is_better  # type: ignore[assignment]
        return stated

    @override
    def update(self, predictions: Tensor, targets: Tensor) -> None:  # type: ignore[override]
        given = self.prepare(predictions, targets)
        try:
            self.wrapped_metric.update(*given)
        except Exception as error:
            shapes = " and ".join(f"{tuple(tensor.shape)} ({str(tensor.dtype)[6:]})" for tensor in given)
            raise self._error(f"does not take predictions and targets {shapes}: {_reason(error)}", error) from error

    @override
    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the value, or values by name.

        Raises:
            TrainingError: It is neither, or cannot be computed.
        """
        try:
            value = self.wrapped_metric.compute()
        except Exception as error:
            raise self._error(f"cannot be computed: {_reason(error)}", error) from error
        if isinstance(value, Mapping):
            return {f"{self.name}/{key}": self._checked(item) for key, item in value.items()}
        return self._checked(value)

    def _checked(self, value: Any) -> Tensor:
        if isinstance(value, int | float):
            value = torch.tensor(float(value), device=self.device)
        if isinstance(value, Tensor) and not value.is_complex():
            if value.numel() == 1:
                return value.detach().reshape(())
            if value.shape == (self.size,):
                return value.detach()
        found = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise self._error(f"gives {found}; a metric gives a number, {self.size} numbers, or a dict of numbers")

    def _error(self, message: str, error: Exception | None = None) -> TrainingError:
        line = f"metrics: {type(self.wrapped_metric).__name__} {message}"
        return TrainingError(line if error is None else with_place(line, error))


def make_metrics(
    given: Sequence[MetricFactory], prepare: Prepare, taken: Iterable[Hashable], **sizes: int
) -> dict[str, OwnMetric]:
    """Return the metrics that a user chose by the names that they are logged by.

    A metric is called after its class, `MulticlassMatthewsCorrCoef` is `multiclass_matthews_corr_coef`; a second one of
    a name is numbered.

    Args:
        given: Metrics, or what makes them.
        prepare: Returns what they are given of predictions and targets.
        taken: Names of the task's own metrics.
        sizes: The size of the task by the name of the argument that takes it, such as `num_classes`.

    Raises:
        ValueError: One cannot be made; the message names it.
    """
    made: dict[str, OwnMetric] = {}
    names = set(taken)
    for factory in given:
        metric = _make(factory, sizes)
        first = name = WORDS.sub("_", type(metric).__name__).lower()
        number = 1
        while name in names:
            number += 1
            name = f"{first}_{number}"
        names.add(name)
        made[name] = OwnMetric(name, metric, prepare, *sizes.values())
    return made


def _make(factory: Any, sizes: Mapping[str, int]) -> Metric:
    if isinstance(factory, Metric):
        return factory
    made, given = unwrap_factory(factory) if callable(factory) else (factory, {})
    name = getattr(made, "__name__", repr(made))
    if not callable(made):
        raise ValueError(f"metrics: {name} is not a metric; give one of torchmetrics', or a class of yours")
    taken = _argument_names(made)
    try:
        metric = factory(**{key: size for key, size in sizes.items() if key in taken and key not in given})
    except Exception as error:
        missing = re.search(r"missing \d+ required .*argument.*", str(error))
        reason = f"{missing[0]}; this task has {', '.join(sizes)}" if missing else _reason(error)
        raise ValueError(with_place(f"metrics: {name}: {reason}", error)) from error
    if not isinstance(metric, Metric):
        raise ValueError(f"metrics: {name} is not a metric of torchmetrics (a Metric)")
    return metric


def _argument_names(made: Any) -> set[str]:
    if isinstance(made, type):
        return {parameter.name for parameter in constructor_parameters(made)} | {*inspect.signature(made).parameters}
    return {*inspect.signature(made).parameters}


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def with_class_probabilities(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probabilities of logits (N, C), float32, and the labels (N,)."""
    return class_probabilities(logits), targets


def with_label_probabilities(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probabilities of logits (N, L), float32, and the labels (N, L), int64, 0 or 1."""
    return label_probabilities(logits), targets.long()


def single_column(predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return predictions and targets (N, outputs), or (N,) if there is one output."""
    if predictions.shape[-1] == 1:
        return predictions.squeeze(-1), targets.reshape(-1)
    return predictions, targets
