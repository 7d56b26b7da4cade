"""The file that a class comes from, found without importing anything."""

import sys
from pathlib import Path

import pytest

from models.own_runs import file_of_class


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "single_file.py").write_text("raise RuntimeError\n")
    for folder in ("a_package", "a_namespace"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "nets.py").write_text("raise RuntimeError\n")
    (tmp_path / "a_package" / "__init__.py").write_text("raise RuntimeError\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("single_file.Net", "single_file.py"),
        ("a_package.Net", "a_package/__init__.py"),
        ("a_package.nets.Net", "a_package/nets.py"),
        ("a_namespace.nets.Net", "a_namespace/nets.py"),
        ("a_namespace.Net", "a_namespace"),
    ],
)
def test_it_is_the_file_that_an_import_would_run(path, name, file) -> None:
    before = set(sys.modules)
    assert file_of_class(name) == str((path / file).resolve())
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "name", ["Net", "none_such.Net", "single_file.inner.Net", "a_package.none.Net", "data/x.csv", "../up.Net", "", "."]
)
def test_there_is_none(path, name) -> None:
    assert file_of_class(name) is None
