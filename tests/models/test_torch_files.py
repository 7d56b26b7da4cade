"""What torch.save writes is read; what only a stranger writes is not."""

import zipfile

import pytest
import torch

from datamodules.regular_files import HostileFileError
from models.torch_files import load_tensors


def test_tensors_and_plain_values_are_read(tmp_path) -> None:
    weights = torch.randn(3, 4)
    content = {"a": weights, "view": weights[:, 1], "again": [weights, weights], "n": {1: ("x", None, 2.5, True)}}
    torch.save(content, tmp_path / "a.pt")
    found = load_tensors(tmp_path / "a.pt")
    assert found.keys() == content.keys()
    assert found["view"].equal(weights[:, 1])
    assert found["n"] == content["n"]


def test_what_several_containers_share_counts_each_time_and_is_read(tmp_path) -> None:
    shared = [1.0] * 100
    torch.save({"a": [shared] * 100}, tmp_path / "a.pt")
    assert load_tensors(tmp_path / "a.pt") == {"a": [shared] * 100}


@pytest.mark.parametrize("count", [2**28, 2**30])
def test_a_view_may_repeat_a_number_up_to_the_limit(tmp_path, count) -> None:
    torch.save(torch.zeros(1).expand(count), tmp_path / "a.pt")
    if count * 4 <= 2 * 2**30:
        assert len(load_tensors(tmp_path / "a.pt")) == count
    else:
        with pytest.raises(HostileFileError, match="unfolds"):
            load_tensors(tmp_path / "a.pt")


def test_compressed_records_are_refused(tmp_path) -> None:
    torch.save(torch.zeros(1000), tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as packed:
        records = {name: packed.read(name) for name in packed.namelist()}
    with zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in records.items():
            packed.writestr(name, data)
    with pytest.raises(HostileFileError, match="compressed"):
        load_tensors(tmp_path / "b.pt")
