import contextlib
import errno
import os
import stat
from pathlib import Path

import pytest

from callbacks.files import write_text
from datamodules.atomic_write import atomic_write


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_half_way(path: Path, error: type[BaseException]) -> None:
    with atomic_write(path) as file:
        file.write(b"half of the n")
        raise error


def test_writes_the_content_and_makes_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    write_text(path, "Größe 8×8\n")
    assert path.read_text(encoding="utf-8") == "Größe 8×8\n"
    assert names(path.parent) == ["file.txt"]


def test_replaces_longer_content_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "a much longer text than the one that follows")
    write_text(path, "short")
    assert path.read_text() == "short"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_content_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(error):
        fail_half_way(path, error)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_an_error_leaves_no_file_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        fail_half_way(tmp_path / "file.txt", KeyError)
    assert names(tmp_path) == []


def test_readers_see_the_old_content_until_the_new_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_content_is_on_disk_before_it_takes_the_old_ones_place_and_the_place_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    synced = []

    def fsync(handle: int) -> None:
        found = os.fstat(handle)
        kind = "folder" if stat.S_ISDIR(found.st_mode) else f"{found.st_size} bytes"
        synced.append((kind, path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(path, "newer")
    assert synced == [("5 bytes", "old"), ("folder", "newer")]


@pytest.mark.parametrize(("number", "raised"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_only_a_file_system_that_syncs_no_folders_is_excused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: bool
) -> None:
    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, "folder")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="folder") if raised else contextlib.nullcontext():
        write_text(tmp_path / "file.txt", "text")
    assert (tmp_path / "file.txt").read_text() == "text"


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int, expected: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "file.txt", "text")
        assert os.umask(umask) == umask, "the umask itself is as it was"
    finally:
        os.umask(before)
    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == expected
