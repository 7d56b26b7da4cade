"""A logger that logs nothing, and tells Lightning where a run's files are to lie."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from typing_extensions import override


class RunFolderLogger(Logger):
    """Names the run's folder to Lightning, which asks the first of all loggers where checkpoints are to lie.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    @property
    @override
    def name(self) -> str:
        return ""

    @property
    @override
    def version(self) -> str:
        return ""

    @property
    @override
    def save_dir(self) -> str:
        return str(self.folder)

    @property
    @override
    def log_dir(self) -> str:
        return str(self.folder)

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        pass

    @override
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        pass
