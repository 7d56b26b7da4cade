"""Loggers beside TensorBoard, which keep a run in its folder and go on with it when it is resumed."""

from callbacks.loggers.csv_logger import CSVLogger
from callbacks.loggers.mlflow_logger import MLFlowLogger
from callbacks.loggers.run_logger import RunLogger
from callbacks.loggers.wandb_logger import WandbLogger

__all__ = ["CSVLogger", "MLFlowLogger", "RunLogger", "WandbLogger"]
