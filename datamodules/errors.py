"""The error for data, or arguments about data, that cannot be used."""


class DataError(ValueError):
    """Unusable data, or an unusable data argument; the message names the file, class or argument, and the remedy."""


class MissingPackageError(DataError):
    """A package is not installed that only some features need; the message says how to install it."""
