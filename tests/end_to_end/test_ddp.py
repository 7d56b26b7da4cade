"""Two processes on the CPU: one run, and the figures of one process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules import Digits, SymmetricNoise
from models.networks import MLP
from models.preprocessing import Preprocessing

ROOT = Path(__file__).parents[2]
ON_TWO = ("--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy")
TWO = (*ON_TWO, "ddp")
# Two that this process forks, without the seconds that two of their own take to start.
FORKED = (*ON_TWO, "ddp_fork")
PLAIN = ("--model.network.dropout", "0")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def run_of_two(new_desk):
    """A run on two processes, of a network with batch norm: folder to type in, what was printed, the run's folder."""
    desk = new_desk()
    done = desk.run("fit", *desk.digits(2), *PLAIN, "--model.network.norm", "batch", *TWO)
    return desk, done, desk.folder / "runs" / "digits" / "version_0"


def test_two_processes_make_one_run(run_of_two) -> None:
    desk, done, folder = run_of_two
    assert [path.name for path in (desk.folder / "runs" / "digits").iterdir()] == ["version_0"]
    found = {path.name for path in folder.rglob("*") if path.is_file() and "events" not in path.name}
    assert found >= {"config.yaml", "split.json", "summary.json", "curves.png", "best.ckpt", "last.ckpt"}
    assert len(list(folder.glob("events*"))) == 1
    assert done.stdout.count("epoch 2/2") == 1
    assert done.stdout.count("test it") == 1
    assert "2 × cpu" in done.stdout


def test_two_processes_learn_what_one_learns(new_desk) -> None:
    desk = new_desk()
    plain = (*PLAIN, "--model.network.norm", "none")  # with batch norm each normalises its own half of a batch
    folder, alone = (desk.fit(name, *plain, *flags) for name, flags in (("two", FORKED), ("alone", ())))
    both = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (folder, alone)]
    for key in both[0]:
        assert torch.allclose(both[0][key], both[1][key], atol=1e-3), key
    summaries = [json.loads((run / "summary.json").read_text()) for run in (folder, alone)]
    assert summaries[0]["last"] == pytest.approx(summaries[1]["last"], abs=0.01)


def test_the_figures_of_an_epoch_on_two_processes_are_those_of_its_checkpoint_on_one(run_of_two) -> None:
    desk, _, folder = run_of_two
    desk.here("validate", "--ckpt_path", str(folder / "checkpoints" / "best.ckpt"))
    alone = json.loads((folder / "validation.json").read_text())["metrics"]
    best = json.loads((folder / "summary.json").read_text())["best"]
    assert alone == pytest.approx({name: best[name] for name in alone}, rel=1e-5)


def test_a_checkpoint_is_tested_alike_on_one_process_and_on_two(run_of_two) -> None:
    desk, _, folder = run_of_two
    checkpoint = str((folder / "checkpoints" / "best.ckpt").relative_to(desk.folder))
    two = desk.run("test", "--ckpt_path", checkpoint, *TWO)
    one = desk.here("test", "--ckpt_path", checkpoint)
    figures = [done.stdout.partition("test part read")[0] for done in (one, two)]
    assert figures[0] == figures[1]


def test_a_checkpoint_is_calibrated_alike_on_one_process_and_on_two(run_of_two) -> None:
    desk, _, folder = run_of_two
    found = []
    for name, type_in, flags in (("one", desk.here, ()), ("two", desk.run, TWO)):
        run = desk.folder / "runs" / name / "version_0"
        shutil.copytree(folder, run)
        printed = type_in("calibrate", "--ckpt_path", f"runs/{name}/version_0", *flags).stdout
        stored = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["calibration"]
        found.append((printed.replace(f"runs/{name}/", ""), stored["conformal"], round(stored["temperature"], 9)))
    assert found[0] == found[1]


def test_regularizers_that_draw_nothing_teach_two_processes_what_they_teach_one(new_desk) -> None:
    desk = new_desk()
    names = ("label_smoothing", "confidence_penalty", "elastic_net", "orthogonality", "max_norm")
    overlays = [*(f"regularizers/{name}" for name in names), "optimizers/sam", "callbacks/ema"]
    listed = [part for overlay in overlays for part in ("-c", f"configs/{overlay}.yaml")]
    desk.here("fit", *desk.digits(2), *listed, *PLAIN, "--model.network.norm", "none", *FORKED)
    alone = desk.fit("alone", *listed, *PLAIN, "--model.network.norm", "none")
    two, one = (
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in (desk.folder / "runs" / "digits" / "version_0", alone)
    )
    for key in one:
        assert torch.allclose(two[key], one[key], atol=1e-3), key


STEPS = ("-c", "configs/delayed_echo_gru.yaml", "--data", "SequenceFiles", "--data.path", "steps.npz")


def write_steps(path: Path) -> None:
    """Write sequences of which some have one labelled step and some have all twelve, of a rare class and a frequent."""
    generator = np.random.default_rng(0)
    values = generator.standard_normal((200, 12, 2)).astype(np.float32)
    labels = (values[:, :, 0] > 1).astype(np.int64)
    labels[::2, 1:] = -100
    np.savez(path, values=values.reshape(-1, 2), lengths=np.full(200, 12), targets=labels.reshape(-1))


def test_class_weights_and_labelled_steps_teach_two_processes_what_they_teach_one(new_desk) -> None:
    desk = new_desk()
    write_steps(desk.folder / "steps.npz")
    options = ("--model.loss", "BalancedCrossEntropy", "--model.regularizers+", "ConfidencePenalty")
    small = ("--model.network.hidden_size", "4", "--data.batch_size", "20", "--trainer.max_epochs", "2")
    desk.here("fit", *STEPS, *options, *small, "--name", "two", *FORKED)
    desk.here("fit", *STEPS, *options, *small, "--name", "one")
    two, one = (
        torch.load(desk.folder / "runs" / name / "version_0" / "checkpoints" / "last.ckpt", weights_only=True)
        for name in ("two", "one")
    )
    for key, value in one["state_dict"].items():
        assert torch.allclose(two["state_dict"][key], value, atol=1e-3), key


WATCHED = """
from torch.distributed import get_rank

from models.regularizers import DisturbLabel


class Watched(DisturbLabel):
    def perturb(self, inputs, targets):
        _, drawn = super().perturb(inputs, targets)
        changed = (drawn != targets).any(1).int().tolist()
        with open(f"drawn{get_rank()}", "a") as file:
            print(*changed, file=file)
        return inputs, drawn
"""


def test_each_process_draws_for_itself_and_at_the_same_rate(new_desk) -> None:
    desk = new_desk()
    (desk.folder / "watched.py").write_text(WATCHED)
    watched = ("--model.regularizers+", "watched.Watched", "--model.regularizers.alpha", "50")
    desk.here("fit", *desk.digits(2), *watched, *FORKED)
    first, second = ((desk.folder / name).read_text().split() for name in ("drawn0", "drawn1"))
    first = first[-len(second) :]  # rank 0 has drawn before, for the picture of the first batch
    assert len(first) == len(second) > 1000
    alike = sum(one == other for one, other in zip(first, second, strict=True)) / len(first)
    for drawn in (first, second):
        rate = drawn.count("1") / len(drawn)
        assert rate == pytest.approx(0.45, abs=0.07)  # 4.5 standard deviations of 1,000 draws
    assert alike == pytest.approx(0.45**2 + 0.55**2, abs=0.07)


def test_probes_measure_the_network_that_the_checkpoint_holds(new_desk) -> None:
    desk = new_desk()
    noisy = ("-c", "configs/digits_noisy_labels.yaml", "--model.network.widths", "[32]", "--trainer.max_epochs", "2")
    batches = ("--model.network.norm", "batch", "--data.batch_size", "16", "--data.drop_last", "true")
    desk.here("fit", *noisy, *batches, "--model.optimizer.lr", "0.01", *FORKED)
    folder = desk.folder / "runs" / "digits_noisy_labels" / "version_0"
    logged = json.loads((folder / "summary.json").read_text())["last"]
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    network = MLP((1, 8, 8), 10, [32], norm="batch").eval()
    network.load_state_dict(
        {name.removeprefix("network."): value for name, value in state.items() if "network." in name}
    )
    data = Digits(label_noise=SymmetricNoise(0.3))
    data.setup("fit")
    train = torch.from_numpy(data.split.train)
    given, true = data.targets[train], data.samples.targets[train]
    wrong = given != true
    predicted = network(Preprocessing(**data.preprocessing)(data.samples.inputs[train])).argmax(-1)
    assert logged["memorization/wrong_label"] == pytest.approx((predicted == given)[wrong].float().mean().item())
    assert logged["memorization/true_label"] == pytest.approx((predicted == true)[wrong].float().mean().item())


def test_processes_that_torchrun_starts_make_one_run(new_desk) -> None:
    desk = new_desk()
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    done = subprocess.run(
        [*torchrun, "-m", "scripts.main", "fit", *desk.digits(1), *TWO],
        cwd=desk.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in (desk.folder / "runs" / "digits").iterdir()] == ["version_0"]
    assert done.stdout.count("epoch 1/1") == 1
    assert (desk.folder / "runs" / "digits" / "version_0" / "checkpoints" / "last.ckpt").is_file()


FAULTY = """
import math
import os

import torch
from torch import nn


class NoNumberOnOne(nn.CrossEntropyLoss):
    calls = 0

    def forward(self, logits, targets):
        self.calls += torch.is_grad_enabled()
        wrong = self.calls == 10 and os.environ.get("LOCAL_RANK") == "1"
        return super().forward(logits, targets) * (math.nan if wrong else 1)
"""


def test_a_loss_that_is_no_number_on_one_process_ends_both(new_desk) -> None:
    desk = new_desk()
    (desk.folder / "faulty.py").write_text(FAULTY)
    loss = ("--model.loss", "faulty.NoNumberOnOne", "--data.batch_size", "130")  # 10 steps an epoch
    done = desk.run("fit", *desk.digits(2), *PLAIN, *loss, *TWO, status=2)
    assert done.stderr.splitlines()[-1].startswith("holdout: error: the loss is nan at step 10, epoch 1: lower the")


def test_a_run_of_two_processes_goes_on_with_one_and_says_that_it_is_not_the_same(run_of_two) -> None:
    desk, _, folder = run_of_two
    last = str(folder / "checkpoints" / "last.ckpt")
    one = ("--trainer.devices", "1", "--trainer.strategy", "auto")
    with pytest.warns(UserWarning, match="the number of devices changed from 2 to 1: the resumed run is not"):
        done = desk.here("fit", "--ckpt_path", last, *one, "--trainer.max_epochs", "3")
    assert "epoch 3/3" in done.stdout


def test_several_labels_and_weights_teach_two_processes_what_they_teach_one(new_desk) -> None:
    desk = new_desk()
    shutil.copy(ROOT / "tests" / "digit_labels.py", desk.folder / "own_labels.py")
    model = ("--model", "MultiLabelClassifier", "--model.network", "MLP", "--model.network.widths", "[32]")
    data = ("--data", "own_labels.WeightedDigitLabels", "--data.batch_size", "64", "--trainer.max_epochs", "2")
    desk.here("fit", *model, *data, "--name", "two", *FORKED)
    desk.here("fit", *model, *data, "--name", "one")
    runs = [desk.folder / "runs" / name / "version_0" for name in ("two", "one")]
    two, one = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in runs)
    for key in two:
        torch.testing.assert_close(two[key], one[key], atol=1e-3, rtol=1e-3)
    two, one = (json.loads((run / "summary.json").read_text())["last"] for run in runs)
    assert two == pytest.approx(one, abs=0.01)
