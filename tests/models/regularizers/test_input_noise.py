"""Noise has the spread asked for; squares are where and as large as the paper says."""

import pytest
import torch
from scipy import stats

from models import TrainingError
from models.regularizers import Cutout, InputNoise
from models.regularizers.input_noise import cut_out

ERROR_PROBABILITY = 1e-6


@pytest.mark.parametrize("std", [0.1, 2.0])
def test_noise_is_normal_with_the_spread_asked_for(std):
    torch.manual_seed(0)
    inputs = torch.rand(100, 1, 10, 10)
    noisy, _ = InputNoise(std).perturb(inputs, torch.eye(100))
    noise = (noisy - inputs).flatten().numpy()
    assert stats.kstest(noise, stats.norm(0, std).cdf).pvalue > ERROR_PROBABILITY


@pytest.mark.parametrize("size", [1, 2, 3, 8, 20])
def test_a_square_is_cut_out_around_its_centre_and_clipped(size):
    images = torch.ones(64, 2, 8, 8)
    centres = torch.cartesian_prod(torch.arange(8) / 8, torch.arange(8) / 8)
    holes = cut_out(images, centres, size)
    for k in range(64):
        row, column = divmod(k, 8)
        top, left = row - size // 2, column - size // 2
        expected = torch.ones(8, 8)
        expected[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
        assert torch.equal(holes[k, 0], expected)
        assert torch.equal(holes[k, 1], expected)


def test_every_pixel_is_as_likely_the_centre():
    torch.manual_seed(0)
    holes, _ = Cutout(1).perturb(torch.ones(20_000, 1, 4, 4), torch.empty(20_000, 1))
    counts = (1 - holes).sum(0).flatten()
    assert stats.chisquare(counts.numpy()).pvalue > ERROR_PROBABILITY


def test_wrong_arguments_and_inputs_are_refused():
    for make, message in ((lambda: InputNoise(-0.1), "std -0.1"), (lambda: Cutout(-1), "size -1")):
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(TrainingError, match="Cutout takes images"):
        Cutout().check_batch(torch.rand(3, 4), of_steps=False)
    with pytest.raises(TrainingError, match="Cutout: size 9 would hide whole images of 8×8"):
        Cutout(9).check_batch(torch.rand(3, 1, 8, 8), of_steps=False)
    with pytest.raises(TrainingError, match="InputNoise does not take sequences"):
        InputNoise().check_batch((torch.rand(3, 4), torch.ones(3)), of_steps=False)
