"""The generalization gap: by how much validation is worse than training, both measured in the same way."""

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from callbacks.evaluation import Evaluation, as_task, forget, is_due, require_positive, require_task
from callbacks.presets import monitor_mode
from datamodules.in_memory import InMemoryDataModule
from datamodules.subsets import Indices, nested_subset


class GeneralizationGap(L.Callback):
    """Logs `gap/loss`, `gap/accuracy` and so on: what validation is worse by than training samples, evaluated alike.

    The tutorials' "training minus validation" compares two things: training figures are averaged over an epoch while
    the weights change, with dropout, augmentation and regularized targets. Here a fixed, stratified subset of the
    training part is evaluated as validation is: at the same moment, in evaluation mode, without augmentation. Samples
    whose label is wrong on purpose (`label_noise`) are left out, so that both sides are of true labels.

    Args:
        samples: Size of the subset; all training samples where there are fewer.
        every_n_epochs: Measure in every nth epoch, and in the last.

    Raises:
        MisconfigurationException: An argument is less than 1.
    """

    def __init__(self, samples: int = 1000, every_n_epochs: int = 1) -> None:
        require_positive("GeneralizationGap", samples=samples, every_n_epochs=every_n_epochs)
        self.samples = samples
        self.every_n_epochs = every_n_epochs
        self._evaluation: Evaluation | None = None
        self._measured: dict[str, float] = {}

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Choose the samples.

        Raises:
            MisconfigurationException: The module or the data is not of this project, or every label is wrong.
        """
        _, data = require_task("GeneralizationGap", trainer, pl_module)
        chosen = clean_subset(data, self.samples)
        if not len(chosen):
            raise MisconfigurationException("GeneralizationGap: no training sample has its true label")
        self._evaluation = Evaluation(data, torch.from_numpy(chosen))
        self._measured = {}

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Evaluate the training samples with the weights that are being validated."""
        if self._evaluation is None or not is_due(trainer, self.every_n_epochs):
            return
        task = as_task(pl_module)
        metrics = task.val_metrics.clone().cpu()
        metrics.reset()
        for metric in metrics.values():  # every device has evaluated all of it
            metric.sync_on_compute = metric._to_sync = False
        metrics.update(*self._evaluation(trainer, task))
        self._measured = {name: value.item() for name, value in metrics.compute().items()}

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget what was measured in another epoch."""
        forget(trainer, "gap/")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log by how much validation is worse; above 0 is the usual direction."""
        validated = trainer.callback_metrics
        for name, value in self._measured.items():
            if name in as_task(pl_module).train_metrics and f"val/{name}" in validated:
                gap = validated[f"val/{name}"].item() - value
                pl_module.log(f"gap/{name}", -gap if monitor_mode(name) == "max" else gap, sync_dist=True)
        self._measured = {}


def clean_subset(data: InMemoryDataModule, count: int) -> Indices:
    """Return a stratified subset of the training samples whose labels are true, (n,), n at most `count`."""
    data.setup()
    assert data.split is not None
    targets, given = data.samples.targets.numpy(), data.targets.numpy()
    train = data.split.train
    clean = train[(targets[train] == given[train]).reshape(len(train), -1).all(axis=1)]
    strata = data.strata(targets)
    return nested_subset(clean, strata, min(count, len(clean)), data.options.split_seed) if len(clean) else train[:0]
