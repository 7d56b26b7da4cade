"""A logger for Weights & Biases; a resumed run continues its W&B run."""

import os
import shlex
import uuid
from pathlib import Path
from typing import Literal

from lightning.pytorch import loggers
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from callbacks.files import display_path
from callbacks.loggers.run_logger import RemoteLogger
from datamodules.optional import need


class WandbLogger(RemoteLogger, loggers.WandbLogger):
    """Logs to Weights & Biases. Without an account: WANDB_MODE=offline, and later `wandb sync`.

    Its own files lie in `wandb/` in the run's folder, and its identity in `loggers.json`.

    Args:
        project: Project there; default: WANDB_PROJECT, or the name of the recipe.
        name: Name of the run there; default: the folder's version, the regularizers and the network.
        entity: User or team; default: yours.
        group: Group that the run belongs to.
        tags: Tags of the run.
        notes: Remarks on the run.
        id: Identity of the run; default: a new one, which a resumed run keeps.
        offline: Keep everything on this machine.
        log_model: Upload the best checkpoint at the end, or "all" as they are written.
        prefix: Prefix of the names of metrics.

    Raises:
        MissingPackageError: `wandb` is not installed.
    """

    def __init__(
        self,
        project: str | None = None,
        name: str | None = None,
        entity: str | None = None,
        group: str | None = None,
        tags: list[str] | None = None,
        notes: str | None = None,
        id: str | None = None,
        offline: bool = False,
        log_model: Literal["all"] | bool = False,
        prefix: str = "",
    ) -> None:
        need("wandb", "wandb", "WandbLogger")
        details = {"entity": entity, "group": group, "tags": tags, "notes": notes}
        super().__init__(
            project=project, name=name, id=id, offline=offline, log_model=log_model, prefix=prefix,
            **{key: value for key, value in details.items() if value is not None},
        )  # fmt: skip
        self._wandb_init.pop("anonymous", None)  # W&B warns of it
        self._given_project = project or os.environ.get("WANDB_PROJECT")
        self._is_ours = False

    @override
    def place(self, folder: Path, title: str) -> None:
        super().place(folder, title)
        self._project = self._given_project or self.group
        self._name = self._name or title
        self._wandb_init |= {"project": self._project, "name": self._name, "dir": str(folder)}

    @override
    @rank_zero_only
    def open(self) -> None:
        import wandb

        identity = self._id or self.known_id() or uuid.uuid4().hex[:12]
        # A link in a run's folder might lead out of it: a run with one is not resumed there.
        self._wandb_init |= {"id": identity, "settings": wandb.Settings(symlink=False, silent=True)}
        self.is_waiting, self._is_ours = False, wandb.run is None
        self.keep_id(self.experiment.id)

    @override
    @rank_zero_only
    def finalize(self, status: str) -> None:
        super().finalize(status)
        if self._experiment is not None and self._is_ours:
            self._experiment.finish(exit_code=0 if status == "success" else 1)
            self._experiment = None

    @override
    def where(self) -> str:
        if self._experiment is None or self._experiment.disabled:
            return ""
        if not self._experiment.offline:
            return str(self._experiment.url)
        return f"wandb sync {shlex.quote(display_path(Path(self._experiment.dir).parent))}"
