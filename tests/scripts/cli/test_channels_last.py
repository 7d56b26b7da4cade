"""Images reach a network channels last if a trainer is told so, and nothing else changes."""

import torch
from torch import Tensor, nn

from scripts.cli.channels_last import channels_last_inputs


class Layouts(nn.Module):
    def forward(self, *given: Tensor) -> list[bool]:
        return [some.is_contiguous() for some in given]


def test_images_alone_are_laid_out_anew_and_only_meanwhile() -> None:
    network, images, rows = Layouts(), torch.rand(2, 3, 4, 4), torch.rand(2, 3)
    with channels_last_inputs(network):
        assert network(images, rows) == [False, True]
    with channels_last_inputs(network, wanted=False):
        assert network(images) == [True]
    assert network(images) == [True]


def test_outputs_and_gradients_are_the_same() -> None:
    network, images = nn.Conv2d(3, 4, 3).double(), torch.rand(2, 3, 5, 5, dtype=torch.float64)
    plain = network(images)
    (wanted,) = torch.autograd.grad(plain.square().sum(), network.weight)
    with channels_last_inputs(network):
        found = network(images)
    (gradient,) = torch.autograd.grad(found.square().sum(), network.weight)
    torch.testing.assert_close(found, plain)
    torch.testing.assert_close(gradient, wanted)
