"""The generalization gap: by how much validation is worse than training, both measured in the same way."""

from collections.abc import Mapping

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException

from callbacks.presets import monitor_mode
from callbacks.probe import Evaluation, Probe, clean_subset
from datamodules.base import DataModule
from models.task import Task


class GeneralizationGap(Probe):
    """Logs `gap/loss`, `gap/accuracy` and so on: what validation is worse by than training samples, evaluated alike.

    The tutorials' "training minus validation" compares two things: training figures are averaged over an epoch while
    the weights change, with dropout, augmentation and regularized targets. Here a fixed, stratified subset of the
    training part is evaluated as validation is: at the same moment, in evaluation mode, without augmentation. Samples
    whose label is wrong on purpose (`label_noise`) are left out, so that both sides are of true labels.

    Args:
        samples: Size of the subset; all training samples where there are fewer.
        every_n_epochs: Measure in every nth epoch, and in the last of `trainer.max_epochs`.

    Raises:
        MisconfigurationException: An argument is less than 1.
    """

    prefix = "gap/"

    def __init__(self, samples: int = 1000, every_n_epochs: int = 1) -> None:
        super().__init__(samples, every_n_epochs)
        self._evaluation: Evaluation

    def choose(self, data: DataModule) -> None:  # noqa: D102
        chosen = clean_subset(data, self.samples)
        if not len(chosen):
            raise MisconfigurationException("GeneralizationGap: no training sample has its true label")
        self._evaluation = Evaluation(data, chosen)

    def measure(self, trainer: L.Trainer, task: Task) -> dict[str, float]:  # noqa: D102
        metrics = task.val_metrics.clone().cpu()
        metrics.reset()
        for metric in metrics.values():  # every device has evaluated all of it
            metric.sync_on_compute = metric._to_sync = False
        metrics.update(*self._evaluation(trainer, task))
        return {name: value.item() for name, value in metrics.compute().items() if name in task.train_metrics}

    def figures(self, trainer: L.Trainer, task: Task, measured: dict[str, float]) -> dict[str, float]:
        """Return by how much validation is worse; above 0 is the usual direction."""
        return worse_by({name: trainer.callback_metrics[f"val/{name}"].item() for name in measured}, measured)


def worse_by(validated: Mapping[str, float], trained: Mapping[str, float]) -> dict[str, float]:
    """Return by how much validation is worse than training, figure by figure; above 0 is the usual direction.

    Args:
        validated: Figures of validation, by name.
        trained: Those of training, by the same names.
    """
    signs = {name: -1 if monitor_mode(name) == "max" else 1 for name in trained}
    return {name: signs[name] * (validated[name] - value) for name, value in trained.items()}
