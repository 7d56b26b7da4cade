"""The kinds of targets that tasks are for."""

from torch import Tensor

from datamodules.samples import TargetKind, target_kind
from models.errors import TrainingError

TARGETS = {"classes": "classes", "labels": "several yes/no labels per sample", "values": "continuous targets"}
FOUND = {
    "classes": "has classes: use models.Classifier",
    "labels": "has several labels per sample: use models.MultiLabelClassifier",
    "values": "has continuous targets: use models.Regressor",
}


def check_target_kind(task: str, takes: TargetKind, targets: Tensor | None) -> None:
    """Check that targets, if there are any, are of the kind that a task is for.

    Args:
        task: Name of the task's class.
        takes: The kind that it is for.
        targets: (N, ...).

    Raises:
        TrainingError: They are of another kind.
    """
    kind = takes if targets is None else target_kind(targets)
    if kind != takes:
        raise TrainingError(f"{task} is for {TARGETS[takes]}; the data {FOUND[kind]}")
