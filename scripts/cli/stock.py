"""Modules and datamodules of Lightning that are not this project's: what they run under, and what ours alone can do."""

import lightning as L

from datamodules import DataModule
from models import Task
from scripts.cli.errors import UsageError


def notes(model: L.LightningModule, data: L.LightningDataModule) -> list[str]:
    """Return a line for each of model and data that is not this project's: what it goes without."""
    lines = []
    if not isinstance(data, DataModule):
        name = type(data).__name__
        lines.append(
            f"{name} is a stock LightningDataModule: no split checks, no split.csv, no exact resume, no probes"
        )
    if not isinstance(model, Task):
        lines.append(
            f"{type(model).__name__} is a stock LightningModule, with the metrics that it logs (val_loss counts as "
            f"val/loss): no regularizers, no exact resume, no probes, no predict"
        )
    return lines


def describe(data: L.LightningDataModule) -> str:
    """Return one line on the data; of a stock datamodule its name."""
    return data.describe() if isinstance(data, DataModule) else type(data).__name__


def check_own(job: str, model: L.LightningModule, data: L.LightningDataModule) -> None:
    """Check that a job which needs this project's tasks and data has them.

    Raises:
        UsageError: The module or the data is not this project's.
    """
    for found, kind in ((model, Task), (data, DataModule)):
        if not isinstance(found, kind):
            raise UsageError(
                f"{job} needs a {kind.__name__} of this project, and {type(found).__name__} is not one; in Python, "
                f"Lightning's Trainer takes any"
            )
