"""Values that fit their type and no run."""

import pytest
from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator

RECIPE = ("fit", "-c", "configs/digits.yaml")


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("seed_everything", "-1", "-1 is not between 0 and 4294967295"),
        ("seed_everything", str(2**32), "not between 0 and"),
        ("seed_everything", "true", "true is not between 0 and"),
        ("trainer.max_epochs", "0", "0 leaves nothing to train"),
        ("trainer.check_val_every_n_epoch", "0", "0 is less than 1"),
        ("trainer.gradient_clip_val", "-0.5", "-0.5 is less than 0"),
    ],
)
def test_a_value_that_no_run_can_use(complaint, flag, value, said) -> None:
    message = complaint(*RECIPE, f"--{flag}", value)
    assert message.startswith(f"{flag}: ")
    assert said in message


@pytest.mark.parametrize("name", ["gpu", "cuda"])
def test_an_accelerator_that_this_machine_has_not(complaint, monkeypatch, name) -> None:
    for accelerator in (CUDAAccelerator, MPSAccelerator):
        monkeypatch.setattr(accelerator, "is_available", staticmethod(lambda: False))
    message = complaint(*RECIPE, "--trainer.accelerator", name)
    assert "trainer.accelerator" in message
    assert name in message
    assert "cpu" in message
