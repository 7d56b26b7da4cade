"""`holdout list WHAT`: what can be chosen, a line each.

Nothing here imports torch, unless a page is not in the start-up cache yet.
"""

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from scripts.cli.errors import UsageError
from scripts.cli.flags import did_you_mean
from scripts.cli.help_text import columns, first_sentence
from scripts.cli.jobs import JOBS, Job
from scripts.cli.start_up_cache import ROOT, StartUpCache

WIDTH = 80
LONGEST_RECIPE = 64 * 2**10  # letters that are searched for what it is for
HELP = ("-h", "--help")


@dataclass(frozen=True)
class Choice:
    """What can be listed.

    Attributes:
        help: One line on it.
        keys: Where a recipe names it, such as "model.network"; none for files.
    """

    help: str
    keys: tuple[str, ...] = ()


CHOICES = {
    "recipes": Choice("files that describe a training, each with its purpose"),
    "overlays": Choice("files that change a recipe"),
    "tasks": Choice("kinds of targets: classes, labels or numbers", ("model",)),
    "networks": Choice("maps from inputs to outputs", ("model.network",)),
    "datasets": Choice("data, and readers of data of your own", ("data",)),
    "regularizers": Choice("methods against overfitting, by batch, targets or penalty", ("model.regularizers",)),
    "losses": Choice("functions to minimise", ("model.loss",)),
    "augmentation": Choice("random changes of training images", ("data.augmentation",)),
    "callbacks": Choice("early stopping, checkpoints, averaging, measurements and figures", ("trainer.callbacks",)),
    "optimizers": Choice("optimizers, and wrappers such as SAM", ("model.optimizer_wrapper", "model.optimizer")),
    "schedules": Choice("learning-rate schedules", ("model.lr_scheduler",)),
}


def run(job: Job, words: list[str]) -> None:
    """Print a list, or what can be listed.

    Args:
        job: The job.
        words: What to list; none for what can be listed.

    Raises:
        UsageError: The words name something else.
    """
    if not words or any(word in HELP for word in words):
        rows = [(name, choice.help) for name, choice in CHOICES.items()]
        print(f"usage: {job.usage}\n\n{columns(rows, width=WIDTH)}")
        return
    name, there = words[0], f"; there are {', '.join(CHOICES)}"
    if len(words) > 1:
        raise UsageError(f"list takes one word, not {' '.join(words)!r}{there}")
    if name not in CHOICES:
        raise UsageError(f"there is no list of {name!r}{did_you_mean(name, CHOICES) or there}")
    print(class_page(name) if CHOICES[name].keys else file_page(name))


def class_page(name: str) -> str:
    """Return a list of classes, and how to choose one."""
    cache, question = StartUpCache.read(), f"list {name}"
    if question not in cache.pages:
        from scripts.cli.class_help import class_list

        pages = [class_list(JOBS["fit"].options, key, WIDTH) for key in CHOICES[name].keys]
        cache.pages[question] = "\n\n".join(pages)
        cache.write()
    return cache.pages[question]


def file_page(name: str) -> str:
    """Return a list of recipes or overlays, each by what its first comment says, and how to use one."""
    folder = Path("configs") if Path("configs").is_dir() else ROOT / "configs"
    found = folder.glob("*.yaml" if name == "recipes" else "*/*.yaml")
    files = sorted(path for path in found if path.is_file())  # who opens a named pipe waits for ever
    if not files:
        raise UsageError(f"there are no {name} in {folder}")
    rows = [(_shown(str(path.relative_to(folder).with_suffix(""))), _shown(purpose(path))) for path in files]
    example = next((path for path in files if path.stem in ("digits", "mixup")), files[0])
    given = f"-c {example}" if name == "recipes" else f"-c RECIPE -c {example}"
    return f"{columns(rows, width=WIDTH)}\n\nUse: holdout fit {given}"


def _shown(text: str) -> str:
    """Return text as a terminal shows and does not obey it."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def purpose(path: Path) -> str:
    """Return the first sentence of a file's opening comment that is not a command, or else the classes it names."""
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(LONGEST_RECIPE)
    comment = [line.removeprefix("#").strip() for line in takewhile(lambda line: line[:1] == "#", text.splitlines())]
    said = first_sentence(" ".join(line for line in comment if not line.startswith("holdout ")))
    return said or ", ".join(dict.fromkeys(re.findall(r"class_path: [\w.]*?(\w+)\b(?![.\w])", text)))
