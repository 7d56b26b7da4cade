"""The names that people give to the parts of a dataset, in columns, files and folders."""

import re

SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validate", "validation", "dev", "devel", "development", "eval", "evaluation"),
    "test": ("test", "tests", "testing"),
}
PART_OF = {spelling: part for part, spellings in SPELLINGS.items() for spelling in spellings}
# A folder of such a name may also be a class; it is a part if one for training lies beside it.
ALSO_CLASSES = ("validate", "dev", "devel", "development", "eval", "evaluation", "tests")
SUPPLEMENT = re.compile(r"[\W_]*(sets?|data|parts?|splits?|images)$")


def part_of(name: str) -> str | None:
    """Return the part that a name means: train, val or test; None if it means none.

    Case and spaces around it do not matter, and "training_set" or "TestImages" are parts too.
    """
    return PART_OF.get(_plain(name))


def may_be_class(name: str) -> bool:
    """Return whether a name of a part may as well be that of a class."""
    return _plain(name) in ALSO_CLASSES


def _plain(name: str) -> str:
    return SUPPLEMENT.sub("", name.strip().lower())
