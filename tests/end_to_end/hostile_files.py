"""Files that a stranger might send, each made by a function that is given where to put it and where its canary is."""

import gzip
import io
import os
import pickle
import socket
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

MIB = 2**20
POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(CANARY) (w) file closefile\nshowpage\n"
)


class Runs:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.canary),)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    there = Path.cwd()
    os.chdir(path.parent)  # a socket's path is at most 108 characters
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(there)


def endless_link(path: Path) -> None:
    path.symlink_to(path.name)


SPECIAL = {"pipe": pipe, "device": device, "socket": listening}


def png(path: Path, width: int, height: int) -> None:
    """A PNG whose pixels are a few bytes of zlib until they are decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(MIB))) + chunk(b"IEND", b"")
    )


def gzip_bomb(path: Path, gibibytes: float) -> None:
    """Gzip of zeros, member after member: 1 MiB of it unfolds to 1 GiB."""
    member = gzip.compress(bytes(64 * MIB))
    path.write_bytes(member * int(16 * gibibytes))


def npz_bomb(path: Path) -> None:
    """256 KiB that unfold to 256 MiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("values.npy", "w") as file:
        count = 2**28 // 8
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (count,)})
        for _ in range(4):
            file.write(bytes(64 * MIB))


def npy_that_promises(path: Path, shape: tuple[int, ...] = (10**10,)) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})


def npz_that_promises(path: Path) -> None:
    inner = path.with_suffix(".npy")
    npy_that_promises(inner)
    with zipfile.ZipFile(path, "w") as packed:
        packed.write(inner, "values.npy")
    inner.unlink()


def npz_of_objects(path: Path, canary: Path) -> None:
    np.savez(path, values=np.array([Runs(canary)], dtype=object), lengths=[1], targets=[0])


def npz_of_many_classes(path: Path) -> None:
    np.savez(path, values=np.zeros((4, 1)), lengths=[1] * 4, targets=[0, 1, 0, 2**40])


def npz_whose_lengths_wrap(path: Path) -> None:
    lengths = np.array([2**63, 2**63, 2, 2], dtype=np.uint64)
    np.savez(path, values=np.zeros((4, 1)), lengths=lengths, targets=[0, 1, 0, 1])


def tar(path: Path, *members: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w:gz") as packed:
        for member in members:
            packed.addfile(member, io.BytesIO(bytes(member.size)))


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def deep_pickle(path: Path, levels: int = 100_000) -> None:
    """A list in a list in a list."""
    path.write_bytes(b"\x80\x02" + b"]" * levels + b"a" * (levels - 1) + b".")


ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 10))
YAML = {
    "aliases": ALIASES,
    "merged aliases": MERGES,
    "a value that holds itself": "model: &m [*m]\n",
    "deep nesting": "model: " + "[" * 5000 + "]" * 5000,
    "five million values": "model: [" + "1," * 400_000 + "]",
    "two megabytes": "model: " + "x" * 2 * MIB,
    "a long number": "model: 1" + ":1" * 200_000,
    "an object": "model: !!python/object/apply:os.mkdir [CANARY]\n",
    "no date": "model: 2024-99-99\n",
}


def deflate(path: Path) -> None:
    """Write the records of a checkpoint compressed."""
    records = {}
    with zipfile.ZipFile(path) as packed:
        records = {name: packed.read(name) for name in packed.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in records.items():
            packed.writestr(name, data)


def overlap(path: Path) -> None:
    """Let all entries of an archive's table name its first record, over and over."""
    data = path.read_bytes()
    start = data.rindex(b"PK\x05\x06")
    size, offset = struct.unpack("<II", data[start + 12 : start + 20])
    table = data[offset : offset + size]
    with zipfile.ZipFile(path) as packed:
        largest = max(packed.infolist(), key=lambda info: info.file_size)
    first = 46 + len(largest.filename.encode())
    at = table.index(largest.filename.encode()) - 46
    entry = table[at : at + first]
    copies = 20_000
    end = data[start : start + 8] + struct.pack("<HHII", 20_000 & 0xFFFF, 20_000 & 0xFFFF, len(entry) * copies, offset)
    path.write_bytes(data[:offset] + entry * copies + end + b"\0\0")


def shared(levels: int = 40) -> list[object]:
    """A list of two lists that are one, level after level: 2^40 values."""
    value: list[object] = [1]
    for _ in range(levels):
        value = [value, value]
    return value


def repeated() -> torch.Tensor:
    """One number that counts as 2^40."""
    return torch.zeros(1).expand(2**40)


def pickled(path: Path, canary: Path) -> None:
    torch.save({"state_dict": {"a": Runs(canary)}}, path)


def bare_pickle(path: Path, canary: Path) -> None:
    path.write_bytes(pickle.dumps(Runs(canary)))


def nested_checkpoint(path: Path, levels: int = 5000) -> None:
    """A checkpoint with lists in lists, which Python's own pickler is too shallow to write."""
    with zipfile.ZipFile(path) as packed:
        records = {name: packed.read(name) for name in packed.namelist()}
    name = next(name for name in records if name.endswith("/data.pkl"))
    lists = b"]" * levels + b"a" * (levels - 1)
    records[name] = b"\x80\x02}(X\x0a\x00\x00\x00state_dict}X\x04\x00\x00\x00deep" + lists + b"u."
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in records.items():
            packed.writestr(name, data)
