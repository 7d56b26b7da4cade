import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.study.analysis import analyse, analyse_all, direction, verdict
from scripts.study.design import PlannedRun
from scripts.study.options import Arm, Options
from scripts.study.results import Result
from scripts.study.statistics import compare
from scripts.study.summary import markdown, sections

ARMS = Arm("plain"), Arm("mixup")
OPTIONS = Options(arms=ARMS, metrics=("test/accuracy",))
PLAIN, MIXUP = [0.90, 0.91, 0.92, 0.90], [0.93, 0.95, 0.94, 0.94]


def runs(
    arm: Arm, values: Sequence[float], level: dict[str, str] | None = None, *, splits: bool = False, train: int = 1000
) -> list[Result]:
    found = []
    for seed, value in enumerate(values):
        part = f"part {seed}" if splits else "part"
        facts = {"train": train, "val": 100, "test": 200, "test_hash": part, "val_hash": part, "test_part": part}
        metrics = {"test/accuracy": value, "gap/accuracy": 0.1 + seed / 100}
        planned = PlannedRun(f"{arm.name}-{seed}", arm, level or {}, (), seed)
        found.append(Result(planned, Path("runs"), "", metrics, 3, 1.0, facts, {"accuracy": "max"}))
    return found


def test_an_arm_is_compared_with_the_first_pair_by_pair() -> None:
    first, second = analyse([*runs(ARMS[0], PLAIN), *runs(ARMS[1], MIXUP[::-1])], OPTIONS, "test/accuracy")
    assert first.comparison is None
    assert second.comparison == compare(MIXUP[::-1], PLAIN)
    assert verdict(second, "max") == "better"
    assert verdict(second, "min") == "worse"
    assert verdict(second, "") == "higher"


def test_what_failed_leaves_its_pair_out_and_the_verdict_says_so() -> None:
    lost = runs(ARMS[1], MIXUP)
    lost[2] = Result(lost[2].run, Path("runs"), "killed")
    lost[3].metrics["test/accuracy"] = math.nan
    _, second = analyse([*runs(ARMS[0], PLAIN), *lost], OPTIONS, "test/accuracy")
    assert second.comparison == compare(MIXUP[:2], PLAIN[:2])
    assert verdict(second, "max").endswith(", on 2 of 4 pairs")


def test_runs_on_other_samples_are_no_pair() -> None:
    other = runs(ARMS[1], MIXUP)
    other[0].facts["test_part"] = "another"
    _, second = analyse([*runs(ARMS[0], PLAIN), *other], OPTIONS, "test/accuracy")
    assert second.comparison is not None
    assert second.comparison.count == 3


def test_the_correction_for_overlap_is_that_of_each_level() -> None:
    levels = ({"n": "few"}, 400), ({"n": "many"}, 4000)
    results = [
        result
        for level, train in levels
        for arm, values in zip(ARMS, (PLAIN, MIXUP), strict=True)
        for result in runs(arm, values, level, splits=True, train=train)
    ]
    cells = {(cell.arm, cell.level["n"]): cell for cell in analyse(results, OPTIONS, "test/accuracy")}
    for level, train in levels:
        found = cells["mixup", level["n"]].comparison
        assert found.interval == pytest.approx(compare(MIXUP, PLAIN, overlap=200 / train).interval)
        assert math.isnan(found.resampled[0])  # a bootstrap knows of no overlap


def test_seeds_on_the_same_samples_need_no_correction() -> None:
    _, second = analyse([*runs(ARMS[0], PLAIN), *runs(ARMS[1], MIXUP)], OPTIONS, "test/accuracy")
    assert second.comparison.interval == compare(MIXUP, PLAIN).interval


def test_which_way_is_better_is_known_of_metrics_alone() -> None:
    results = runs(ARMS[0], PLAIN)
    assert direction("test/accuracy", results) == "max"
    assert direction("gap/accuracy", results) == ""  # it is small where nothing is learnt, too
    assert direction("memorization/wrong_label", results) == "min"
    assert direction("test/unheard_of", results) == ""


def test_gaps_are_compared_if_they_were_measured_without_regularization() -> None:
    rough = [*runs(ARMS[0], PLAIN), *runs(ARMS[1], MIXUP)]
    clean = [replace(result, clean_gap=True) for result in rough]
    assert all(cell.comparison is None for cell in analyse(rough, OPTIONS, "gap/accuracy"))
    assert analyse(clean, OPTIONS, "gap/accuracy")[1].comparison is not None
    pages = [dict(sections(some, OPTIONS, analyse_all(some, OPTIONS), {}, models=1)) for some in (rough, clean)]
    assert "arms are not compared" in pages[0]["gap/accuracy"][0]
    assert "both measured without regularization" in pages[1]["gap/accuracy"][0]


def test_a_summary_holds_every_arm_and_its_verdict() -> None:
    results = [*runs(ARMS[0], PLAIN), *runs(ARMS[1], MIXUP)]
    parts = sections(results, OPTIONS, analyse_all(results, OPTIONS), {}, models=7)
    page = markdown("study", "holdout study", parts, {Path("figures/points.png"): "Every run is a point."})
    assert "| mixup | 4 | 0.9400 ± 0.0082 |" in page
    assert "| better |" in page
    assert "read for 7 models" in page
    assert "![points](figures/points.png)" in page


def test_seeds_that_were_added_after_a_look_are_told() -> None:
    results = [*runs(ARMS[0], PLAIN), *runs(ARMS[1], MIXUP)]
    analysis = analyse_all(results, OPTIONS)
    page = markdown("study", "holdout study", sections(results, OPTIONS, analysis, {}, 1, looks=[2, 4]), {})
    assert "Results were seen at 2 seeds before there were 4." in page
    assert "were seen at" not in markdown(
        "study", "holdout study", sections(results, OPTIONS, analysis, {}, 1, [4]), {}
    )
