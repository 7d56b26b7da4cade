"""CIFAR from its original pickles, packed or not, and from images; a stranger's pickle runs nothing."""

import builtins
import io
import os
import pickle
import tarfile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from datamodules import CIFAR10, CIFAR100, DataError, SplitOptions
from datamodules.images import cifar_files
from datamodules.images.array_pickle import read_array_pickle
from tests.datamodules.cifar_format import cifar_contents, pack, python2_pickle, small_cifar, write_cifar

JPEGS = Path(__file__).parents[3] / "data" / "cifar10-jpeg"
KINDS = [CIFAR10, CIFAR100]


def own(folder, kind=CIFAR10, **options):
    data = kind(str(folder), verify=False, **options)
    data.prepare_data()
    data.setup()
    return data


def assert_small_cifar(data, kind=CIFAR10, train=100):
    batches = small_cifar(kind, train).values()
    pixels = np.concatenate([pixels for pixels, _ in batches]).reshape(-1, 3, 32, 32)
    assert (data.samples.inputs.numpy() == pixels).all()
    assert data.samples.targets.tolist() == [label for _, labels in batches for label in labels]
    assert data.split.test.tolist() == list(range(train, len(pixels)))


def test_python_2_pickles_are_read_and_the_official_test_part_is_the_test_part(tmp_path):
    write_cifar(tmp_path)
    data = own(tmp_path)
    assert_small_cifar(data)
    assert data.manifest["source"]["name"] == "CIFAR10"
    assert "JPEG" not in data.describe()
    assert len(data.augmentation) == 0


def test_cifar100_has_its_hundred_fine_labels(tmp_path):
    write_cifar(tmp_path, CIFAR100, small_cifar(CIFAR100, 1000, 200))
    data = own(tmp_path, CIFAR100)
    assert data.num_classes == 100
    assert data.samples.targets.bincount().tolist() == [12] * 100
    assert sorted(CIFAR100.class_names) == list(CIFAR100.class_names)


def test_the_files_own_folder_will_do(tmp_path):
    assert_small_cifar(own(write_cifar(tmp_path)))


def test_the_reader_agrees_with_torchvisions(tmp_path, monkeypatch):
    write_cifar(tmp_path)
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(datasets.cifar, "check_integrity", lambda *args: True)
    theirs = datasets.CIFAR10(tmp_path, train=True)
    ours = own(tmp_path)
    assert (ours.samples.inputs[:100].permute(0, 2, 3, 1).numpy() == theirs.data).all()
    assert ours.samples.targets[:100].tolist() == theirs.targets
    assert ours.class_names == tuple(theirs.classes)


def test_an_archive_is_unpacked(tmp_path):
    inner = write_cifar(tmp_path)
    pack(tmp_path)
    assert_small_cifar(own(tmp_path))
    assert sorted(path.name for path in inner.iterdir()) == sorted(cifar_contents())


def test_an_archive_says_nothing_of_where_files_go(tmp_path):
    inner = write_cifar(tmp_path / "data")
    archive = pack(tmp_path / "data")
    with tarfile.open(archive, "w:gz") as packed:
        for name, content in cifar_contents().items():
            data = python2_pickle(content)
            member = tarfile.TarInfo(f"{inner.name}/{name}")
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
        for name in ("../outside", "/tmp/holdout-outside", f"{inner.name}/../../outside"):
            packed.addfile(tarfile.TarInfo(name))
    assert_small_cifar(own(tmp_path / "data"))
    assert not (tmp_path / "outside").exists()
    assert not Path("/tmp/holdout-outside").exists()
    assert len(list(inner.iterdir())) == 7


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"no archive"])
def test_a_damaged_archive_is_named_and_leaves_no_half_file(tmp_path, damage):
    inner = write_cifar(tmp_path)
    whole = {path.name: path.read_bytes() for path in inner.iterdir()}
    archive = pack(tmp_path)
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(DataError, match=f"{archive} cannot be unpacked"):
        own(tmp_path)
    left = list(inner.iterdir()) if inner.exists() else []
    assert all(path.read_bytes() == whole[path.name] for path in left)


def test_an_archive_that_is_not_the_published_one_is_refused_unopened(tmp_path):
    inner = write_cifar(tmp_path)
    archive = pack(tmp_path)
    with pytest.raises(DataError, match=f"{archive} is not the published file"):
        CIFAR10(str(tmp_path)).prepare_data()
    assert not inner.exists()


@pytest.mark.parametrize("name", sorted(cifar_contents()))
def test_files_that_are_not_the_published_ones_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(cifar_files, "check_integrity", lambda path, md5: path.name != name)
    inner = write_cifar(tmp_path)
    with pytest.raises(DataError, match=f"{inner / name} is not the published file"):
        CIFAR10(str(tmp_path)).setup()


def test_the_published_checksums_are_compared(tmp_path):
    inner = write_cifar(tmp_path)
    with pytest.raises(DataError, match=f"{inner}.* is not the published file"):
        CIFAR10(str(tmp_path)).setup()


@pytest.mark.parametrize("name", sorted(cifar_contents()))
def test_a_missing_file_is_named(tmp_path, name):
    missing = write_cifar(tmp_path) / name
    missing.unlink()
    with pytest.raises(DataError, match=f"{missing} is missing"):
        own(tmp_path)
    with pytest.raises(DataError, match=f"{missing} is missing"):
        CIFAR10(str(tmp_path), verify=False).setup()


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-7], lambda data: b"", lambda data: b"<html>404</html>" * 9, lambda data: data[:9] + data[30:]],
)
def test_a_damaged_file_is_named(tmp_path, name, damage):
    path = write_cifar(tmp_path) / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=f"{path} is not a whole pickle"):
        own(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.zeros((20, 3072))}, "has no array 'data' of bytes"),
        ({"data": np.zeros((20, 1024), np.uint8)}, "has no array 'data' of bytes"),
        ({"data": [0] * 20}, "has no array 'data' of bytes"),
        ({"labels": ["cat"] * 20}, "has no list 'labels' of numbers"),
        ({"labels": None}, "has no list 'labels' of numbers"),
        ({"labels": [0] * 19}, "holds 20 images and 19 labels"),
    ],
)
def test_content_of_another_form_is_refused(tmp_path, change, message):
    path = write_cifar(tmp_path) / "data_batch_2"
    path.write_bytes(python2_pickle(cifar_contents()["data_batch_2"] | change))
    with pytest.raises(DataError, match=f"{path} {message}"):
        own(tmp_path)


def test_other_class_names_are_refused(tmp_path):
    path = write_cifar(tmp_path) / "batches.meta"
    path.write_bytes(python2_pickle({"label_names": ["plane", *CIFAR10.class_names[1:]]}))
    with pytest.raises(DataError, match=r"has other classes than CIFAR-10: plane, automobile"):
        own(tmp_path)


def test_a_label_out_of_range_is_refused(tmp_path):
    batches = small_cifar()
    batches["test_batch"][1][3] = 10
    write_cifar(tmp_path, batches=batches)
    with pytest.raises(DataError, match="label 10; there are 10 classes"):
        own(tmp_path)


class Command:
    """Unpickles into a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "function", [os.system, builtins.eval, builtins.exec, os.mkdir, np.load, np.lib.format.open_memmap, getattr]
)
def test_a_hostile_pickle_runs_nothing(tmp_path, function, protocol):
    witness, path = tmp_path / "witness", tmp_path / "data_batch_1"
    argument = {os.system: f"touch {witness}", os.mkdir: str(witness)}.get(function, f"open({str(witness)!r}, 'w')")
    path.write_bytes(pickle.dumps({"data": Command(function, argument)}, protocol=protocol))
    with pytest.raises(DataError, match=f"{path} asks for .*it may run code"):
        read_array_pickle(path)
    assert not witness.exists()


def test_the_hostile_pickle_would_have_run(tmp_path):
    """The test above would pass on a harmless file, too."""
    pickle.loads(pickle.dumps(Command(os.mkdir, str(tmp_path / "witness")), protocol=2))
    assert (tmp_path / "witness").exists()


def test_a_way_round_by_way_of_an_admitted_name_is_refused(tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.__new__\x93.")  # STACK_GLOBAL takes dotted names
    with pytest.raises(DataError, match=r"asks for numpy\.ndarray\.__new__"):
        read_array_pickle(path)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("core", ["_core", "core"])
def test_arrays_numbers_and_containers_of_any_protocol_are_read(tmp_path, protocol, core):
    if core == "core" and protocol > 3:
        pytest.skip("NumPy had renamed numpy.core before these were common, and they hold the length of a name")
    array = np.arange(6).reshape(2, 3)
    others = {"number": np.float32(1.5), "list": [1, (2.5, None)], "data": b"\xff", "text": "é"}
    path = tmp_path / "file"
    path.write_bytes(
        pickle.dumps({"array": array, **others}, protocol).replace(b"numpy._core", b"numpy." + core.encode())
    )
    read = read_array_pickle(path)
    assert (read.pop("array") == array).all()
    assert read == others


def test_a_pickle_of_something_else_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(DataError, match="holds a list, not a dictionary"):
        read_array_pickle(tmp_path / "file")


@pytest.mark.parametrize("error", [URLError("no network"), ConnectionResetError("reset"), RuntimeError("bad file")])
@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_download_says_where_the_files_belong_and_leaves_nothing(tmp_path, monkeypatch, error, kind):
    def fail(url, root, filename, md5):
        (Path(root) / filename).write_bytes(b"half")
        raise error

    monkeypatch.setattr(cifar_files, "download_url", fail)
    with pytest.raises(DataError, match=f"{kind.__name__} is not in {tmp_path}.*{kind.source.filename}.*data_dir"):
        kind(str(tmp_path)).prepare_data()
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_unpacked(tmp_path, monkeypatch):
    write_cifar(tmp_path / "server")
    archive = pack(tmp_path / "server")

    def pretend(url, root, filename, md5):
        (Path(root) / filename).write_bytes(archive.read_bytes())

    monkeypatch.setattr(cifar_files, "download_url", pretend)
    (tmp_path / "client").mkdir()
    assert_small_cifar(own(tmp_path / "client"))
    assert {path.name for path in (tmp_path / "client").iterdir()} == {archive.name, "cifar-10-batches-py"}


def write_images(folder, classes=CIFAR10.class_names, size=(32, 32), parts=(("train", 12), ("test", 2))):
    random = np.random.default_rng(0)
    for part, count in parts:
        for name in classes:
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                image = Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8))
                image.save(folder / part / name / f"{number:04}.jpg")


@pytest.mark.parametrize("nested", [False, True])
def test_images_stand_in_for_missing_files_and_the_dataset_says_so(tmp_path, nested):
    folder = tmp_path / "cifar10-jpeg" if nested else tmp_path
    write_images(folder)
    data = own(tmp_path)
    assert len(data.split.test) == 20
    assert data.samples.targets[data.split.test].tolist() == [label for label in range(10) for _ in range(2)]
    first = np.asarray(Image.open(folder / "train/airplane/0000.jpg")).transpose(2, 0, 1)
    assert (data.samples.inputs[0].numpy() == first).all()
    assert data.manifest["source"]["name"] == "CIFAR-10 (JPEG)"
    assert "CIFAR-10 (JPEG)" in data.describe()


def test_original_files_win_over_images(tmp_path):
    write_images(tmp_path / "cifar10-jpeg")
    write_cifar(tmp_path)
    assert_small_cifar(own(tmp_path))


def test_images_of_other_classes_or_sizes_are_refused(tmp_path):
    write_images(tmp_path / "classes", ["cat", "dog"])
    with pytest.raises(DataError, match=r"classes does not hold train/ and test/ with CIFAR-10's 10 classes"):
        own(tmp_path / "classes")
    write_images(tmp_path / "no_test", parts=(("train", 2),))
    with pytest.raises(DataError, match="no_test does not hold train/ and test/"):
        own(tmp_path / "no_test")
    write_images(tmp_path / "sizes", size=(28, 30))
    with pytest.raises(DataError, match=r"0000\.jpg is 30×28 pixels, not 32×32"):
        own(tmp_path / "sizes")


@pytest.mark.slow
@pytest.mark.skipif(not JPEGS.exists(), reason="data/cifar10-jpeg is not there")
def test_the_real_jpegs_are_60000_in_ten_equal_classes(tmp_path):
    data = own(JPEGS, cache_dir=str(tmp_path))
    assert (len(data.split.train), len(data.split.val), len(data.split.test)) == (45_000, 5_000, 10_000)
    assert data.samples.targets.bincount().tolist() == [6000] * 10
    assert data.normalization.mean == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.002)  # as published of the original


def test_some_classes_alone_are_numbered_in_the_order_asked_for(tmp_path):
    write_cifar(tmp_path)
    everything = CIFAR10(tmp_path, verify=False)
    some = CIFAR10(tmp_path, verify=False, classes=["truck", "cat"], split=SplitOptions(val_size=4))
    assert some.class_names == ("truck", "cat")
    everything.setup()
    some.setup()
    assert some.num_classes == 2
    for number, name in enumerate(some.class_names):
        same = everything.samples.targets == everything.class_names.index(name)
        assert torch.equal(some.samples.inputs[some.samples.targets == number], everything.samples.inputs[same])
    assert len(some.split.test) == 8  # the official 40 of ten classes
    assert sorted(set(some.samples.targets[some.split.test].tolist())) == [0, 1]


@pytest.mark.parametrize(
    ("classes", "words"),
    [(["cat", "wolf"], "no class 'wolf'"), (["cat"], "name at least two"), (["cat", "cat"], "each once")],
)
def test_classes_that_cannot_be_are_refused(tmp_path, classes, words):
    with pytest.raises(DataError, match=words):
        CIFAR10(tmp_path, classes=classes)


def test_a_label_below_zero_is_no_class(tmp_path):
    write_cifar(tmp_path)
    samples = CIFAR10(tmp_path, verify=False)._load_all()
    samples.targets[0] = -1
    kept = samples.of_classes([2, 9])
    assert len(kept.targets) == int(((samples.targets == 2) | (samples.targets == 9)).sum())


def test_samples_of_some_classes_keep_their_numbers_in_the_dataset(tmp_path):
    write_cifar(tmp_path)
    everything, some = own(tmp_path), own(tmp_path, classes=["dog", "cat"])
    names = some.identify(torch.arange(len(some.targets)))
    assert names["index"] == list(range(len(some.targets)))
    numbers = names["image"]
    assert torch.equal(everything.samples.inputs[numbers], some.samples.inputs)
    assert everything.identify(torch.tensor([3, 1])) == {"index": [3, 1]}
