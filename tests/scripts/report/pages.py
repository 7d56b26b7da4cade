"""A report as a browser's parser sees it, and folders of runs written by hand."""

import json
from html.parser import HTMLParser
from pathlib import Path

import yaml
from torch.utils.tensorboard import SummaryWriter

from scripts.report.page import page
from scripts.report.run import read_run

VOID = {"meta", "img", "wbr", "br", "link"}
OUTSIDE = ("src", "href", "action", "data", "xlink:href", "poster", "srcset")


class Page(HTMLParser):
    """Texts, tags and attributes of a page.

    Attributes:
        title: The page's title.
        tags: Names of all elements.
        attributes: (element, attribute, value) of all attributes.
        rows: The cells of each row of each table.
        notices: Words of the warnings and notes, by kind.
        texts: All texts.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.title, self.tags, self.attributes, self.rows, self.texts = "", [], [], [], []
        self.notices: dict[str, list[str]] = {"warning": [], "note": []}
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self._open == [], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in found.items()]
        if tag not in VOID:
            self._open.append((tag, found.get("class", "")))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "li" and found.get("class") in self.notices:
            self.notices[found["class"]].append("")

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"{opened} is ended by {tag}"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        tags = [tag for tag, _ in self._open]
        if tags[-1:] == ["title"]:
            self.title += data
        if {"td", "th"} & set(tags):
            self.rows[-1][-1] += data
        if self._open and tags[-1] == "li" and self._open[-1][1] in self.notices:
            self.notices[self._open[-1][1]][-1] += data

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def row(self, name: str) -> list[str]:
        """Return the other cells of the first row of a name."""
        return next(row[1:] for row in self.rows if row and row[0] == name)

    def addresses(self) -> list[str]:
        """Return the addresses of all that a browser would load."""
        return [value for _, name, value in self.attributes if name in OUTSIDE]


def read_page(*folders: Path) -> Page:
    """Return the page on runs."""
    return Page(page([read_run(folder) for folder in folders])[0])


def write_run(folder: Path, scalars: dict[str, list[float]] | None = None, **files: object) -> Path:
    """Write a folder of a run by hand: metrics by tag, one value an epoch of ten steps, and JSON files by name."""
    folder.mkdir(parents=True)
    with SummaryWriter(str(folder)) as writer:
        for tag, values in (scalars or {}).items():
            for epoch, value in enumerate(values):
                writer.add_scalar("epoch", epoch, 10 * epoch + 9)
                writer.add_scalar(tag, value, 10 * epoch + 9)
    for name, content in files.items():
        path = folder / ("config.yaml" if name == "config" else f"{name}.json")
        path.write_text(yaml.safe_dump(content) if name == "config" else json.dumps(content))
    return folder


def settings(seed: int = 0, **others: object) -> dict[str, object]:
    """Return the settings of a run."""
    network = {"class_path": "models.networks.MLP", "init_args": {"widths": [8], "dropout": 0.0} | others}
    model = {"class_path": "models.Classifier", "init_args": {"network": network}}
    return {"seed_everything": seed, "model": model, "checkpoint": {"monitor": "val/loss", "mode": None}}


def split(val: str = "b" * 64, **others: object) -> dict[str, object]:
    """Return the manifest of a split."""
    parts = {
        part: {"size": size, "sha256": sha256, "class_counts": {"cat": size // 2, "dog": size // 2}}
        for part, size, sha256 in (("train", 80, "a" * 64), ("val", 10, val), ("test", 10, "c" * 64))
    }
    source = {"name": "Pets", "samples": 100, "sha256": "d" * 64}
    duplicates = {"train/val": 0, "train/test": 0, "val/test": 0}
    return {"source": source, "arguments": {"seed": 0}, "parts": parts, "duplicates": duplicates} | others


def summary(loss: float = 0.5, **others: object) -> dict[str, object]:
    """Return the summary of a run whose second epoch of three is the best."""
    best = {"epoch": 1, "val/loss": loss, "val/accuracy": 0.8, "train/loss": loss / 2}
    last = best | {"epoch": 2, "val/loss": loss + 0.1}
    return {
        "epochs": 3, "stopped": "max_epochs", "monitor": "val/loss", "mode": "min", "best": best, "last": last,
        "best_is_last": False, "gap": {"loss": loss / 2}, "gap_to": "training", "command": "holdout fit -c r.yaml",
        "git_commit": "0123abc", "versions": {"torch": "2.14"}, "seed": 0, "warnings": [],
    } | others  # fmt: skip
