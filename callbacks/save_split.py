"""The split of a run, written beside it."""

import json
from typing import ClassVar

import lightning as L
from typing_extensions import override

from callbacks.files import write_text
from callbacks.lookup import run_folder


class SaveSplit(L.Callback):
    """Writes the datamodule's manifest, if it has one, to `split.json` in the run folder when training starts."""

    changes_training: ClassVar[bool] = False

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        folder = run_folder(trainer)
        manifest = getattr(getattr(trainer, "datamodule", None), "manifest", None)
        if manifest is not None and folder is not None and trainer.is_global_zero:
            write_text(folder / "split.json", json.dumps(manifest, indent=2) + "\n")
