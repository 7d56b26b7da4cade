"""Recurrent networks compute the recurrence of their cells, and ignore padding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.networks import Recurrent

CELLS = ["rnn_tanh", "rnn_relu", "lstm", "gru"]
OUTPUTS = ["last", "mean", "every"]
SINGLE_STEP = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn_tanh": nn.RNNCell, "rnn_relu": nn.RNNCell}


def padded(sequences, longest, filler=0.0):
    """Return (values, lengths), with `filler` in the padding."""
    values = torch.full((len(sequences), longest, *sequences[0].shape[1:]), filler)
    for row, sequence in enumerate(sequences):
        values[row, : len(sequence)] = sequence
    return values, torch.tensor([len(sequence) for sequence in sequences])


def stepwise(network, cell, sequence, suffix="l0"):
    """Return the states of one sequence, (T, units), by the cell applied step by step."""
    layer = network.recurrent
    options = {"nonlinearity": cell.removeprefix("rnn_")} if cell.startswith("rnn") else {}
    single = SINGLE_STEP[cell](layer.input_size, layer.hidden_size, **options)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    single.load_state_dict({name: getattr(layer, f"{name}_{suffix}") for name in names})
    state, states = None, []
    for step in sequence:
        state = single(step[None], state)
        states.append(state[0][0] if cell == "lstm" else state[0])
    return torch.stack(states)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@torch.no_grad()
def test_a_network_computes_what_its_cell_says_step_by_step(cell, bidirectional):
    sequences = [torch.randn(length, 3) for length in (4, 9, 1)]
    inputs = padded(sequences, 9)
    for output in OUTPUTS:
        network = Recurrent((9, 3), 5, cell, hidden_size=6, bidirectional=bidirectional, output=output)
        found = network(inputs)
        for row, sequence in enumerate(sequences):
            states = stepwise(network, cell, sequence)
            last = states[-1]
            if bidirectional:
                backwards = stepwise(network, cell, sequence.flip(0), "l0_reverse").flip(0)
                last = torch.cat([last, backwards[0]])
                states = torch.cat([states, backwards], -1)
            expected = {"last": last, "mean": states.mean(0), "every": states}[output]
            mine = found[row, : len(sequence)] if output == "every" else found[row]
            torch.testing.assert_close(mine, network.head(expected), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("bidirectional", [False, True])
@torch.no_grad()
def test_more_padding_whatever_is_in_it_changes_no_bit(cell, output, bidirectional):
    network = Recurrent((5, 2), 3, cell, 8, layers=2, bidirectional=bidirectional, output=output)
    sequences = [torch.randn(length, 2) for length in (5, 2, 7)]
    expected = network(padded(sequences, 7))
    for longest, filler in ((7, float("nan")), (8, 0.0), (20, 1e30), (31, float("nan"))):
        found = network(padded(sequences, longest, filler))
        for row, sequence in enumerate(sequences):
            steps = slice(len(sequence)) if output == "every" else ...
            assert torch.equal(found[row][steps], expected[row][steps])


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    spare=st.integers(0, 5),
    cell=st.sampled_from(CELLS),
    output=st.sampled_from(OUTPUTS),
    bidirectional=st.booleans(),
)
@settings(max_examples=40, deadline=None)
@torch.no_grad()
def test_a_sequence_alone_gives_what_it_gives_among_others(lengths, spare, cell, output, bidirectional):
    network = Recurrent((12, 3), 4, cell, 5, layers=2, bidirectional=bidirectional, output=output)
    sequences = [torch.randn(length, 3) for length in lengths]
    together = network(padded(sequences, max(lengths) + spare, float("nan")))
    for row, sequence in enumerate(sequences):
        alone = network(sequence[None])[0]
        mine = together[row, : len(sequence)] if output == "every" else together[row]
        torch.testing.assert_close(mine, alone, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("output", OUTPUTS)
def test_rubbish_in_the_padding_leaves_gradients_as_they_are(output):
    network = Recurrent((5, 2), 3, "gru", 8, output=output)
    gradients = []
    for longest, filler in ((5, 0.0), (9, float("nan"))):
        network.zero_grad()
        logits = network(padded([torch.ones(5, 2), torch.ones(3, 2)], longest, filler))
        (torch.cat([logits[0, :5], logits[1, :3]]) if output == "every" else logits).square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(clean, rubbish) for clean, rubbish in zip(*gradients, strict=True))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_batch_of_one_trains_in_bfloat16(cell, output, packed):
    network = Recurrent((4, 3), 5, cell, 6, layers=2, dropout=0.5, bidirectional=True, output=output)
    values = torch.randn(1, 4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network((values, torch.tensor([4])) if packed else values)
        logits.float().square().sum().backward()
    assert logits.shape == ((1, 4, 5) if output == "every" else (1, 5))
    assert logits.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_every_step_of_the_batch_has_logits_those_of_the_padding_too():
    network = Recurrent((5, 2), 3, output="every")
    assert network(padded([torch.randn(5, 2), torch.randn(3, 2)], 9)).shape == (2, 9, 3)


def test_features_of_more_than_one_dimension_are_one_steps():
    network = Recurrent((6, 2, 4, 4), 3)
    assert network.recurrent.input_size == 32
    values = torch.randn(5, 6, 2, 4, 4)
    assert torch.equal(network(values), network(values.flatten(2)))


def test_sequences_may_be_longer_than_those_the_network_was_made_for():
    assert Recurrent((6, 2), 3, output="every")(torch.randn(2, 50, 2)).shape == (2, 50, 3)


@pytest.mark.parametrize(("cell", "gates"), [("rnn_tanh", 1), ("rnn_relu", 1), ("gru", 3), ("lstm", 4)])
@pytest.mark.parametrize("directions", [1, 2])
def test_a_network_has_the_stated_parameters(cell, gates, directions):
    network = Recurrent((28, 28), 10, cell, 64, layers=2, bidirectional=directions == 2)
    first, second = 64 * (28 + 64 + 2), 64 * (64 * directions + 64 + 2)
    expected = directions * gates * (first + second) + directions * 64 * 10 + 10
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


@pytest.mark.parametrize("cell", CELLS)
def test_every_gate_begins_with_a_state_that_neither_grows_nor_fades(cell):
    network = Recurrent((28, 28), 10, cell, 32, layers=2, bidirectional=True)
    matrices = [weight for name, weight in network.recurrent.named_parameters() if "weight_hh" in name]
    gates = [gate for weight in matrices for gate in weight.detach().split(32)]
    assert len(gates) == 4 * {"lstm": 4, "gru": 3}.get(cell, 1)
    state = torch.randn(32)
    for gate in gates:
        torch.testing.assert_close((gate @ state).norm(), state.norm())


def test_dropout_acts_between_layers_in_training_alone():
    network, values = Recurrent((4, 3), 2, layers=2, dropout=0.5), torch.randn(3, 4, 3)
    assert not torch.equal(network(values), network(values))
    network.eval()
    assert torch.equal(network(values), network(values))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (64,)}, r"Recurrent: input_shape \(64,\)"),
        ({"hidden_size": 0}, "Recurrent: hidden_size 0"),
        ({"layers": 0}, "Recurrent: layers 0"),
        ({"layers": 2, "dropout": 1.0}, "Recurrent: dropout 1.0 is not in"),
        ({"dropout": 0.2}, "Recurrent: dropout 0.2 acts between layers, and there is only one"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Recurrent(**({"input_shape": (4, 3), "num_classes": 2} | arguments))
