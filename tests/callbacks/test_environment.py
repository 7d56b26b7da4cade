"""A result names the code that gave it."""

import subprocess
from pathlib import Path

from callbacks.environment import git_commit


def test_the_commit_is_that_of_the_code_wherever_the_run_is_started(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = Path(__file__).parent
    commit = subprocess.run(["git", "-C", code, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    assert (git_commit() or "").removesuffix("+changes") == commit.stdout.strip()


def test_code_that_is_in_no_repository_or_only_below_a_strangers_has_no_commit(tmp_path) -> None:
    assert git_commit(tmp_path) is None
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, *identity, "commit", "-q", "--allow-empty", "-m", "Begin"], check=True)
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "summary.py").touch()
    assert git_commit(tmp_path / "site-packages") is None
