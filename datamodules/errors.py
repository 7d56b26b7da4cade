"""The error a datamodule raises for data, or arguments about data, that cannot be used."""


class DataError(ValueError):
    """Data or a data argument is unusable; the message names the file, class or argument and the remedy."""
