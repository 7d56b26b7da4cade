"""Lightning's finders from the command line: a search before the run, which then begins with what it found."""

import math
import re
from types import SimpleNamespace

import pytest
import torch
import yaml

from scripts.cli.errors import UsageError
from scripts.cli.searches import found_rate

RATE = ("--trainer.callbacks+", "LearningRateFinder", "--trainer.callbacks.num_training_steps", "30")
SIZE = ("--trainer.callbacks+", "BatchSizeFinder", "--trainer.callbacks.init_val", "64")
GREEDY = """
import torch
from models.networks import Linear


class Greedy(Linear):
    \"\"\"A network that has memory for a hundred images.\"\"\"

    def forward(self, inputs):
        if len(inputs) > 100:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB")
        return super().forward(inputs)
"""


def settings(run) -> dict:
    return yaml.safe_load((run / "config.yaml").read_text())


def last(run) -> dict:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def same_weights(run, other) -> bool:
    first, second = last(run)["state_dict"], last(other)["state_dict"]
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def searched(desk):
    """A run of two epochs after a search for a rate, and what was printed."""
    done = desk.here("fit", *desk.digits(2), "--name", "searched", *RATE)
    return desk.folder / "runs" / "searched" / "version_0", done


def test_the_rate_found_is_said_and_stated_in_the_config(searched) -> None:
    run, done = searched
    found = re.match(r"found  model\.optimizer\.lr (\S+) \(LearningRateFinder\)\n", done.stdout)
    assert found
    assert 1e-3 < float(found[1]) < 1
    assert settings(run)["model"]["init_args"]["optimizer"]["init_args"]["lr"] == float(found[1])
    assert settings(run)["trainer"]["callbacks"] is None
    assert done.stderr == ""


def test_the_run_is_the_one_that_its_config_repeats(desk, searched) -> None:
    run, _ = searched
    desk.here("fit", "-c", str(run / "config.yaml"), "--name", "repeated")
    repeated = desk.folder / "runs" / "repeated" / "version_0"
    assert same_weights(run, repeated)
    assert last(run)["global_step"] == 2 * math.ceil(1294 / 64)
    left = {path.relative_to(run).parts[0].split(".")[0] for path in run.iterdir()}
    assert left == {path.relative_to(repeated).parts[0].split(".")[0] for path in repeated.iterdir()}


def test_a_resumed_run_goes_on_with_what_its_start_found(desk, searched) -> None:
    run, _ = searched
    part = desk.fit("resumed", *RATE, "--trainer.max_epochs", "2", "--trainer.max_steps", "30")
    again = ("--name", "resumed", *RATE, "--trainer.max_steps", "-1", "--ckpt_path", "last")
    done = desk.here("fit", *desk.digits(2), *again)
    assert "found" not in done.stdout
    assert settings(part)["model"] == settings(run)["model"]
    assert "resumed in epoch 2 after step 30" in done.stdout


def test_a_batch_size_is_the_largest_that_fits_and_training_begins_at_step_0(desk) -> None:
    (desk.folder / "greedy.py").write_text(GREEDY)
    network = ("--model.network", "greedy.Greedy", "--data.eval_batch_size", "90")
    done = desk.here("fit", "-c", "configs/digits.yaml", *network, *SIZE, "--trainer.max_epochs", "1", "--name", "size")
    run = desk.folder / "runs" / "size" / "version_0"
    assert done.stdout.startswith("found  data.batch_size 64 (BatchSizeFinder)\n")
    assert settings(run)["data"]["init_args"]["batch_size"] == 64
    assert last(run)["global_step"] == math.ceil(1294 / 64)


def test_a_batch_is_no_larger_than_the_training_part_and_the_rate_is_searched_with_it(desk) -> None:
    run = desk.fit("both", *SIZE[:-1], "1024", *RATE, epochs=1)
    assert settings(run)["data"]["init_args"]["batch_size"] == 1294
    assert last(run)["global_step"] == 1
    rate = settings(run)["model"]["init_args"]["optimizer"]["init_args"]["lr"]
    alone = desk.fit("alone", *RATE, "--data.batch_size", "1294", epochs=1)
    assert settings(alone)["model"]["init_args"]["optimizer"]["init_args"]["lr"] == rate
    assert same_weights(run, alone)


def test_a_task_without_an_optimizer_of_its_own_gets_one_with_the_rate(desk) -> None:
    default = ("--model.optimizer", "null", "--model.lr_scheduler", "null")
    optimizer = settings(desk.fit("default", *default, *RATE, epochs=1))["model"]["init_args"]["optimizer"]
    assert optimizer["class_path"] == "torch.optim.AdamW"
    again = ("--name", "default", "--ckpt_path", "last", *default, *RATE)
    assert "resumed after epoch 1" in desk.here("fit", *desk.digits(2), *again).stdout


def test_nothing_is_searched_in_a_dry_run(desk, recwarn) -> None:
    done = desk.here("fit", *desk.digits(1), *RATE, "--trainer.fast_dev_run", "true")
    assert "found" not in done.stdout
    assert any("LearningRateFinder does not search" in str(warning.message) for warning in recwarn)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--trainer.devices 2", "a search is made on one device; search with --trainer.devices 1, then train on 2"),
        ("--trainer.callbacks.num_training_steps 9", "needs more than 12 steps before the loss diverges"),
        ("--model.lr_scheduler OneCycleLR --model.lr_scheduler.max_lr 1", "which OneCycleLR replaces by its max_lr"),
        (
            "--trainer.callbacks.max_lr 1e30 --trainer.callbacks.early_stop_threshold null",
            "in the search of LearningRateFinder the loss is",
        ),
    ],
)
def test_a_search_that_cannot_be_made_is_one_line_and_leaves_no_run(desk, flags: str, said: str) -> None:
    done = desk.here("fit", *desk.digits(1), "--name", "none", *RATE, *flags.split(), status=2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (desk.folder / "runs" / "none").exists()


def search_of(losses: list[float], rates: list[float]) -> SimpleNamespace:
    return SimpleNamespace(optimal_lr=SimpleNamespace(results={"loss": losses, "lr": rates}))


@pytest.mark.parametrize("seed", range(5))
def test_the_rate_is_where_the_loss_falls_most_whatever_noise_there_is_before(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rates = [10 ** (-8 + 0.08 * step) for step in range(101)]
    noise = (0.01 * torch.randn(101, generator=generator)).tolist()
    losses = [2 / (1 + (rate / 1e-3) ** 2) + one for rate, one in zip(rates, noise, strict=True)]
    assert 2e-4 < found_rate(search_of(losses, rates)) < 5e-3


def test_a_search_without_steps_has_no_rate() -> None:
    with pytest.raises(UsageError, match="needs more than 12 steps"):
        found_rate(search_of([1.0] * 12, [0.1] * 12))


STOCK = """
import lightning as L
import torch


class Plain(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(64, 10)

    def training_step(self, batch, _):
        return torch.nn.functional.cross_entropy(self.layer(batch[0].flatten(1).float()), batch[1])

    def validation_step(self, batch, _):
        self.log("val/loss", self.training_step(batch, _))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters())
"""


def test_a_module_of_another_kind_has_a_batch_size_to_search_and_no_rate(desk) -> None:
    (desk.folder / "stock_search.py").write_text(STOCK)
    given = ("fit", "--model", "stock_search.Plain", "--data", "Digits", "--name", "stock", "--trainer.max_epochs", "1")
    assert desk.here(*given, *SIZE[:-1], "1024").stdout.startswith("found  data.batch_size 1294 (BatchSizeFinder)\n")
    assert "stock_search.Plain takes no optimizer" in desk.here(*given, *RATE, status=2).stderr
