"""Writing CIFAR's files as they are published: pickles made by Python 2, packed or not."""

import io
import pickle
import struct
import tarfile
from typing import ClassVar

import numpy as np

from datamodules import CIFAR10, CIFAR100


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes alike as Python 2's `str`, and names NumPy's modules as they were called then."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_python2_string(self, value):
        data = value if isinstance(value, bytes) else value.encode("latin1")
        short = len(data) < 256
        self.write((b"U" + bytes([len(data)]) if short else b"T" + struct.pack("<i", len(data))) + data)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_python2_string


def python2_pickle(content):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(content)
    return file.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")


def small_cifar(kind=CIFAR10, train=100, test=40):
    """Images and labels by file name: every class in turn."""
    random = np.random.default_rng(0)
    count = len(kind.source.train_list)
    sizes = {name: train // count for name, _ in kind.source.train_list} | {"test_batch": test, "test": test}
    names = [name for name, _ in [*kind.source.train_list, *kind.source.test_list]]
    return {
        name: (
            random.integers(0, 256, (sizes[name], 3072), dtype=np.uint8),
            [index % kind().num_classes for index in range(sizes[name])],
        )
        for name in names
    }


def cifar_contents(kind=CIFAR10, batches=None):
    """The published files' content by name."""
    contents = {}
    for name, (pixels, labels) in (batches or small_cifar(kind)).items():
        filenames = [f"image_{index}.png" for index in range(len(labels))]
        contents[name] = {"batch_label": name, "data": pixels, kind.labels_key: labels, "filenames": filenames}
        if kind is CIFAR100:
            contents[name]["coarse_labels"] = [0] * len(labels)
    meta = kind.source.meta
    contents[meta["filename"]] = {meta["key"]: list(kind.class_names), "num_vis": 3072}
    return contents


def write_cifar(folder, kind=CIFAR10, batches=None):
    """Write the files, unpacked, where the archive would unpack them; return their folder."""
    inner = folder / kind.source.base_folder
    inner.mkdir(parents=True)
    for name, content in cifar_contents(kind, batches).items():
        (inner / name).write_bytes(python2_pickle(content))
    return inner


def pack(folder, kind=CIFAR10):
    """Pack the files into the published archive's name, and take them away."""
    inner = folder / kind.source.base_folder
    archive = folder / kind.source.filename
    with tarfile.open(archive, "w:gz") as packed:
        for path in sorted(inner.iterdir()):
            packed.add(path, f"{inner.name}/{path.name}")
            path.unlink()
    inner.rmdir()
    return archive
