"""Image files decoded once into one file on disk, which is then mapped into memory.

The name of the cache holds a hash of its inputs: each file's name, size and time of writing, the size of the images,
and the version of Pillow. The content of the files is not part of it, because reading gigabytes of photographs takes
minutes at every start (for the 60,000 files of CIFAR-10, 0.7 s of a warm and 2 s of a cold start). It is hashed while
it is decoded, and the cache holds these digests, which splits are compared by. A start compares those of up to 256
files, other ones for another seed, and all of them if asked to.

Two processes that build at once do the work twice, and the second replaces the first's file by an equal one. Without a
lock, nothing is left behind by a kill or fails on a network file system.
"""

import hashlib
import io
import json
import math
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import PIL
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from tqdm import tqdm

from datamodules.atomic_write import atomic_write
from datamodules.errors import DataError
from datamodules.images.class_files import ImageFile
from datamodules.images.image_decoding import LARGEST_FILE, BrokenImageError, ImageFormat, Pixels
from datamodules.regular_files import open_regular, read_bytes
from datamodules.splitting.duplicates import DIGEST_BYTES, Digests
from datamodules.splitting.subsets import Indices

Broken = Literal["fail", "skip"]
VERSION = 1  # of the layout of the file and of the decoding
DIGEST = np.dtype(f"V{DIGEST_BYTES}")
CHUNK = 256  # images decoded ahead of the writing; bounds the memory
SAMPLED_FILES, SAMPLED_BYTES = 256, 2**26  # compared with a cache at every start


@dataclass(frozen=True)
class DecodedImages:
    """The content of N image files, M of them readable.

    Attributes:
        pixels: (M, 3, H, W), of the form's type, mapped from disk; on the device "meta" if the files were only checked.
        digests: Digest of the bytes of each readable file, (M,).
        readable: Indices of the readable files, (M,), int64.
    """

    pixels: Tensor
    digests: Digests
    readable: Indices


def decode_images(
    files: list[ImageFile],
    form: ImageFormat,
    folder: Path,
    *,
    root: Path,
    broken: Broken = "fail",
    keep: bool = True,
    verify: bool = False,
) -> DecodedImages:
    """Decode image files, or map the cache of an earlier run.

    Args:
        files: N files.
        form: Size of the images.
        folder: Folder of the cache. If it is not writable, the images are kept in memory, with a warning.
        root: Folder of the files; the cache stays valid if it is moved.
        broken: How to treat a broken file: "fail" with its name, or "skip" it with a warning.
        keep: Keep the pixels; otherwise files are only read and checked.
        verify: Compare the content of all files with a cache, rather than that of a few.

    Raises:
        BrokenImageError: A file is broken, and `broken` is "fail".
        DataError: An image has another size and resizing is off, or no file is readable.
    """
    path = folder / f"{'images' if keep else 'checked'}-{_key(files, form, root)}.npy"
    decoded = _open(path, form, keep)
    changed = None if decoded is None else _first_changed(files, decoded, form, verify)
    if changed is not None:
        rank_zero_warn(f"{changed} has other content than {path} was made from: it is made anew")
    if decoded is None or changed is not None:
        decoded = _build(path, files, form, broken, keep)
    missing = np.setdiff1d(np.arange(len(files)), decoded.readable)
    if len(missing):
        first = files[missing[0]]
        if broken == "fail":
            _decode(first, form, keep)
        rank_zero_warn(
            f"{len(missing)} of {len(files)} images cannot be read and are left out; the first is {first.path}"
        )
    if not len(decoded.readable):
        raise DataError(f"none of the {len(files)} images of {root} can be read")
    return decoded


def _key(files: list[ImageFile], form: ImageFormat, root: Path) -> str:
    above = os.path.join(root, "")  # noqa: PTH118  a Path for each of many files takes longer than all else
    names = [
        place[len(above) :] if place.startswith(above) else str(Path(place).relative_to(root))
        for place in (image.location for image in files)
    ]
    stamps = [(name.replace(os.sep, "/"), *image[1:]) for name, image in zip(names, files, strict=True)]
    made_from = json.dumps([VERSION, PIL.__version__, asdict(form), stamps])
    return hashlib.sha256(made_from.encode()).hexdigest()[:24]


def _first_changed(files: list[ImageFile], decoded: DecodedImages, form: ImageFormat, verify: bool) -> Path | None:
    """Return the first file whose content is not what was decoded, among all or a random sample; None if none is."""
    digests: dict[int, bytes] = dict(zip(decoded.readable.tolist(), map(bytes, decoded.digests), strict=True))
    numbers = list(range(len(files)))
    if not verify:
        # The processes of a run have the same seed, and must agree on whether to build the cache again.
        order = np.random.default_rng(torch.initial_seed()).permutation(len(files))[:SAMPLED_FILES]
        read = np.cumsum([files[number].size for number in order])
        numbers = order[: max(int(np.searchsorted(read, SAMPLED_BYTES)), 1)].tolist()

    def changed(number: int) -> bool:
        try:
            if number in digests:
                return _digest(read_bytes(files[number].path, LARGEST_FILE)) != digests[number]
            form.check(read_bytes(files[number].path, LARGEST_FILE))
        except (OSError, DataError):
            return number in digests  # and it was readable; another is as broken as before
        return True

    with ThreadPoolExecutor() as pool:
        bar = tqdm(pool.map(changed, numbers), total=len(numbers), desc="verify", disable=None if verify else True)
        return next((files[number].path for number, other in zip(numbers, bar, strict=False) if other), None)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def _open(path: Path, form: ImageFormat, keep: bool) -> DecodedImages | None:
    """Map a cache; None if there is none, or it is damaged."""
    try:
        with open_regular(path, sys.maxsize) as file:
            return _read(file, form, keep)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, EOFError, OSError) as error:
        rank_zero_warn(f"{path} is not a complete cache of images ({error}): it is rebuilt")
        return None


def _read(file: BinaryIO, form: ImageFormat, keep: bool) -> DecodedImages:
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    start = file.tell()
    file.seek(math.prod(shape) * dtype.itemsize, os.SEEK_CUR)
    digests, readable = np.load(file), np.load(file)
    if not keep:
        kind = torch.from_numpy(np.empty(0, form.dtype)).dtype
        pixels = torch.empty((len(readable), *form.shape), dtype=kind, device="meta")
    elif isinstance(file, io.BytesIO):
        values = np.frombuffer(file.getbuffer(), dtype, offset=start, count=math.prod(shape))
        pixels = torch.from_numpy(values)
    else:  # mapped copy-on-write, because torch does not accept read-only memory; nothing is ever written
        pixels = torch.from_numpy(np.memmap(file, dtype, "c", start, shape))
    return DecodedImages(pixels.view(-1, *form.shape)[: len(readable)], digests, readable)


def _build(path: Path, files: list[ImageFile], form: ImageFormat, broken: Broken, keep: bool) -> DecodedImages:
    try:
        with atomic_write(path) as file:
            _write(file, files, form, broken, keep)
    except OSError as error:  # from writing: errors of reading are DataErrors here
        rank_zero_warn(f"{path.parent} is not writable ({error.strerror}): images are decoded at every start")
        memory = io.BytesIO()
        _write(memory, files, form, broken, keep)
        memory.seek(0)
        return _read(memory, form, keep)
    built = _open(path, form, keep)
    assert built is not None
    return built


def _write(file: BinaryIO, files: list[ImageFile], form: ImageFormat, broken: Broken, keep: bool) -> None:
    """Write three arrays: pixels (N, 3, H, W), with the first M used; digests (M,); readable (M,)."""
    shape = (len(files) if keep else 0, *form.shape)
    header = {"shape": shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(form.dtype)}
    np.lib.format.write_array_header_1_0(file, header)
    start = file.tell()
    digests: list[bytes] = []
    readable: list[int] = []
    for number, digest, pixels in _decode_all(files, form, broken, keep):
        digests.append(digest)
        readable.append(number)
        if pixels is not None:
            file.write(pixels.tobytes())
    file.seek(start + math.prod(shape) * form.dtype.itemsize)
    np.save(file, np.frombuffer(b"".join(digests), DIGEST))
    np.save(file, np.array(readable, dtype=np.int64))


def _decode_all(
    files: list[ImageFile], form: ImageFormat, broken: Broken, keep: bool
) -> Iterator[tuple[int, bytes, Pixels | None]]:
    """Yield number, digest and pixels of each readable file, in order."""

    def decode(image: ImageFile) -> tuple[bytes, Pixels | None] | None:
        try:
            return _decode(image, form, keep)
        except BrokenImageError:
            if broken == "fail":
                raise
            return None

    # disable=None: no bar without a terminal.
    with ThreadPoolExecutor() as pool, tqdm(total=len(files), desc="images", disable=None, leave=False) as progress:
        for start in range(0, len(files), CHUNK):
            for number, decoded in enumerate(pool.map(decode, files[start : start + CHUNK]), start):
                progress.update()
                if decoded is not None:
                    yield number, *decoded


def _decode(image: ImageFile, form: ImageFormat, keep: bool) -> tuple[bytes, Pixels | None]:
    """Return the digest of a file's bytes, and its pixels if they are kept."""
    try:
        data = read_bytes(image.path, LARGEST_FILE)
    except OSError as error:
        if image.path.is_symlink() and not image.path.exists():
            raise BrokenImageError(f"{image.path} is a link that leads nowhere; replace or delete it") from error
        raise DataError(f"{image.path} cannot be opened ({error.strerror})") from error
    try:
        pixels = form.decode(data) if keep else None
        if not keep:
            form.check(data)
    except BrokenImageError as error:
        raise BrokenImageError(f"{image.path} cannot be read as an image ({error}); replace or delete it") from error
    except DataError as error:
        raise DataError(f"{image.path} {error}") from error
    return _digest(data), pixels
