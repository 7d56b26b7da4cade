"""Recurrent layers as a scan give what torch's own give, whatever the lengths."""

import pytest
import torch

from models.networks import Recurrent, TokenRecurrent

LENGTHS = torch.tensor([1, 9, 3, 4])


@pytest.mark.parametrize(
    ("cell", "output", "bidirectional"),
    [("rnn_tanh", "mean", True), ("rnn_relu", "last", False), ("lstm", "last", True), ("gru", "every", True)],
)
def test_a_scan_is_the_layer(cell, output, bidirectional) -> None:
    network = Recurrent((9, 2, 2), 3, cell, 5, 2, bidirectional, output=output).eval()
    values = torch.randn(4, 9, 2, 2)
    scanned = network.of_any_length()
    with torch.no_grad():
        for inputs in (values, (values, LENGTHS)):
            assert torch.allclose(scanned(inputs), network(inputs), atol=1e-6)
    assert {id(weight) for weight in scanned.parameters()} == {id(weight) for weight in network.parameters()}


def test_padding_has_no_influence_on_tokens() -> None:
    network = TokenRecurrent((9,), 3, 20, 4, cell="gru", hidden_size=5, bidirectional=True, output="mean").eval()
    ids = torch.randint(1, 20, (4, 9))
    other = ids.masked_fill(torch.arange(9) >= LENGTHS.unsqueeze(1), 7)
    with torch.no_grad():
        scanned = network.of_any_length()
        assert torch.equal(scanned((ids, LENGTHS)), scanned((other, LENGTHS)))
        assert torch.allclose(scanned((ids, LENGTHS)), network((ids, LENGTHS)), atol=1e-6)
