"""The precision that suits the machine is chosen when asked for, and any other is Lightning's."""

import pytest
import torch

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
