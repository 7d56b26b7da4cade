"""Files are opened only if they are regular, and unfold to no more than is stated."""

import gzip
import os
import tempfile
from pathlib import Path

import pytest

from datamodules import regular_files
from datamodules.regular_files import (
    HostileFileError,
    check_regular,
    check_unfolded,
    read_bytes,
    read_text,
    unpack_gzip,
)


def test_what_is_no_file_is_named_and_not_opened(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name, kind in {"pipe": "a named pipe", "link": "a named pipe", "null": "a device", ".": "a folder"}.items():
        with pytest.raises(HostileFileError) as error:
            read_bytes(tmp_path / name)
        assert error.value.strerror == f"{kind}, not a regular file"
    with pytest.raises(FileNotFoundError):
        check_regular(tmp_path / "nothing")


def test_a_link_to_a_file_is_read_and_a_larger_file_is_not(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"a\r\nb\rc\n")
    (tmp_path / "link").symlink_to("file")
    assert read_text(tmp_path / "link") == (tmp_path / "file").read_text() == "a\nb\nc\n"
    assert read_bytes(tmp_path / "file", largest=7) == b"a\r\nb\rc\n"
    with pytest.raises(HostileFileError, match="larger than"):
        read_bytes(tmp_path / "file", largest=6)


def test_a_file_may_unfold_to_2_gib_or_to_20_times_its_size(tmp_path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(2**30)
    check_unfolded(path, 20 * 2**30)
    with pytest.raises(HostileFileError, match="20 GiB"):
        check_unfolded(path, 20 * 2**30 + 1)
    path.write_bytes(b"small")
    check_unfolded(path, 2 * 2**30)
    with pytest.raises(HostileFileError, match="2 GiB"):
        check_unfolded(path, 2 * 2**30 + 1)


def test_gzip_is_unpacked_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(2**22)))
    unpack_gzip(tmp_path / "a.gz", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == bytes(2**22)
    (tmp_path / "a").unlink()
    monkeypatch.setattr(regular_files, "FREELY_UNFOLDED", 2**21)
    with pytest.raises(HostileFileError, match="unfolds"):
        unpack_gzip(tmp_path / "a.gz", tmp_path / "a")
    assert [path.name for path in Path(tempfile.gettempdir(), tmp_path).iterdir()] == ["a.gz"]
