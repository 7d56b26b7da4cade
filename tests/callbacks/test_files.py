from pathlib import Path

import pytest

from callbacks.files import display_path


def test_a_path_is_shown_as_one_would_type_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert display_path(tmp_path / "runs" / "a") == "runs/a"
    assert display_path("runs/a") == "runs/a"
    assert display_path("/elsewhere/a") == "/elsewhere/a"
