"""The split of a run, written beside it."""

import json

import lightning as L

from callbacks.files import write_text
from callbacks.lookup import run_folder


class SaveSplit(L.Callback):
    """Writes the datamodule's manifest to `split.json` in the run folder when training starts."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the file, where the datamodule has a manifest."""
        folder = run_folder(trainer)
        manifest = getattr(getattr(trainer, "datamodule", None), "manifest", None)
        if manifest is not None and folder is not None and trainer.is_global_zero:
            write_text(folder / "split.json", json.dumps(manifest, indent=2) + "\n")
