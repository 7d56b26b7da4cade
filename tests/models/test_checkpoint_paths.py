"""A checkpoint's state names checkpoints of the run's own folder, by their names, and nothing else to remove."""

import pytest

from models.checkpoint_paths import with_own_paths


@pytest.fixture
def folder(tmp_path):
    own = tmp_path / "run" / "checkpoints"
    own.mkdir(parents=True)
    for name in ("best.ckpt", "last.ckpt", "notes.txt"):
        (own / name).touch()
    (tmp_path / "other.ckpt").touch()
    (own / "folder.ckpt").mkdir()
    return own


def state(path: str) -> dict:
    return {"best_model_path": path, "kth_best_model_path": path, "last_model_path": path, "best_k_models": {path: 1.0}}


@pytest.mark.parametrize("before", ["", "/elsewhere/", "C:\\runs\\", "local:///old/", "../../"])
def test_a_checkpoint_that_is_there_is_found_by_its_name(folder, before) -> None:
    assert with_own_paths(state(f"{before}best.ckpt"), folder) == state(str(folder / "best.ckpt"))


@pytest.mark.parametrize(
    "name", ["none.ckpt", "notes.txt", "folder.ckpt", "", "..", ".", "/", "x" * 5000 + ".ckpt", "\0.ckpt"]
)
def test_any_other_name_is_left_out(folder, name) -> None:
    kept = with_own_paths(state(name), folder)
    assert kept == {"best_model_path": "", "kth_best_model_path": "", "last_model_path": "", "best_k_models": {}}


@pytest.mark.parametrize("value", [None, 7, b"best.ckpt", ["best.ckpt"]])
def test_what_is_no_text_is_left_out(folder, value) -> None:
    kept = with_own_paths({"best_model_path": value, "kth_best_model_path": value, "best_k_models": value}, folder)
    assert kept == {"best_model_path": "", "kth_best_model_path": "", "best_k_models": {}}


def test_the_best_epoch_of_another_folder_is_reported_and_never_removed(folder, tmp_path) -> None:
    kept = with_own_paths(state(f"{folder}/../../other.ckpt"), folder)
    assert kept == {
        "best_model_path": str(tmp_path / "other.ckpt"),
        "kth_best_model_path": "",
        "last_model_path": "",
        "best_k_models": {},
    }
