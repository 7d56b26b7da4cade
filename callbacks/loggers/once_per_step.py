"""Loggers that log a metric once a step, and can forget what was logged after a checkpoint."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import Logger


class OncePerStep(Logger):
    """Base class of loggers that leave out a metric which is logged again at the same step.

    Attributes:
        logged_steps: The last step at which each metric was logged.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logged_steps: dict[str, int | None] = {}

    def new_metrics(self, metrics: Mapping[str, float], step: int | None) -> dict[str, float]:
        """Return the metrics that were not logged at this step yet, and note them as logged."""
        seen = self.logged_steps
        new = {name: value for name, value in metrics.items() if name not in seen or seen[name] != step}
        seen |= dict.fromkeys(new, step)
        return new

    def sizes(self) -> dict[str, int]:
        """Return the length of each file by name, in the unit that the logger counts in; all is on disk then."""
        return {}

    def cut_back(self, sizes: Mapping[str, int], logged: Mapping[str, int | None]) -> None:
        """Remove what was logged after a checkpoint was written.

        Args:
            sizes: What `sizes` returned then; empty for a run that begins.
            logged: `logged_steps` of that moment.
        """
        self.logged_steps = dict(logged)
