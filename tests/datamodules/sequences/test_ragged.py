"""Sequences without padding: padded batch by batch, whatever their lengths."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules import DataError, Order, RaggedSequences, Sequences
from datamodules.sequences import ragged
from datamodules.sequences.ragged import check_padded_size


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=9), data=st.data())
def test_several_are_padded_to_the_longest_of_them_alone(lengths, data):
    rows = [torch.randn(length, 2) for length in lengths]
    sequences = RaggedSequences(torch.cat(rows), torch.tensor(lengths))
    assert sequences.shape == (len(lengths), max(lengths), 2)
    assert all(torch.equal(one, row) for one, row in zip(sequences, rows, strict=True))
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=9))
    padded = sequences[torch.tensor(chosen)]
    assert isinstance(padded, Sequences)
    expected = torch.nn.utils.rnn.pad_sequence([rows[index] for index in chosen], batch_first=True)
    assert torch.equal(padded.values, expected)
    assert padded.lengths.tolist() == [lengths[index] for index in chosen]
    steps = torch.cat([rows[index] for index in chosen])
    assert torch.equal(sequences.sample(torch.tensor(chosen)), steps)


def test_one_long_sequence_does_not_lengthen_the_batches_of_the_others():
    lengths = torch.tensor([2] * 50 + [100_000])
    sequences = RaggedSequences(torch.zeros(int(lengths.sum()), 3), lengths)
    loader = sequences.loader((torch.zeros(51),), torch.arange(51), 10, Order(), torch.device("cpu"))
    assert [tuple(values.shape) for values, *_ in loader] == [(10, 2, 3)] * 5 + [(1, 100_000, 3)]


def test_a_batch_that_memory_would_not_hold_is_refused_with_the_limit(monkeypatch):
    monkeypatch.setattr(ragged, "LARGEST_PADDED", 2**30)
    check_padded_size("f", 10, torch.tensor([3, 2**20]), 100, "cut it")
    with pytest.raises(DataError, match=r"f: 11 sequences .*\(sequence 1, 1,048,576 steps\).*at most 1 are.*: cut it"):
        check_padded_size("f", 11, torch.tensor([3, 2**20]), 100, "cut it")
