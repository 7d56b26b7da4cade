"""The in-memory loader: every sample once, in an order that seed and epoch alone decide, on any number of devices."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datamodules import DataError, Digits, InMemoryLoader, Order
from datamodules.loader import PinnedLoader, fits

quick = settings(max_examples=50, deadline=None)
sizes, shares, worlds, seeds = st.integers(1, 40), st.integers(1, 12), st.integers(1, 5), st.integers(0, 2**64 - 1)


def loader(n, batch_size, **options):
    """Sample number i has the input 10 i; only every second sample is iterated over."""
    numbers = torch.arange(2 * n)
    return InMemoryLoader((10 * numbers, numbers), torch.arange(0, 2 * n, 2), batch_size, Order(**options))


def numbers(batches):
    return [targets.tolist() for _, targets in batches]


def flat(batches):
    return [number for batch in batches for number in batch]


def epochs_of(made, count):
    passes = []
    for epoch in range(count):
        made.set_epoch(epoch)
        passes.append(numbers(made))
    return passes


@quick
@given(n=sizes, batch_size=shares, seed=seeds)
def test_every_sample_comes_exactly_once_an_epoch(n, batch_size, seed):
    for epoch in epochs_of(loader(n, batch_size, shuffle=True, seed=seed), 3):
        assert sorted(flat(epoch)) == list(range(0, 2 * n, 2))
        assert all(len(batch) == batch_size for batch in epoch[:-1])


def test_inputs_and_targets_stay_together():
    for inputs, targets in loader(23, 5, shuffle=True):
        assert torch.equal(inputs, 10 * targets)


def test_the_order_depends_on_seed_and_epoch():
    first, second = (epochs_of(loader(30, 4, shuffle=True, seed=seed), 2) for seed in (1, 2))
    orders = {tuple(flat(epoch)) for epoch in first + second}
    assert len(orders) == 4
    assert epochs_of(loader(30, 4, shuffle=True, seed=1), 2) == first


@quick
@given(n=sizes, first=shares, second=shares, seed=seeds, epoch=st.integers(0, 1000))
def test_the_order_does_not_depend_on_the_batch_size(n, first, second, seed, epoch):
    loaders = [loader(n, batch_size, shuffle=True, seed=seed) for batch_size in (first, second)]
    for made in loaders:
        made.set_epoch(epoch)
    assert flat(numbers(loaders[0])) == flat(numbers(loaders[1]))


def test_the_order_does_not_depend_on_torchs_random_state():
    made, orders = loader(30, 4, shuffle=True), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        orders.append(numbers(made))
    assert orders[0] == orders[1]


def test_drawing_the_order_leaves_torchs_random_state_alone():
    before = torch.get_rng_state()
    numbers(loader(30, 4, shuffle=True))
    assert torch.equal(torch.get_rng_state(), before)


@quick
@given(n=sizes, share=shares, world=worlds, seed=seeds, drop_last=st.booleans())
def test_the_ranks_share_the_batches_of_one_process_and_see_no_sample_twice(n, share, world, seed, drop_last):
    batch_size = share * world
    assume(n >= world)
    assume(n >= batch_size or not drop_last)
    options = {"shuffle": True, "seed": seed, "drop_last": drop_last}
    alone = numbers(loader(n, batch_size, **options))
    ranks = [numbers(loader(n, batch_size, rank=rank, world_size=world, **options)) for rank in range(world)]
    steps = [flat(shares) for shares in zip(*ranks, strict=True)]
    assert steps[:-1] == alone[: len(steps) - 1]
    assert flat(steps) == flat(alone)[: len(flat(steps))]
    assert len(flat(alone)) - len(flat(steps)) <= world - 1
    assert all(len({len(batch) for batch in shares}) == 1 for shares in zip(*ranks, strict=True))


@quick
@given(n=sizes, share=st.integers(2, 12), world=worlds, drop_last=st.booleans())
def test_no_rank_ever_trains_on_a_single_sample(n, share, world, drop_last):
    assume(n >= (share if drop_last else 2) * world)
    made = loader(n, share * world, shuffle=True, drop_last=drop_last, world_size=world)
    assert min(len(batch) for batch in numbers(made)) >= 2


def test_a_remainder_of_one_sample_joins_the_batch_before():
    assert [len(batch) for batch in numbers(loader(9, 4, shuffle=True))] == [4, 5]
    assert [len(batch) for batch in numbers(loader(10, 4, shuffle=True))] == [4, 4, 2]


def test_drop_last_leaves_the_incomplete_batch_out():
    assert [len(batch) for batch in numbers(loader(10, 4, shuffle=True))] == [4, 4, 2]
    assert [len(batch) for batch in numbers(loader(10, 4, shuffle=True, drop_last=True))] == [4, 4]


def test_drop_last_never_shortens_an_evaluation():
    assert flat(numbers(loader(10, 4, drop_last=True))) == list(range(0, 20, 2))


def test_evaluation_is_in_the_order_of_the_dataset():
    assert numbers(loader(5, 2)) == [[0, 2], [4, 6], [8]]


@quick
@given(n=sizes, batch_size=shares, world=worlds)
def test_an_evaluation_by_several_ranks_sees_every_sample_exactly_once(n, batch_size, world):
    assume(n >= world)
    ranks = [numbers(loader(n, batch_size, rank=rank, world_size=world)) for rank in range(world)]
    assert sorted(flat(flat(ranks))) == list(range(0, 2 * n, 2))
    assert all(ranks)


@quick
@given(n=sizes, batch_size=shares, world=worlds)
def test_an_evaluation_by_several_ranks_has_the_batches_of_one_process(n, batch_size, world):
    assume(n >= world * batch_size)
    alone = numbers(loader(n, batch_size))
    for rank in range(world):
        assert numbers(loader(n, batch_size, rank=rank, world_size=world)) == alone[rank::world]


@quick
@given(n=sizes, share=shares, world=worlds, data=st.data(), shuffle=st.booleans(), drop_last=st.booleans())
def test_the_length_is_the_number_of_batches(n, share, world, data, shuffle, drop_last):
    assume(n >= world)
    assume(n >= share * world or not drop_last)
    rank = data.draw(st.integers(0, world - 1))
    made = loader(n, share * world, shuffle=shuffle, drop_last=drop_last, rank=rank, world_size=world)
    assert len(made) == len(list(made))


@quick
@given(n=sizes, batch_size=shares, seed=seeds, shuffle=st.booleans(), data=st.data())
def test_a_pass_resumes_where_it_was_interrupted(n, batch_size, seed, shuffle, data):
    made = loader(n, batch_size, shuffle=shuffle, seed=seed)
    passes = epochs_of(made, 3)
    cut = data.draw(st.integers(0, len(made)))
    made.set_epoch(1)
    batches = iter(made)
    seen = [next(batches)[1].tolist() for _ in range(cut)]
    state = made.state_dict() if cut else {"epoch": 1, "position": 0, "seed": seed}

    resumed = loader(n, batch_size, shuffle=shuffle, seed=seed // 2 + 1)
    resumed.load_state_dict(state)
    assert seen + numbers(resumed) == passes[1]
    resumed.set_epoch(2)
    assert numbers(resumed) == passes[2]


def test_the_place_is_resumed_once_only():
    made = loader(11, 3, shuffle=True)
    made.load_state_dict({"epoch": 0, "position": 2, "seed": 0})
    assert [len(numbers(made)) for _ in range(3)] == [2, 4, 4]


def test_a_place_at_the_end_of_an_epoch_does_not_empty_the_next():
    made = loader(12, 3, shuffle=True)
    numbers(made)
    resumed = loader(12, 3, shuffle=True)
    resumed.load_state_dict(made.state_dict())
    resumed.set_epoch(1)
    assert sorted(flat(numbers(resumed))) == list(range(0, 24, 2))


@pytest.mark.parametrize(
    ("message", "n", "options"),
    [
        ("batch_size: 0 is less than 1", 5, {"batch_size": 0}),
        ("0 samples cannot be divided among 1 devices", 0, {"batch_size": 2}),
        ("3 samples cannot be divided among 4 devices", 3, {"batch_size": 4, "world_size": 4}),
        (
            "batch_size: 6 is not divisible by the number of devices, 4",
            9,
            {"batch_size": 6, "shuffle": True, "world_size": 4},
        ),
        ("drop_last leaves no batch", 5, {"batch_size": 6, "shuffle": True, "drop_last": True}),
    ],
)
def test_what_cannot_be_batched_is_refused(message, n, options):
    with pytest.raises(DataError, match=message):
        loader(n, **options)


@pytest.mark.parametrize(("free", "moves"), [(10**9, True), (10**5, False)])
def test_data_move_to_a_gpu_only_if_it_has_room_for_them(monkeypatch, free, moves):
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**10))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    fields = (torch.zeros(1797, 1, 8, 8, dtype=torch.uint8), torch.zeros(1797, dtype=torch.int64))
    assert fits(fields, gpu) == moves
    assert fits(fields, torch.device("cpu"))
    if moves:
        return
    data = Digits(batch_size=100)
    data.setup()
    plain = list(data.make_loader(torch.arange(250), 100, Order(shuffle=True)))
    data.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=gpu))
    with pytest.warns(UserWarning, match="the data stay in main memory: cuda:0 has too little"):
        made = data.make_loader(torch.arange(250), 100, Order(shuffle=True))
    assert isinstance(made, PinnedLoader)
    for batch, other in zip(plain, made, strict=True):
        assert all(torch.equal(one, two) for one, two in zip(batch, other, strict=True))
