"""What callbacks share whose plan spans the epochs of a run."""

from abc import abstractmethod
from typing import Any

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_warn
from typing_extensions import override


class PlannedOverEpochs(L.Callback):
    """A callback that acts by the share of the run's epochs that are over; it warns when a resumed run is longer."""

    _epochs = 0  # of the run

    def plan(self, trainer: L.Trainer, reason: str) -> None:
        """Take the number of epochs from a trainer.

        Args:
            trainer: The trainer.
            reason: What needs it, for the message.

        Raises:
            MisconfigurationException: The run has no end.
        """
        if trainer.max_epochs in (None, -1):
            raise MisconfigurationException(f"{type(self).__name__}: {reason}; set trainer.max_epochs")
        self._epochs = int(trainer.max_epochs or 0)

    @abstractmethod
    def changed_length(self, then: int, now: int) -> str:
        """Return what another number of epochs changed, in words."""

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self._epochs}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        then, now = state_dict["epochs"], self._epochs
        if then != now:
            rank_zero_warn(
                f"{self.changed_length(then, now)}: the resumed run is not bit for bit an uninterrupted one of either "
                f"length"
            )
