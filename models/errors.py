"""The error of a training run that must not go on."""


class TrainingError(RuntimeError):
    """Training cannot go on, or its result would mean nothing; the message says why and what to do."""
