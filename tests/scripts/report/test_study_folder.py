"""A study's folder, as the report reads it; a stranger may have made it."""

import json
from pathlib import Path

import pytest

from scripts.report.study import is_study, read_study, runs_of
from scripts.report.tables import Table


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "study.yaml").write_text("fit: -c configs/digits.yaml\n")
    for name in ("plain-seed_0", "plain-seed_1"):
        run = tmp_path / "runs" / name / "version_0"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text("{}")
    return tmp_path


def write(folder: Path, parts: object) -> None:
    (folder / "tables.json").write_text(json.dumps({"command": "holdout study", "parts": parts}))


def test_a_studys_tables_are_read_as_they_were_written(folder) -> None:
    write(folder, [{"heading": "test/accuracy", "content": ["higher is better", {"heads": ["arm"], "rows": [["a"]]}]}])
    study = read_study(folder)
    assert study.parts == [("test/accuracy", ["higher is better", Table(["arm"], [["a"]])])]
    assert not study.problems


def test_its_runs_are_those_that_have_begun_and_no_links(folder, tmp_path_factory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "config.yaml").write_text("{}")
    (folder / "runs" / "linked").mkdir()
    (folder / "runs" / "linked" / "version_0").symlink_to(elsewhere)
    (folder / "runs" / "empty" / "version_0").mkdir(parents=True)
    assert [run.parent.name for run in runs_of(folder)] == ["plain-seed_0", "plain-seed_1"]
    (elsewhere / "version_0").mkdir()
    (elsewhere / "version_0" / "config.yaml").write_text("{}")
    (folder / "runs" / "link").symlink_to(elsewhere)
    assert [run.parent.name for run in runs_of(folder)] == ["plain-seed_0", "plain-seed_1"]
    assert is_study(folder)
    assert not is_study(elsewhere)


@pytest.mark.parametrize(
    "parts",
    [
        None,
        7,
        {"heading": 3},
        [7, None, [], {"heading": 7, "content": 7}, {"content": [{"heads": 7, "rows": 7}, {"rows": [[1], [2, 3]]}]}],
        [{"heading": "x" * 10**6, "content": [{"heads": ["a"] * 10**4, "rows": [["b"]] * 10**4}]}],
    ],
)
def test_tables_that_are_none_do_no_harm(folder, parts) -> None:
    write(folder, parts)
    for heading, content in read_study(folder).parts:
        assert len(heading) <= 2001
        for item in content:
            assert isinstance(item, str) or all(len(row) == len(item.heads) for row in item.rows)


def test_a_study_that_has_not_ended_says_so(folder) -> None:
    assert "has not ended" in read_study(folder).problems[0]
