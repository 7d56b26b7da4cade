"""What `precision: auto` comes to is measured, kept, and the run's own from then on."""

import pytest
import torch
from torch import nn

from scripts.cli import measured_precision as module
from scripts.cli.measured_precision import FULL, HALF, measure_step, measured_precision

INPUTS = torch.rand(16, 3, 8, 8)


@pytest.fixture(autouse=True)
def a_cache_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def network() -> nn.Module:
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(288, 4)]
    return nn.Sequential(*layers)


def test_a_step_is_timed_in_both_and_leaves_no_trace() -> None:
    one = network()
    before = {name: value.clone() for name, value in one.state_dict().items()}
    state = torch.get_rng_state()
    precision, why = measured_precision(one, INPUTS)
    assert precision in (FULL, HALF)
    assert "measured" in why
    assert all(torch.equal(value, before[name]) for name, value in one.state_dict().items())
    assert all(parameter.grad is None for parameter in one.parameters())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("half", "expected"), [(0.5, HALF), (0.95, FULL), (1.2, FULL)])
def test_bfloat16_is_chosen_where_it_is_worth_its_missing_digits(monkeypatch, half, expected) -> None:
    monkeypatch.setattr(module, "measure_step", lambda *_: {FULL: 1.0, HALF: half})
    assert measured_precision(network(), INPUTS)[0] == expected


def test_an_answer_is_kept_for_the_same_network_and_asked_again_for_another(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(module, "measure_step", lambda *_: asked.append(1) or {FULL: 1.0, HALF: 0.4})
    for _ in range(2):
        precision, why = measured_precision(network(), INPUTS)
    assert (precision, len(asked)) == (HALF, 1)
    assert "measured before" in why
    measured_precision(network(), INPUTS[:4])
    measured_precision(nn.Sequential(network(), nn.Identity()), INPUTS)
    assert len(asked) == 3


@pytest.mark.parametrize("content", ["", "[]", '{"32-true": 0.0, "bf16-mixed": 1.0}', '{"32-true": "x"}', "{" * 9999])
def test_a_damaged_answer_is_asked_again(content) -> None:
    measured_precision(network(), INPUTS)
    (kept,) = module.cache_folder().glob("precision-*.json")
    kept.write_text(content)
    assert "measured)" in measured_precision(network(), INPUTS)[1]


def test_as_many_samples_as_a_step_can_be_timed_with(monkeypatch) -> None:
    sizes = []

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            sizes.append(len(inputs))
            return inputs * self.weight

    monkeypatch.setattr(module, "LONG_ENOUGH", 1e9)
    measure_step(Slow(), INPUTS)
    assert sizes[:3] == [2, 8, 16]
    monkeypatch.setattr(module, "LONG_ENOUGH", 0.0)
    sizes.clear()
    measure_step(Slow(), INPUTS)
    assert set(sizes) == {2}
