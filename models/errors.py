"""The error of a training run that must not go on."""


class TrainingError(RuntimeError):
    """Training cannot go on, or its result would mean nothing; the message says why and what to do.

    Attributes:
        finished_epochs: Number of epochs that were trained before.
    """

    def __init__(self, message: str, finished_epochs: int = 0) -> None:
        super().__init__(message)
        self.finished_epochs = finished_epochs
