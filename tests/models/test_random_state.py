"""The state of the random generators survives a checkpoint."""

import random

import numpy as np
import torch

from models.random_state import capture_random_state, restore_random_state, seed_random_state

CPU = torch.device("cpu")


def draw():
    return random.random(), np.random.normal(size=3).tolist(), torch.rand(3).tolist()  # noqa: NPY002


def test_every_generator_goes_on_where_it_was(tmp_path):
    draw()
    torch.save(capture_random_state(CPU), tmp_path / "state.pt")
    expected = draw()
    assert draw() != expected
    restore_random_state(torch.load(tmp_path / "state.pt", weights_only=True), CPU)
    assert draw() == expected


def test_a_captured_state_does_not_follow_the_generators():
    state = capture_random_state(CPU)
    expected = draw()
    draw()
    restore_random_state(state, CPU)
    assert draw() == expected


def test_capturing_draws_nothing():
    state = capture_random_state(CPU)
    first = draw()
    restore_random_state(state, CPU)
    capture_random_state(CPU)
    assert draw() == first


def test_every_generator_is_seeded_and_no_two_processes_steps_or_seeds_are_alike():
    def seeded(*numbers):
        seed_random_state(*numbers)
        return [str(part) for part in draw()]

    draws = [seeded(*numbers) for numbers in ((1, 7, 0), (1, 7, 1), (1, 8, 0), (2, 7, 0))]
    assert seeded(1, 7, 0) == draws[0]
    for generator in zip(*draws, strict=True):
        assert len(set(generator)) == 4
