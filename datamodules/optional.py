"""Packages that only some features need."""

from importlib.util import find_spec

from datamodules.errors import MissingPackageError


def need(package: str, extra: str, purpose: str) -> None:
    """Check that an optional package is installed.

    Args:
        package: The module to import.
        extra: The extra of this project that brings it, as in `pip install 'holdout[extra]'`.
        purpose: What needs it, as the subject of a sentence.

    Raises:
        MissingPackageError: It is not installed.
    """
    if find_spec(package) is None:
        raise MissingPackageError(f"{purpose} needs {package}: pip install 'holdout[{extra}]'")
