"""What the command's loggers share: a run's folder, its name, and an identity that a resumed run keeps."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import _DummyExperiment as NoExperiment
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from callbacks.files import write_text
from callbacks.loggers.once_per_step import OncePerStep
from datamodules.regular_files import read_text

IDS_FILE = "loggers.json"  # of a run: the identity that each program gave it
IDENTITY = re.compile(r"[A-Za-z0-9][\w-]{0,63}")


class RunLogger(OncePerStep):
    """Base class of loggers for a run that has a folder; they can be chosen by name, as `--trainer.logger+ CSVLogger`.

    A logger is opened when training starts: what is refused before leaves nothing with the program that it logs to.

    Attributes:
        folder: The run's folder; None before `place`.
        title: Name of the run for people, such as "version_3 MixUp, MLP".
    """

    folder: Path | None = None
    title = ""

    def place(self, folder: Path, title: str) -> None:
        """Take the run's folder and name, before anything is logged."""
        self.folder, self.title = folder, title

    def open(self) -> None:
        """Begin with the run, or go on with it."""

    def where(self) -> str:
        """Return where a person finds what was logged, or how; "" if it lies in the run's folder."""
        return ""

    @property
    def group(self) -> str:
        """Name of the recipe, by which runs are grouped for comparison."""
        return self.folder.absolute().parent.name if self.folder is not None else ""


class RemoteLogger(RunLogger):
    """Base class of loggers that log to a program of their own, which gives the run an identity."""

    is_waiting = False  # for the training to begin

    @override
    def place(self, folder: Path, title: str) -> None:
        super().place(folder, title)
        self.is_waiting = True

    @property
    def experiment(self) -> Any:
        """The run there; nothing as long as the training has not begun."""
        return NoExperiment() if self.is_waiting else super().experiment  # type: ignore[misc]

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        new = self.new_metrics(metrics, step)
        if new.keys() - {"epoch"} and not self.is_waiting:
            super().log_metrics(new, step)  # type: ignore[safe-super]

    def known_id(self) -> str | None:
        """Return the identity that the run has been given before; None for a new one."""
        value = _stored_ids(self.folder).get(type(self).__name__)
        return value if isinstance(value, str) and IDENTITY.fullmatch(value) else None

    def keep_id(self, identity: str) -> None:
        """Keep the identity of the run in its folder, so that a resumed run has it too."""
        if self.folder is not None:
            ids = _stored_ids(self.folder) | {type(self).__name__: identity}
            write_text(self.folder / IDS_FILE, json.dumps(ids, indent=2) + "\n")


def _stored_ids(folder: Path | None) -> dict[str, Any]:
    if folder is None:
        return {}
    try:
        stored = json.loads(read_text(folder / IDS_FILE, largest=10_000))
    except (OSError, ValueError, RecursionError):
        return {}
    return stored if isinstance(stored, dict) else {}
