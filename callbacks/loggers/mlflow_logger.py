"""A logger for MLflow; a resumed run continues its MLflow run."""

import logging
import os
import shlex
from argparse import Namespace
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import loggers
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn
from typing_extensions import override

from callbacks.files import display_path
from callbacks.loggers.run_logger import RemoteLogger
from datamodules.optional import need

DATABASE, ARTIFACTS = "mlflow.db", "mlflow_artifacts"  # in the folder of all runs


class MLFlowLogger(RemoteLogger, loggers.MLFlowLogger):
    """Logs to MLflow. By default into `runs/mlflow.db`: `mlflow ui --backend-store-uri sqlite:///runs/mlflow.db`.

    Its identity of the run lies in `loggers.json` in the run's folder.

    Args:
        experiment_name: Experiment there; default: the name of the recipe.
        run_name: Name of the run there; default: the folder's version, the regularizers and the network.
        tracking_uri: Server or database; default: MLFLOW_TRACKING_URI, or a database in the folder of all runs.
        tags: Tags of the run.
        run_id: Identity of the run; default: a new one, which a resumed run keeps.
        artifact_location: Where a new experiment keeps its files.
        log_model: Upload the best checkpoint at the end, or "all" as they are written.
        prefix: Prefix of the names of metrics.

    Raises:
        MissingPackageError: `mlflow` is not installed.
    """

    _initialized = False

    def __init__(
        self,
        experiment_name: str | None = None,
        run_name: str | None = None,
        tracking_uri: str | None = None,
        tags: dict[str, str] | None = None,
        run_id: str | None = None,
        artifact_location: str | None = None,
        log_model: Literal["all"] | bool = False,
        prefix: str = "",
    ) -> None:
        need("mlflow", "mlflow", "MLFlowLogger")
        # Lightning's constructor connects to the server: it is called when the logger is opened.
        self.is_waiting = True
        self.logged_steps: dict[str, int | None] = {}
        self._settings: dict[str, Any] = {
            "experiment_name": experiment_name, "run_name": run_name, "tracking_uri": tracking_uri, "tags": tags,
            "run_id": run_id, "artifact_location": artifact_location, "log_model": log_model, "prefix": prefix,
        }  # fmt: skip

    @override
    def place(self, folder: Path, title: str) -> None:
        super().place(folder, title)
        given, runs = self._settings, folder.absolute().parents[1]
        if not (given["tracking_uri"] or os.environ.get("MLFLOW_TRACKING_URI")):
            given["tracking_uri"] = f"sqlite:///{runs / DATABASE}"
            given["artifact_location"] = given["artifact_location"] or (runs / ARTIFACTS).as_uri()
        given["experiment_name"] = given["experiment_name"] or self.group
        given["run_name"] = given["run_name"] or title

    @override
    @rank_zero_only
    def open(self) -> None:
        from mlflow import MlflowException

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # of every table that it makes
        given = {name: value for name, value in self._settings.items() if value is not None}
        loggers.MLFlowLogger.__init__(self, **given)
        self._run_id = self._run_id or self.known_id()
        client = self._mlflow_client
        try:
            if self._run_id is not None:
                client.update_run(self._run_id, status="RUNNING")
        except MlflowException as error:
            rank_zero_warn(f"MLflow does not know the run {self._run_id} (a new one begins): {error}")
            self._run_id = None
        experiment = client.get_experiment_by_name(self._experiment_name)
        if experiment is None:
            client.create_experiment(self._experiment_name, self._artifact_location)
        self.is_waiting = False
        self.keep_id(str(self.run_id))

    @override
    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        given = vars(params) if isinstance(params, Namespace) else params
        logged = self.experiment.get_run(self.run_id).data.params
        super().log_hyperparams({name: value for name, value in given.items() if name not in logged})  # it keeps those

    @override
    def where(self) -> str:
        if self.is_waiting:
            return ""
        address, _, path = self._tracking_uri.partition(":///")
        if address != "sqlite":
            return f"{self._tracking_uri}, run {self._run_id}"
        return f"mlflow ui --backend-store-uri {shlex.quote(f'sqlite:///{display_path(path)}')}"
