"""Generated sequences are what their task says, by a seed of their own."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules import AddingProblem, DataError, DelayedEcho, SplitOptions
from models import Classifier
from models.networks import Recurrent

MAKE = [
    lambda **options: AddingProblem(length=8, num_samples=60, **options),
    lambda **options: DelayedEcho(delay=2, length=8, num_samples=60, **options),
]


def ready(data):
    data.setup()
    return data


@given(length=st.integers(2, 30), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_the_sum_is_that_of_two_marked_numbers_one_in_either_half(length, seed):
    samples = AddingProblem(length=length, num_samples=40, data_seed=seed).load()
    numbers, marks = samples.inputs.unbind(-1)
    assert samples.inputs.shape == (40, length, 2)
    assert samples.targets.shape == (40, 1)
    assert (samples.inputs.dtype, samples.targets.dtype) == (torch.float32, torch.float32)
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert set(marks.unique().tolist()) <= {0.0, 1.0}
    assert (marks[:, : length // 2].sum(1) == 1).all()
    assert (marks[:, length // 2 :].sum(1) == 1).all()
    torch.testing.assert_close((numbers * marks).sum(1, keepdim=True), samples.targets)


def test_always_answering_one_has_an_error_of_a_sixth():
    targets = AddingProblem(num_samples=20_000).load().targets
    assert (targets - 1).square().mean().item() == pytest.approx(1 / 6, abs=0.005)


def test_every_step_is_marked_at_times():
    assert AddingProblem(length=9, num_samples=500).load().inputs[..., 1].any(0).all()


@given(
    length=st.integers(1, 20),
    delay=st.integers(0, 19),
    symbols=st.integers(2, 6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=50, deadline=None)
def test_the_label_of_a_step_is_the_symbol_seen_before_the_delay(length, delay, symbols, seed):
    if delay >= length:
        with pytest.raises(ValueError, match=f"DelayedEcho: delay {delay} leaves no label"):
            DelayedEcho(delay, length, symbols)
        return
    data = DelayedEcho(delay, length, symbols, num_samples=10, data_seed=seed)
    samples = data.load()
    assert samples.inputs.shape == (10, length, symbols) == (10, *data.input_shape)
    assert len(data.class_names) == symbols
    seen = samples.inputs.argmax(-1)
    assert torch.equal(samples.inputs.sum(-1), torch.ones(10, length))
    for sample in range(10):
        for step in range(length):
            expected = seen[sample, step - delay] if step >= delay else -100
            assert samples.targets[sample, step] == expected


def test_all_symbols_are_equally_frequent():
    counts = np.bincount(DelayedEcho(symbols=4, num_samples=2000).load().inputs.argmax(-1).flatten().numpy())
    assert counts == pytest.approx(10_000, rel=0.03)


@pytest.mark.parametrize("make", MAKE)
def test_the_data_depend_on_their_own_seed_alone(make):
    torch.manual_seed(1)
    one = ready(make())
    torch.manual_seed(2)
    again, other = ready(make(split=SplitOptions(seed=5))), ready(make(data_seed=1))
    assert torch.equal(one.samples.inputs, again.samples.inputs)
    assert one.manifest["source"]["sha256"] == again.manifest["source"]["sha256"]
    assert not torch.equal(one.samples.inputs, other.samples.inputs)
    assert one.manifest["source"]["sha256"] != other.manifest["source"]["sha256"]


@pytest.mark.parametrize("make", MAKE)
def test_a_network_is_given_the_numbers_as_they_are(make):
    data = ready(make())
    assert (data.preprocessing["mean"], data.preprocessing["std"]) == ([0.0], [1.0])


def test_a_checkpoint_of_other_generated_data_is_refused():
    with pytest.raises(DataError, match="the data of DelayedEcho has changed"):
        ready(DelayedEcho(data_seed=1)).check_same_split(ready(DelayedEcho()).manifest)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AddingProblem(length=1), "AddingProblem: length 1 is less than 2"),
        (lambda: AddingProblem(num_samples=0), "AddingProblem: num_samples 0 is less than 1"),
        (lambda: AddingProblem(data_seed=-1), "AddingProblem: data_seed -1 is not in"),
        (lambda: DelayedEcho(delay=-1), "DelayedEcho: delay -1 is less than 0"),
        (lambda: DelayedEcho(symbols=1), "DelayedEcho: symbols 1 is less than 2"),
        (lambda: DelayedEcho(delay=20, length=20), "DelayedEcho: delay 20 leaves no label"),
    ],
)
def test_what_cannot_be_generated_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_network_learns_to_echo(quiet_trainer):
    torch.manual_seed(0)
    data = DelayedEcho(delay=1, length=12, symbols=4, num_samples=800, batch_size=32)
    network = Recurrent(data.input_shape, 4, "gru", 32, output="every")
    trainer = quiet_trainer(max_epochs=4, gradient_clip_val=1.0)
    trainer.fit(Classifier(network, 4, optimizer=lambda p: torch.optim.Adam(p, 0.01)), data)
    assert trainer.callback_metrics["val/accuracy"] > 0.99
