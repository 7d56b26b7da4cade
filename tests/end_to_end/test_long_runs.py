"""What a long run takes: memory, open files, threads and bytes on disk do not grow with the steps behind it."""

import json
import sys

import pytest

EPOCHS = 80
WATCH = """
import json
import os
from pathlib import Path

from lightning import Callback


class Watch(Callback):
    def on_train_epoch_start(self, trainer, task):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        folder = Path(trainer.default_root_dir)
        last = folder / "checkpoints" / "last.ckpt"
        sample = {
            "memory": pages,
            "threads": len(os.listdir("/proc/self/task")),
            "files": len(os.listdir("/proc/self/fd")),
            "checkpoint": last.stat().st_size if last.is_file() else 0,
            "events": sum(path.stat().st_size for path in folder.glob("events*")),
        }
        with open("samples", "a") as file:
            print(json.dumps(sample), file=file)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_files_and_threads_stay_as_they_are_and_checkpoints_grow_by_a_row(new_desk) -> None:
    desk = new_desk()
    (desk.folder / "watch.py").write_text(WATCH)
    flags = ("--data.batch_size", "32", "--early_stopping", "null", "--trainer.callbacks+", "watch.Watch")
    desk.run("fit", *desk.digits(EPOCHS), *flags)
    samples = [json.loads(line) for line in (desk.folder / "samples").read_text().splitlines()]
    warm, last, between = samples[EPOCHS // 4], samples[-1], EPOCHS - 1 - EPOCHS // 4
    assert last["memory"] < 1.01 * warm["memory"]
    assert (last["threads"], last["files"]) == (warm["threads"], warm["files"])
    row = (16 + 12) * 9  # of the history and of the gradients' norms: numbers and their references to names
    assert last["checkpoint"] - warm["checkpoint"] <= between * row
    assert last["events"] - warm["events"] <= between * 16 * 80
