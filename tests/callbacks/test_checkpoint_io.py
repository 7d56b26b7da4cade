import contextlib
import os
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callbacks import AtomicCheckpointIO, CheckpointError, LastCheckpoint, load_checkpoint
from datamodules.atomic_write import atomic_write

CONTENT = {
    "pytorch-lightning_version": "2.6.6",
    "state_dict": {"weight": torch.arange(6.0).view(2, 3)},
    "epoch": 3,
    "rows": [{"val/loss": 0.5}],
}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class RunsCode:
    """Unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, path)
    return path


def test_round_trip(saved: Path) -> None:
    loaded = AtomicCheckpointIO().load_checkpoint(saved)
    assert torch.equal(loaded["state_dict"]["weight"], CONTENT["state_dict"]["weight"])
    assert {key: loaded[key] for key in ("epoch", "rows")} == {key: CONTENT[key] for key in ("epoch", "rows")}
    assert names(saved.parent) == ["last.ckpt"]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused_by_name(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"last\.ckpt"):
        load_checkpoint(saved)


@pytest.mark.parametrize("content", [b"", b"garbage", b"seed: 1\n", b"\x80", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n" * 9])
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"other\.ckpt"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"model:\n  class_path: models.Classifier\n", "a file of another kind"),
        (b"# a recipe\nmodel:\n", "a file of another kind"),
        (b"\x89PNG\r\n\x1a\n" * 9, "a file of another kind"),
        (b"PK\x03\x04" + b"x" * 99, "it is damaged"),
        (b"\x80\x02}X\n\x00\x00\x00state_dictG\x00\x00s.", "it is damaged"),
        (pickle.dumps({"epoch": 3}, protocol=4), "a pickle that torch.save did not write"),
        (pickle.dumps({"path": Path("x")}, protocol=2), "objects other than tensors"),
    ],
    ids=["empty", "YAML", "comment", "PNG", "archive", "pickle cut off", "plain pickle", "pickled object"],
)
@pytest.mark.filterwarnings("error:Detected pickle protocol")
def test_what_is_wrong_with_the_file_is_said_rightly(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "other.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"other\.ckpt is not a checkpoint.*{said}"):
        load_checkpoint(path)


@given(content=st.binary(max_size=200) | st.binary(max_size=40).map(b"\x80\x02".__add__))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_at_all_make_another_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.ckpt"
    path.write_bytes(content)
    with contextlib.suppress(CheckpointError):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [b"\x80\x02X\x01\x00", b"\x80\x02}X\n\x00\x00\x00state_dictG\x00\x00s.", b"\x80\x02\x8a\x02"],
    ids=["text cut off", "number cut off", "long cut off"],
)
def test_a_damaged_pickle_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged\.ckpt"):
        load_checkpoint(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.ckpt: no such"):
        load_checkpoint(tmp_path / "nowhere.ckpt")


@pytest.mark.parametrize("content", [[1, 2], {"weights": torch.ones(1)}], ids=["a list", "no state_dict"])
def test_a_file_of_tensors_that_is_no_checkpoint_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "tensors.pt")
    with pytest.raises(CheckpointError, match=r"tensors\.pt is not a Lightning checkpoint"):
        load_checkpoint(tmp_path / "tensors.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_would_run_code_is_refused_unrun(tmp_path: Path, zipped: bool) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.ckpt"
    torch.save(CONTENT | {"extra": RunsCode(marker)}, path, _use_new_zipfile_serialization=zipped)
    for load in (load_checkpoint, AtomicCheckpointIO().load_checkpoint):
        with pytest.raises(CheckpointError, match=r"evil\.ckpt.*objects other than tensors"):
            load(path)
    with pytest.raises(CheckpointError):
        AtomicCheckpointIO().load_checkpoint(path, weights_only=False)
    assert not marker.exists()
    pickle.loads(pickle.dumps(RunsCode(marker)))
    assert marker.exists(), "the trap itself works"


def test_a_bare_pickle_that_would_run_code_is_refused_unrun(tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.ckpt"
    path.write_bytes(pickle.dumps(RunsCode(marker)))
    with pytest.raises(CheckpointError, match=r"evil\.ckpt"):
        load_checkpoint(path)
    assert not marker.exists()


def test_an_unwritable_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        AtomicCheckpointIO().save_checkpoint(CONTENT, tmp_path / "file" / "last.ckpt")


def test_a_failed_save_leaves_the_old_checkpoint(saved: Path) -> None:
    with pytest.raises((AttributeError, pickle.PicklingError)):
        AtomicCheckpointIO().save_checkpoint(CONTENT | {"unpicklable": lambda: None}, saved)
    assert load_checkpoint(saved)["epoch"] == 3
    assert names(saved.parent) == ["last.ckpt"]


@pytest.mark.parametrize("error", [PermissionError, OSError])
def test_training_stops_when_its_checkpoint_cannot_be_written(fit, tmp_path, monkeypatch, error) -> None:
    def refuse(*_: object) -> None:
        raise error("disk says no")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match=r"last\.ckpt cannot be written \(disk says no\)"):
        fit(LastCheckpoint())
    assert names(tmp_path / "checkpoints") == []


def test_the_temporary_file_lies_beside_its_target(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "last.ckpt"):
        (temporary,) = names(tmp_path)
        assert "last.ckpt" in temporary
        assert not temporary.endswith(".ckpt"), "no glob for checkpoints finds it"
