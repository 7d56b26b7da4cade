"""The error of a training that must stop."""


class TrainingError(RuntimeError):
    """Training cannot continue, or its result would mean nothing; the message says why and what to do."""
