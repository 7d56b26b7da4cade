import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.study.design import comparison, search
from scripts.study.options import Arm, Options
from scripts.study.search_space import read_space
from scripts.study.sources import SOURCES, seed_flags

BASE = {"initialization": 0, "order": 0, "split": 3, "label_noise": 5}
ARMS = (Arm("plain"), Arm("mixup", ("-c", "mixup.yaml")))


def seeds_of(words) -> dict[str, str]:
    flags = {flag: source for source, flag in SOURCES.items()}
    pairs = itertools.pairwise(words)
    return {flags[word.removeprefix("--")]: value for word, value in pairs if word.removeprefix("--") in flags}


def test_every_arm_has_every_seed_at_every_level_and_pairs_share_their_seeds() -> None:
    options = Options(words=("-c", "digits.yaml"), arms=ARMS, vary={"a.b": ("1", "2")}, seeds=3)
    runs = comparison(options, dict.fromkeys(("plain", "mixup"), BASE), {})
    assert len(runs) == 2 * 2 * 3
    assert len({run.name for run in runs}) == len(runs)
    pairs = Counter(run.pair for run in runs)
    assert set(pairs.values()) == {2}
    for pair in pairs:
        of_pair = [seeds_of(run.words) for run in runs if run.pair == pair]
        assert of_pair[0] == of_pair[1]


def test_folds_are_made_for_each_seed() -> None:
    runs = comparison(Options(words=("-c", "x.yaml"), folds=4, seeds=2), {"plain": BASE}, {})
    folds = [run.words[run.words.index("--data.split.fold") + 1] for run in runs]
    assert Counter(folds) == dict.fromkeys("0123", 2)


def test_sources_apart_vary_one_at_a_time() -> None:
    options = Options(words=("-c", "x.yaml"), sources=("initialization", "order", "split"), apart=True, seeds=3)
    runs = comparison(options, {"plain": BASE}, {})
    assert Counter(run.varied for run in runs) == {"all": 3, "initialization": 3, "order": 3, "split": 3}
    for source in options.sources:
        seeds = [{**BASE, **seeds_of(run.words)} for run in runs if run.varied == source]
        changing = {key for key in BASE if len({str(one[key]) for one in seeds}) > 1}
        assert changing == {source}
    assert len({run.name for run in runs}) == 12 - 2  # those with the recipe's seeds are shared


@given(st.lists(st.sampled_from(sorted(SOURCES)), min_size=1, unique=True), st.integers(1, 3))
def test_runs_that_share_a_name_share_their_seeds_and_others_do_not(sources: list[str], seeds: int) -> None:
    options = Options(words=("-c", "x.yaml"), sources=tuple(sources), apart=True, seeds=seeds)
    found: dict[str, set[str]] = {}
    for run in comparison(options, {"plain": BASE}, {}):
        stated = {**{source: str(seed) for source, seed in BASE.items() if source != "initialization"}}
        found.setdefault(run.name, set()).add(str(sorted((stated | seeds_of(run.words)).items())))
    assert all(len(kinds) == 1 for kinds in found.values())
    assert len({kind for kinds in found.values() for kind in kinds}) == len(found)


@given(st.sets(st.sampled_from(sorted(SOURCES)), min_size=1), st.integers(0, 9))
def test_a_source_that_is_not_varied_keeps_the_recipes_seed(varied: set[str], offset: int) -> None:
    stated = seeds_of(seed_flags(BASE, sorted(varied), offset))
    stated.setdefault("initialization", stated.get("order", "0"))  # without one of its own it is that of the order
    for source, seed in BASE.items():
        assert int(stated.get(source, seed)) == seed + offset * (source in varied)


def test_a_search_has_equal_budgets_and_a_seed_of_its_own() -> None:
    arms = (
        Arm("plain"),
        Arm("a", search={"x": read_space("x", "uniform:0:1")}),
        Arm("b", search={"y": read_space("y", "int:1:99")}),
    )
    options = Options(words=("-c", "x.yaml"), arms=arms, vary={"v": ("1", "2")}, trials=5, seeds=3)
    base = dict.fromkeys(("plain", "a", "b"), BASE)
    trials = search(options, base)
    assert Counter(trial.arm.name for trial in trials) == {"a": 10, "b": 10}
    used = {seeds_of(run.words)["order"] for run in comparison(options, base, {})}
    assert {seeds_of(trial.words)["order"] for trial in trials}.isdisjoint(used)


def test_what_a_search_found_is_used_at_its_level() -> None:
    options = Options(words=("-c", "x.yaml"), vary={"v": ("1", "2")}, seeds=1)
    runs = comparison(options, {"plain": BASE}, {("plain", "2"): {"lr": "0.5"}})
    assert ["--lr" in run.words for run in runs] == [False, True]


@pytest.mark.parametrize("value", ["a/b", "../x", "[1, 2]", "{class_path: x.Y}", "ü" * 300])
def test_names_of_runs_are_names_of_folders(value: str) -> None:
    runs = comparison(Options(words=("-c", "x.yaml"), vary={"v": (value, "b")}, seeds=2), {"plain": BASE}, {})
    for run in runs:
        assert "/" not in run.name
        assert len(run.name.encode()) <= 255
    assert len({run.name for run in runs}) == len(runs)


def test_more_seeds_search_what_fewer_did() -> None:
    arms = (Arm("plain", search={"x": read_space("x", "uniform:0:1")}),)
    for sources in (("order",), ("order", "split")):
        few, many = (Options(words=("-c", "x.yaml"), arms=arms, sources=sources, trials=4, seeds=n) for n in (2, 5))
        before, after = ({run.name: run.words for run in search(one, {"plain": BASE})} for one in (few, many))
        assert before.items() <= after.items()
        runs, more = ({run.name: run.words for run in comparison(one, {"plain": BASE}, {})} for one in (few, many))
        assert runs.items() < more.items()


def test_where_seeds_have_splits_of_their_own_a_search_stays_on_each() -> None:
    arms = (Arm("plain", search={"x": read_space("x", "uniform:0:1")}),)
    options = Options(words=("-c", "x.yaml"), arms=arms, sources=("order", "split"), trials=4, seeds=3)
    trials = search(options, {"plain": BASE})
    assert Counter(seeds_of(trial.words)["split"] for trial in trials) == {"3": 4, "4": 4, "5": 4}
    found = {trial.choice: trial.point for trial in trials}
    for run in comparison(options, {"plain": BASE}, found):
        of_run = run.words[run.words.index("--x") + 1]
        split = seeds_of(run.words)["split"]
        (last,) = [trial for trial in trials if trial.trial == 3 and seeds_of(trial.words)["split"] == split]
        assert of_run == last.point["x"]
