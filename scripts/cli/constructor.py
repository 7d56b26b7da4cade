"""A class by its path, and the arguments of its constructor: types in short words, defaults, descriptions."""

import collections.abc
import inspect
import re
import typing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from datamodules.argument_kinds import members
from models.init_args import find_class
from models.signatures import constructor_parameters, made_by
from scripts.cli.start_up_cache import PACKAGES

REQUIRED = UNTYPED = inspect.Parameter.empty
SEQUENCES = (list, tuple, set, collections.abc.Sequence, collections.abc.Iterable)
WORDS = {str: "text", int: "int", float: "float", bool: "bool", Path: "path", dict: "mapping", type(None): "null"}


@dataclass(frozen=True)
class Argument:
    """An argument of a constructor.

    Attributes:
        name: Its name.
        annotation: Its type.
        default: Its default, `REQUIRED` if it has none.
        help: Its description.
    """

    name: str
    annotation: Any
    default: Any
    help: str

    def type_words(self) -> str:
        """Return the type in short words, such as "float" or "list of Regularizer"; by default the default's."""
        if self.annotation is not UNTYPED:
            return words(self.annotation)
        return "" if self.default in (None, REQUIRED) else words(type(self.default))

    def default_words(self) -> str:
        """Return the default as YAML writes it, "required" if there is none, "" for null."""
        if self.default is REQUIRED:
            return "required"
        return "" if self.default is None else f"default: {_value(self.default)}"


@cache
def constructor_arguments(cls: type) -> list[Argument]:
    """Return the arguments of a class, those that it hands on by `**kwargs` among them."""
    return [
        Argument(found.name, found.annotation, found.default, _description(found.doc or "", found.parent))
        for found in constructor_parameters(cls)
    ]


def class_arguments(path: str) -> dict[str, Argument]:
    """Return the arguments of the class at a path by their names, {} if there is no such class."""
    cls = find_class(path)
    return {argument.name: argument for argument in constructor_arguments(cls)} if cls is not None else {}


def is_own(cls: Any) -> bool:
    """Return whether a class is this project's."""
    return cls.__module__.split(".")[0] in PACKAGES


def first_line(cls: type) -> str:
    """Return the first paragraph of a class's own docstring, or else of its constructor's; "" if it has neither."""
    documented = vars(cls).get("__doc__") or getattr(vars(cls).get("__init__"), "__doc__", None) or ""
    return _plain(inspect.cleandoc(documented).split("\n\n")[0])


def words(annotation: Any) -> str:
    """Return a type in short words."""
    parts = [part for part in members(annotation) if part is not type(None)]
    choices = [str(choice) for part in parts if _is_literal(part) for choice in typing.get_args(part)]
    named = [_type_word(part) for part in parts if not _is_literal(part)]
    listed = ["{" + ",".join(dict.fromkeys(choices)) + "}"] if choices else []
    return " | ".join(dict.fromkeys([*listed, *named]))


def _type_word(part: Any) -> str:
    origin, inner = typing.get_origin(part), typing.get_args(part)
    if origin is collections.abc.Callable:
        return words(inner[1]) if inner else "function"
    if (made := made_by(part)) is not None:
        return words(made)
    if origin in SEQUENCES:
        kinds = dict.fromkeys(words(kind) for kind in inner if kind is not Ellipsis)
        return "list of " + " | ".join(kinds)
    name: str = WORDS.get(origin or part) or getattr(part, "__name__", None) or str(part).rsplit(".", 1)[-1]
    return name


def _is_literal(part: Any) -> bool:
    return typing.get_origin(part) is typing.Literal


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if value is None:
        return "null"
    if isinstance(value, str | int | float | Path):
        return str(value) or '""'
    return type(value).__name__


def _description(text: str, owner: Any) -> str:
    """Return an argument's description; of a library's, which may be a page, the first sentence."""
    plain = _plain(text)
    return plain if is_own(owner) else re.sub(r"\s*Default: .*$", "", re.split(r"(?<=[^.][.])\s+(?=[A-Z`])", plain)[0])


def _plain(text: str) -> str:
    """Return the first paragraph of a description as plain words: no markup of Sphinx, no default said twice."""
    text = " ".join(re.split(r"\n\s*\n|\n?\s*\.\. ", text.strip())[0].split())
    text = re.sub(r":\w+(?::\w+)*:`~?\.?([^`<]+?)(?: <[^`]*>)?`", lambda match: match[1].rsplit(".", 1)[-1], text)
    return re.sub(r"\s*\((?:optional, )?default: [^()]*(?:\([^()]*\)[^()]*)*\)", "", text).replace("``", "`")
