"""The split of a run, written beside it."""

import json
from typing import ClassVar

import lightning as L
from typing_extensions import override

from callbacks.files import write_text
from callbacks.lookup import run_folder
from datamodules.base import DataModule
from datamodules.splitting.given import MANIFEST, TABLE, table_of


class SaveSplit(L.Callback):
    """Writes the datamodule's manifest, if it has one, to `split.json` in the run folder when training starts.

    The samples of each part go to `split.csv`, for other programs, and for other runs on exactly the same parts:
    `--data.split.given runs/digits/version_0/split.csv`. Its columns are index, which is also that of predictions.csv;
    part; and file or row, where samples come from files or from the rows of a table, whose header is row 1.
    """

    changes_training: ClassVar[bool] = False

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        folder = run_folder(trainer)
        data = getattr(trainer, "datamodule", None)
        manifest = getattr(data, "manifest", None)
        if manifest is None or folder is None or not trainer.is_global_zero:
            return
        write_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
        if isinstance(data, DataModule) and data.split is not None:
            write_text(folder / TABLE, table_of(data.split.parts(), data.origins()))
