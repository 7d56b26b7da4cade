"""The command `holdout`, one file for each other job, and `fit`: a recipe run from Python."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scripts.cli.training import Fit


def fit(recipe: str | Path, *arguments: object) -> "Fit":
    """Train a recipe as `holdout fit` does, and return trainer, model and data.

    >>> trainer, model, data = fit("configs/digits.yaml", "--trainer.max_epochs", 3)

    Args:
        recipe: The recipe's file.
        arguments: Overlays and flags as on the command line: "-c", "configs/regularizers/mixup.yaml",
            "--data.batch_size", 32.

    Raises:
        scripts.cli.errors.UsageError: The arguments are wrong; the message is the one that the command prints.
    """
    from scripts.cli.training import fit_recipe  # imports torch, which `holdout --help` does without

    return fit_recipe(["-c", str(recipe), *map(str, arguments)])
