"""The precision that suits the machine is chosen when asked for, and any other is Lightning's."""

from collections import Counter

import lightning as L
import pytest
import torch

from datamodules import Digits
from models import Classifier
from models.networks import Linear
from scripts.cli import trainer
from scripts.cli.trainer import Trainer, choose_precision


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
@pytest.mark.parametrize("accelerator", ["cpu", "auto"])
def test_a_cpu_computes_in_bfloat16_only_if_it_does_so_by_itself(monkeypatch, native, expected, accelerator):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(trainer, "_cpu_has_bfloat16", lambda: native)
    assert choose_precision(accelerator) == expected


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "auto"])
def test_a_gpu_is_asked_itself_whatever_the_cpu_can(monkeypatch, native, expected, accelerator):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    monkeypatch.setattr(trainer, "_cpu_has_bfloat16", lambda: not native)
    assert choose_precision(accelerator) == expected


@pytest.mark.parametrize(("given", "expected"), [(None, "32-true"), ("64", "64-true"), ("bf16-mixed", "bf16-mixed")])
def test_another_precision_is_lightnings(given, expected):
    made = Trainer(accelerator="cpu", precision=given, logger=False, enable_checkpointing=False)
    assert made.precision == expected


def test_the_choice_is_what_the_trainer_says():
    made = Trainer(accelerator="cpu", precision="auto", logger=False, enable_checkpointing=False)
    assert made.precision == choose_precision("cpu")


class Every(L.Callback):
    """Counts every hook of a step."""

    def __init__(self):
        self.seen = Counter()


for name in trainer.STEP_HOOKS:
    setattr(Every, name, lambda self, *_, hook=name: self.seen.update([hook]))


class Task(Classifier):
    """Counts how often its own hook is called."""

    calls = 0

    def on_before_optimizer_step(self, optimizer):
        self.calls += 1


def test_every_hook_that_is_defined_is_called_and_what_is_empty_is_as_it_was():
    counted, empty, given, seen = Every(), L.Callback(), L.Callback(), []
    given.on_after_backward = lambda *_: seen.append(1)
    task = Task(Linear((1, 8, 8), 10), 10)
    made = Trainer(
        max_steps=3, accelerator="cpu", logger=False, enable_checkpointing=False, callbacks=[counted, empty, given],
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    made.fit(task, Digits())
    assert counted.seen == dict.fromkeys(trainer.STEP_HOOKS, 3)
    assert task.calls == len(seen) == 3
    for owner in (counted, empty, task):
        assert not vars(owner).keys() & {*trainer.STEP_HOOKS}
    assert vars(given).keys() & {*trainer.STEP_HOOKS} == {"on_after_backward"}


def test_a_profiler_that_is_given_times_the_hooks():
    made = Trainer(
        max_steps=2, accelerator="cpu", logger=False, enable_checkpointing=False, profiler="simple",
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    made.fit(Classifier(Linear((1, 8, 8), 10), 10), Digits())
    assert "run_training_batch" in made.profiler.summary()
