"""The error for data, or arguments about data, that cannot be used."""


class DataError(ValueError):
    """Unusable data, or an unusable data argument; the message names the file, class or argument, and the remedy."""
