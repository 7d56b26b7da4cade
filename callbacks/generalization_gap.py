"""The generalization gap: by how much validation is worse than training, both measured in the same way."""

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from typing_extensions import override

from callbacks.history import Row
from callbacks.monitor import metric_mode
from callbacks.probe import Evaluation, Probe, clean_subset
from datamodules.base import DataModule
from models.task import Task


class GeneralizationGap(Probe):
    """Logs `gap/loss`, `gap/accuracy` and so on: by how much validation is worse than training samples.

    The tutorials' "training minus validation" compares two things: training metrics are averaged over an epoch while
    the weights change, with dropout, augmentation and regularized targets. Here a fixed, stratified subset of the
    training part is evaluated as validation is: at the same moment, in evaluation mode, without augmentation. Samples
    with a wrong label (`label_noise`) are left out, so that both sides have true labels.

    Args:
        samples: Size of the subset; all training samples if there are fewer.
        every_n_epochs: Measure in every nth epoch, and in the last of `trainer.max_epochs`.

    Raises:
        ValueError: An argument is less than 1.
    """

    prefix = "gap/"

    def __init__(self, samples: int = 1000, every_n_epochs: int = 1) -> None:
        super().__init__(samples, every_n_epochs)
        self._evaluation: Evaluation

    @override
    def choose(self, data: DataModule) -> None:
        chosen = clean_subset(data, self.samples)
        if not len(chosen):
            raise MisconfigurationException("GeneralizationGap: no training sample has its true label")
        self._evaluation = Evaluation(data, chosen)

    @override
    def measure(self, trainer: L.Trainer, task: Task) -> dict[str, float]:
        metrics = task.val_metrics.clone().cpu()
        metrics.reset()
        for metric in metrics.values():  # every device has evaluated all of it
            metric.sync_on_compute = metric._to_sync = False
        metrics.update(*self._evaluation(trainer, task))
        computed = metrics.compute().items()
        return {name: value.item() for name, value in computed if name in task.train_metrics and not value.ndim}

    @override
    def finish(self, trainer: L.Trainer, task: Task, measured: dict[str, float]) -> dict[str, float]:
        validated = {name: trainer.callback_metrics[f"val/{name}"].item() for name in measured}
        return gaps(task, validated, measured)

    @override
    def summary(self, best: Row) -> dict[str, Any]:
        names = sorted(
            (name for name in best if name.startswith(self.prefix)), key=lambda name: (name != "gap/loss", name)
        )
        if not names:
            return {}
        gap = {name.removeprefix(self.prefix): best[name] for name in names}
        return {"gap": gap, "gap_to": "training samples evaluated alike"}


def gaps(module: L.LightningModule, validated: Mapping[str, float], trained: Mapping[str, float]) -> dict[str, float]:
    """Return by how much validation is worse than training, metric by metric; above 0 is the usual direction.

    A metric that does not say whether higher is better is left out.

    Args:
        module: The module that logs the metrics, and says which way each is better.
        validated: Validation metrics by name, without "val/".
        trained: Training metrics by the same names.
    """
    signs = {"min": 1, "max": -1}
    modes = {name: metric_mode(module, f"val/{name}") for name in trained}
    return {name: signs[mode] * (validated[name] - trained[name]) for name, mode in modes.items() if mode is not None}
