"""`holdout study` on Ray: ordinary runs, killed and gone on with, on one machine and on a cluster of two nodes."""

import csv
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.run_differences import checkpoint_differences
from tests.end_to_end.conftest import ROOT, finish

pytestmark = pytest.mark.slow
ARMS = ("--arm", "plain", "--arm", "configs/regularizers/label_smoothing.yaml")
TIMES = ("seconds", "run", "command")
OWN = '''
import os
from pathlib import Path
import lightning as L

class DiesOnce(L.Callback):
    """Is killed in its second epoch, the first time."""

    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == 1 and not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), 9)
'''
CLUSTER = """
import os, subprocess, sys, time
from pathlib import Path
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
other = cluster.add_node(num_cpus=1)
study = subprocess.Popen([*sys.argv[1:], "--address", cluster.address])
while not list(Path("studies").glob("*/runs/*/version_0/checkpoints/last.ckpt")):
    time.sleep(0.1)
    assert study.poll() is None
cluster.remove_node(other, allow_graceful=False)
status = study.wait()
cluster.shutdown()
sys.exit(status)
"""


def study(desk, *arguments: str, seeds: int = 2, epochs: int = 2) -> tuple[str, ...]:
    return ("study", *desk.digits(epochs), *ARMS, "--seeds", str(seeds), *arguments)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        found = [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]
    return sorted(found, key=str)


@pytest.fixture(scope="module")
def done(new_desk):
    """A desk with a study of two arms and two seeds that was killed and went on, and what was printed at last."""
    desk = new_desk()
    process = desk.start(*study(desk))
    _wait_for(desk.folder, "studies/digits/runs/*/version_0/checkpoints/last.ckpt")
    process.kill()
    process.wait()
    return desk, desk.run(*study(desk), "--resume")


def test_a_study_says_what_it_shows_and_where(done) -> None:
    desk, said = done
    folder = desk.folder / "studies/digits"
    assert "comparison of 2 arms: 4 runs" in said.stdout
    assert not said.stderr
    summary = (folder / "summary.md").read_text()
    assert "| label_smoothing | 2 |" in summary
    assert {"points_test_accuracy.png", "curves_val_accuracy.png"} <= {
        path.name for path in (folder / "figures").iterdir()
    }
    assert len(rows(folder)) == 4
    assert not (folder / ".ray").exists()


def test_its_runs_are_the_ordinary_ones(done) -> None:
    desk, _ = done
    folder = desk.folder / "studies/digits/runs/label_smoothing-seed_1/version_0"
    assert json.loads((folder / "test.json").read_text())["evaluations"] == 1
    table = csv.DictReader((desk.folder / "studies/digits/results.csv").read_text().splitlines())
    command = next(row["command"] for row in table if "label_smoothing-seed_1" in row["run"])
    desk.run(*shlex.split(command)[2:])  # after OMP_NUM_THREADS=1, as here, and the command's name
    alone = desk.folder / "runs/label_smoothing-seed_1/version_0"
    for name in ("best.ckpt", "last.ckpt"):
        assert checkpoint_differences(alone / "checkpoints" / name, folder / "checkpoints" / name) == []


def test_each_run_reads_the_test_part_once_and_the_ledger_counts_its_models(done) -> None:
    desk, _ = done
    lines = [json.loads(line) for line in (desk.folder / "runs/test_ledger.jsonl").read_text().splitlines()]
    of_study = [line for line in lines if line["run"].startswith("studies/")]
    assert len(of_study) == 4
    assert len({line["model"] for line in of_study}) == 2
    assert len({line["part"] for line in of_study}) == 1


def test_a_finished_study_is_read_again_by_its_name_and_for_metrics_that_it_has(done) -> None:
    desk, _ = done
    again = ("study", "--name", "digits", "--resume", "--metric")
    assert "test/loss\n  plain  " in desk.here(*again, "test/loss").stdout
    said = desk.here(*again, "test/acuracy", status=2).stderr
    assert "--metric test/acuracy is not measured; did you mean test/accuracy?" in said
    said = desk.here(*again, "memorization/wrong_label", status=2).stderr
    assert "-c configs/callbacks/memorization.yaml measures it" in said


def test_a_report_takes_a_study(done) -> None:
    desk, _ = done
    assert "4 runs" in desk.here("report", "studies/digits").stdout
    page = (desk.folder / "studies/digits/report.html").read_text()
    assert "no difference seen" in page or "better" in page or "worse" in page


def test_what_dies_is_started_again_and_what_cannot_run_is_reported_in_a_search_too(new_desk) -> None:
    desk = new_desk()
    (desk.folder / "own.py").write_text(OWN)
    dies = "--trainer.callbacks own.DiesOnce --early_stopping null"
    arms = ("--arm", f"dies={dies}", "--arm", "wrong=--data.batch_size 100000 --data.drop_last true")
    search = ("--search", "dies:model.optimizer.lr=log:1e-6:1e-2", "--trials", "5", "--asha")
    said = desk.run("study", *desk.digits(6), *arms, *search, "--seeds", "1", status=2)
    assert (desk.folder / "died").exists()
    with (desk.folder / "studies/digits/search.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    assert {trial["status"] for trial in trials} == {"done", "stopped early"}
    done = [trial for trial in trials if trial["status"] == "done"]
    best = max(done, key=lambda trial: float(trial["val/accuracy"]))
    found = {row["arm"]: row for row in rows(desk.folder / "studies/digits")}
    assert found["dies"]["status"] == "done"
    assert found["dies"]["model.optimizer.lr"] == best["model.optimizer.lr"]
    assert "drop_last leaves no batch" in found["wrong"]["status"]
    assert "1 of 2 runs failed" in said.stderr
    assert "Traceback" not in said.stdout + said.stderr


def test_a_study_that_is_killed_and_one_that_loses_a_node_give_the_same_table(done, new_desk) -> None:
    killed, _ = done
    desk = new_desk()
    (desk.folder / "cluster.py").write_text(CLUSTER)
    command = [sys.executable, "cluster.py", sys.executable, "-m", "scripts.main", *study(desk)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    finish(subprocess.Popen(command, cwd=desk.folder, env=environment, text=True, stdout=-1, stderr=-1))
    assert rows(desk.folder / "studies/digits") == rows(killed.folder / "studies/digits")


def test_a_refused_study_leaves_what_is_there(desk) -> None:
    folder = desk.folder / "studies/kept"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text("fit: -c configs/digits.yaml\nseeds: 9\n")
    (folder / "summary.md").write_text("results")
    said = desk.here(*study(desk), "--name", "kept", "--resume", status=2).stderr
    assert "differs from the command line in" in said
    assert (folder / "summary.md").read_text() == "results"
    assert "is there already" in desk.here(*study(desk), "--name", "kept", status=2).stderr
    for content in ("", "[]", "fit: [", "x" * 2**21):
        (folder / "study.yaml").write_text(content)
        assert "Traceback" not in desk.here(*study(desk), "--name", "kept", "--resume", status=2).stderr
    assert "there is no study" in desk.here(*study(desk), "--name", "new", "--resume", status=2).stderr
    assert not (desk.folder / "studies/new").exists()
    said = desk.here(*study(desk), "--name", "new", "--threads", "512", status=2).stderr
    assert "--threads 512: Ray has" in said
    assert not (desk.folder / "studies/new").exists()


def test_without_ray_one_line_says_what_to_install(desk) -> None:
    (desk.folder / "ray").mkdir()
    (desk.folder / "ray/__init__.py").write_text("raise ImportError")
    done = subprocess.run(
        [sys.executable, "-m", "scripts.main", *study(desk)],
        cwd=desk.folder,
        env=os.environ | {"PYTHONPATH": f"{desk.folder}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "holdout: error: study needs Ray: pip install 'holdout[study]'\n"
    assert not (desk.folder / "studies/digits").exists()


def _wait_for(folder: Path, pattern: str) -> None:
    end = time.monotonic() + 120
    while not list(folder.glob(pattern)):
        assert time.monotonic() < end
        time.sleep(0.05)
