"""What `precision: auto` comes to is measured, kept, and the run's own from then on."""

import pytest
import torch
from torch import nn

from models.networks import ResNet
from scripts.cli import measured_step as module
from scripts.cli.measured_step import FULL, HALF, StepKind, measure_step, measured_kind

INPUTS = torch.rand(16, 3, 8, 8)


@pytest.fixture(autouse=True)
def a_cache_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def network() -> nn.Module:
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(288, 4)]
    return nn.Sequential(*layers)


BOTH = (False, True)


def choose(network: nn.Module, inputs: torch.Tensor = INPUTS) -> tuple[StepKind, str]:
    return measured_kind(network, inputs, layouts=BOTH)


def test_a_step_is_timed_in_each_kind_and_leaves_no_trace() -> None:
    one = network()
    before = {name: value.clone() for name, value in one.state_dict().items()}
    state = torch.get_rng_state()
    kind, why = choose(one)
    assert kind in {StepKind(precision, layout) for precision in (FULL, HALF) for layout in BOTH}
    assert "measured" in why
    assert all(torch.equal(value, before[name]) for name, value in one.state_dict().items())
    assert all(parameter.grad is None for parameter in one.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert not one._forward_pre_hooks


@pytest.mark.parametrize(
    ("seconds", "expected", "why"),
    [
        ((1.0, 1.0, 0.5, 0.5), StepKind(HALF), "2 times as fast as 32-true here (measured; "),
        ((1.0, 1.0, 0.95, 0.95), StepKind(FULL), "none is faster here (measured; "),
        ((1.0, 1.0, 1.2, 1.2), StepKind(FULL), f"; {HALF}: 0.83"),
        ((1.0, 0.5, 1.2, 0.48), StepKind(FULL, True), "2 times as fast as 32-true here"),
        ((1.0, 0.8, 0.6, 0.3), StepKind(HALF, True), f"{HALF}, channels last: 3.3 times as fast"),
        ((1.0, 2.0, 0.3, 0.29), StepKind(HALF), "; 32-true, channels last: 0.5"),
    ],
)
def test_another_kind_than_the_plain_one_is_chosen_where_it_is_worth_it(monkeypatch, seconds, expected, why) -> None:
    monkeypatch.setattr(
        module, "measure_step", lambda *given: {str(kind): [each] for kind, each in zip(given[2], seconds, strict=True)}
    )
    kind, said = choose(network())
    assert kind == expected
    assert why in said


def test_what_was_asked_for_is_not_measured(monkeypatch) -> None:
    monkeypatch.setattr(module, "measure_step", lambda *_: pytest.fail("measured"))
    assert measured_kind(network(), INPUTS, [FULL], [True]) == (StepKind(FULL, True), "")


def test_an_answer_is_kept_for_the_same_network_and_asked_again_for_another(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(module, "measure_step", lambda *_: asked.append(1) or {FULL: [1.0], HALF: [0.4, 0.5, 3.0]})
    for _ in range(2):
        kind, why = measured_kind(network(), INPUTS)
    assert (kind, len(asked)) == (StepKind(HALF), 1)
    assert "measured before" in why
    measured_kind(network(), INPUTS[:4])
    measured_kind(nn.Sequential(network(), nn.Identity()), INPUTS)
    assert len(asked) == 3


def test_what_was_measured_beside_other_work_is_not_kept(monkeypatch) -> None:
    steps = {FULL: [0.07, 0.4, 0.9], HALF: [0.01, 0.01, 0.01]}
    monkeypatch.setattr(module, "measure_step", lambda *_: steps)
    assert "7 times as fast as 32-true here (measured)" in measured_kind(network(), INPUTS)[1]
    steps[FULL] = [0.013, 0.014, 0.9]
    assert "1.3 times as fast as 32-true here (measured)" in measured_kind(network(), INPUTS)[1]
    assert "1.3 times as fast as 32-true here (measured before)" in measured_kind(network(), INPUTS)[1]


@pytest.mark.parametrize("content", ["", "[]", '{"32-true": 0.0, "bf16-mixed": 1.0}', '{"32-true": "x"}', "{" * 9999])
def test_a_damaged_answer_is_asked_again(monkeypatch, content) -> None:
    monkeypatch.setattr(module, "measure_step", lambda *_: {FULL: [1.0], HALF: [0.4]})
    measured_kind(network(), INPUTS)
    (kept,) = module.cache_folder().glob("step-*.json")
    kept.write_text(content)
    assert "(measured;" in measured_kind(network(), INPUTS)[1].replace(")", ";")


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
    measure_step(Slow(), INPUTS, [StepKind(FULL)])
    assert sizes[:3] == [2, 8, 16]
    monkeypatch.setattr(module, "LONG_ENOUGH", 0.0)
    sizes.clear()
    measure_step(Slow(), INPUTS, [StepKind(FULL)])
    assert set(sizes) == {2}


class Flat(nn.Module):
    """Takes its images in one layout alone."""

    lays_out_channels_last = False

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.head = nn.Conv2d(3, 8, 3), nn.Linear(288, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.convolution(images)
        return self.head(hidden.view(len(hidden), -1))


def test_a_layout_that_a_network_cannot_take_is_not_chosen() -> None:
    kind, why = choose(Flat())
    assert not kind.channels_last
    assert "channels last: 0" in why
    with pytest.raises(RuntimeError):
        measure_step(Flat(), INPUTS, [StepKind(FULL, True)])


def test_a_network_that_lays_images_out_itself_is_not_asked_to() -> None:
    assert module._layouts(network(), INPUTS) == (False, True)
    assert module._layouts(network(), INPUTS.flatten(1)) == (False,)
    assert module._layouts(ResNet((3, 8, 8), 4), INPUTS) == (False,)
