"""Tasks: one LightningModule each, wrapping any network, loss and list of regularizers."""

from models.classifier import Classifier
from models.errors import TrainingError
from models.multi_label_classifier import MultiLabelClassifier
from models.optimization import SAM, MuonWithAdamW, WarmupCosine
from models.preprocessing import Preprocessing
from models.regressor import Regressor
from models.task import Task

__all__ = [
    "SAM",
    "Classifier",
    "MultiLabelClassifier",
    "MuonWithAdamW",
    "Preprocessing",
    "Regressor",
    "Task",
    "TrainingError",
    "WarmupCosine",
]
