"""What the page says of several runs."""

import statistics
from pathlib import Path

import pytest

from tests.scripts.report.pages import read_page, settings, split, summary, write_run

LOSSES = [0.5, 0.3, 0.4]


def seeds(folder: Path, losses: list[float], **others: object) -> list[Path]:
    return [
        write_run(
            folder / f"version_{seed}",
            {"val/loss": [1.0, loss, loss + 0.1]},
            config=settings(seed, **others),
            summary=summary(loss),
            split=split(),
        )
        for seed, loss in enumerate(losses)
    ]


def test_seeds_are_a_group_with_mean_and_standard_deviation(tmp_path: Path) -> None:
    found = read_page(*seeds(tmp_path / "pets", LOSSES))
    assert found.row("val/loss")[:1] == [f"{statistics.mean(LOSSES):.4f} ± {statistics.stdev(LOSSES):.4f}"]
    assert found.row("val/loss")[1:] == ["0.3000", "0.5000"]
    assert any("3 runs that differ in seed_everything alone" in line for line in found.notices["note"])
    order = [row[0] for row in found.rows if row and row[0].startswith("pets/version_")]
    assert order == ["pets/version_1", "pets/version_2", "pets/version_0"]


def test_groups_are_sorted_by_the_mean_of_the_monitored_metric(tmp_path: Path) -> None:
    worse, better = seeds(tmp_path / "worse", [0.1, 0.9]), seeds(tmp_path / "better", [0.3, 0.4], dropout=0.5)
    found = read_page(*worse, *better)
    assert [row[0] for row in found.rows[1:3]] == ["better", "worse"]
    assert found.row("better")[:3] == ["2", "2", "0.3500 ± 0.0707"]
    assert not found.notices["warning"]
    assert found.row("model.network.dropout") == ["0.5", "0"]


def test_accuracy_is_sorted_the_other_way(tmp_path: Path) -> None:
    runs = [
        write_run(
            tmp_path / name / "version_0",
            config=settings(widths=[width]),
            summary=summary(best={"epoch": 1, "val/accuracy": value}, monitor="val/accuracy", mode="max"),
            split=split(),
        )
        for name, width, value in (("low", 4, 0.6), ("high", 8, 0.9))
    ]
    assert [row[0] for row in read_page(*runs).rows[1:3]] == ["high/version_0", "low/version_0"]


def test_the_settings_that_differ_are_shown_and_no_other(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / str(width) / "version_0", config=settings(widths=[width]), summary=summary())
        for width in (4, 8)
    ]
    found = read_page(*runs)
    start = next(number for number, row in enumerate(found.rows) if row[0] == "setting")
    shown = [row for row in found.rows[start + 1 :] if row[0].startswith(("model", "checkpoint", "seed"))]
    assert shown == [["model.network.widths", "[4]", "[8]"]]


def test_two_groups_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "pets" / f"version_{n}", config=settings(n % 2, dropout=0.5 * (n > 1)), summary=summary())
        for n in range(4)
    ]
    names = {row[0] for row in read_page(*runs).rows[1:3]}
    assert names == {"pets · dropout 0", "pets · dropout 0.5"}


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (split(val="e" * 64), "the val parts hold different samples (10 and 10)"),
        (split(source={"name": "Pets", "samples": 9, "sha256": "f" * 64}), "the data of Pets differ"),
        (split(source={"name": "Cars", "samples": 9, "sha256": "f" * 64}), "on different datasets, Cars and Pets"),
    ],
)
def test_runs_on_different_samples_are_said_not_to_be_comparable(tmp_path: Path, manifest: dict, words: str) -> None:
    one = write_run(tmp_path / "a" / "version_0", config=settings(), summary=summary(0.1), split=split())
    other = write_run(tmp_path / "b" / "version_0", config=settings(widths=[1]), summary=summary(), split=manifest)
    warned = " ".join(read_page(one, other).notices["warning"])
    assert "b/version_0 and a/version_0 are not comparable" in warned
    assert words in warned


def test_folds_are_a_group_whose_spread_is_explained(tmp_path: Path) -> None:
    runs = []
    for fold in range(3):
        config = settings() | {"data": {"class_path": "Pets", "init_args": {"split": {"folds": 3, "fold": fold}}}}
        manifest = split(val=str(fold) * 64)
        runs.append(write_run(tmp_path / "pets" / f"version_{fold}", config=config, summary=summary(), split=manifest))
    found = read_page(*runs)
    assert not found.notices["warning"]
    assert any("data.split.fold alone; the split differs too" in line for line in found.notices["note"])


def test_the_same_run_twice_is_no_spread(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "pets" / f"version_{n}", config=settings(), summary=summary(), split=split())
        for n in range(2)
    ]
    assert any("they are one run" in line for line in read_page(*runs).notices["warning"])


def test_a_warning_of_some_runs_names_them_once(tmp_path: Path) -> None:
    runs = seeds(tmp_path / "pets", LOSSES)
    (runs[1] / "summary.json").unlink()
    (runs[2] / "summary.json").unlink()
    warned = read_page(*runs).notices["warning"]
    assert sum("no summary.json" in line for line in warned) == 3  # once above, once for each of the two runs
    assert any("pets/version_1, pets/version_2: there is no summary.json" in line for line in warned)
