"""The pictures in a run's folder, inside the report: checked, and small enough together."""

import base64
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import PurePath

from PIL import Image

from scripts.report.folder import RunFolder
from scripts.report.values import shortened

LARGEST_FILE = 16 * 2**20  # bytes
MOST_PIXELS = 24_000_000
MOST_PICTURES = 60
WIDEST = 1600  # pixels of a picture that is made smaller
SPARED = 0.95  # a copy in fewer colours counts if it is smaller than this
CAPTION_KEYS = ("Description", "Title")  # texts of a PNG


@dataclass(frozen=True)
class Picture:
    """A picture that a browser can show.

    Attributes:
        name: The file's name, without its ending.
        caption: What it shows.
        width: In pixels.
        height: In pixels.
        png: The file's bytes.
    """

    name: str
    caption: str
    width: int
    height: int
    png: bytes

    @property
    def source(self) -> str:
        """The picture as the address of an image."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def read_pictures(folder: RunFolder) -> list[Picture]:
    """Return the pictures in `figures/`; a problem is noted for each file that cannot be shown."""
    names, found = folder.names("figures", "*.png"), []
    if len(names) > MOST_PICTURES:
        folder.problems.append(f"figures holds {len(names):,} pictures: {MOST_PICTURES} of them are shown")
    for name in names[:MOST_PICTURES]:
        content = folder.read(name, LARGEST_FILE)
        if content is None:
            continue
        try:
            found.append(_checked(name, content))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            folder.problems.append(f"{name} is not shown: it is damaged, half-written, not a PNG, or too large")
    return found


def _checked(name: str, content: bytes) -> Picture:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise ValueError("too large")
            image.load()
            texts = {key: str(value) for key, value in getattr(image, "text", {}).items()}
    stem = PurePath(name).stem
    stated = next((texts[key].strip() for key in CAPTION_KEYS if texts.get(key, "").strip()), "")
    return Picture(stem, shortened(stated or _in_words(stem)), width, height, content)


def _in_words(stem: str) -> str:
    words = re.sub(r"[_\s]+", " ", stem).strip()
    return words[:1].upper() + words[1:]


def fitted(pictures: list[Picture], largest: int) -> tuple[list[Picture], list[str]]:
    """Return pictures that take at most `largest` bytes together, and the names of those left out.

    Where they take more, they are reduced to 256 colours and 1,600 pixels; then the largest are left out.
    """
    if sum(len(picture.png) for picture in pictures) > largest:
        pictures = [_reduced(picture) for picture in pictures]
    kept, left_out = set(pictures), []
    for picture in sorted(pictures, key=lambda picture: len(picture.png), reverse=True):
        if sum(len(one.png) for one in kept) <= largest:
            break
        kept.remove(picture)
        left_out.append(picture.name)
    return [picture for picture in pictures if picture in kept], sorted(left_out)


def _reduced(picture: Picture) -> Picture:
    with Image.open(io.BytesIO(picture.png), formats=["PNG"]) as image:
        copy = image.convert("RGB") if image.mode not in ("RGB", "RGBA") else image.copy()
    if copy.mode == "RGBA":
        copy = Image.alpha_composite(Image.new("RGBA", copy.size, "white"), copy).convert("RGB")
    copy.thumbnail((WIDEST, WIDEST * 4))
    written = io.BytesIO()
    copy.quantize(256, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    if len(written.getvalue()) > SPARED * len(picture.png):
        return picture
    return Picture(picture.name, picture.caption, *copy.size, written.getvalue())
