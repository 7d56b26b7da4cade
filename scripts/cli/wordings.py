"""Our wordings of jsonargparse's errors, each given the match of its pattern in `scripts/cli/messages.py`."""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

from models.init_args import find_class
from scripts.cli.choices import class_names, exported, is_abstract, package_names
from scripts.cli.class_help import flags_below
from scripts.cli.constructor import class_arguments, constructor_arguments, is_own
from scripts.cli.flags import did_you_mean, missing_file, unknown_flag
from scripts.cli.hyperparameters import FROM_DATA
from scripts.cli.jobs import JOBS
from scripts.cli.own_files import own_hint

LISTS = {"int": "a list of whole numbers such as [8,9]", "float": "a list of numbers such as [0.5]"}
TYPES = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text", "tuple": "a list"}

FACTORY_VALUE = r"(?:\. Got value: Namespace\(.*)?$"  # the value of the whole factory, after the value at fault
FACTORY_CLASS = re.compile(r"class_path='([\w.]+)'")
GIVEN_VALUE = re.compile(rf"Given value: (.*?){FACTORY_VALUE}", re.MULTILINE)
UNION = re.compile(r"Subtypes: \[(.+)\]$", re.MULTILINE)
WANTED_CLASS = re.compile(r"Import path does not correspond to a subclass of (\w+)")
CLASS_IN_UNION = re.compile(r"\.[A-Z]\w*'?[>\]]")
LISTED_CLASS = re.compile(r"list\[(?:\w+\.)+([A-Z]\w*)\]")
LIST = re.compile(r"list\[(?:[\w.]+\.)?(\w+?)(?:Factory)?\]")
FUNCTION_NETWORK = re.compile(r"torchvision\.models\.(\w+)$")


@dataclass
class Problem:
    """An error that is being read.

    Attributes:
        message: All of it.
        flags: The flags of the parser, to suggest from.
        place: Where in the recipe the line at hand is: "model.network".
        class_path: The class whose arguments it is about.
        takes_number: Whether a number is allowed where no class was found.
    """

    message: str
    flags: list[str]
    place: str = ""
    class_path: str = ""
    takes_number: bool = False

    @property
    def class_name(self) -> str:
        """The class's name without its module."""
        return self.class_path.rsplit(".", 1)[-1]

    @property
    def value(self) -> str:
        """The value at fault: the innermost is named first."""
        values = GIVEN_VALUE.findall(self.message)
        return values[0] if values else ""


def unknown_word(match: re.Match[str], problem: Problem) -> str:
    """Word what the parser has no flag for: a word that stands alone, or a flag of `scripts.fit`."""
    return unknown_flag(match[1].split("=")[0], [*problem.flags, *flags_below(JOBS["fit"])])


def unknown_key(match: re.Match[str], problem: Problem) -> str:
    """Word an unknown key of a recipe."""
    key = ".".join(filter(None, match.groups())).split(".class_path")[0].split(".init_args")[0]
    return f"unknown key {key!r}" + did_you_mean(key, [flag.lstrip("-") for flag in problem.flags])


def unknown_argument(match: re.Match[str], problem: Problem) -> str:
    """Word an argument that a class does not have."""
    factory = FACTORY_CLASS.search(match.string)
    owner = factory[1] if factory else problem.class_path
    options = class_arguments(owner)
    argument = match[1].split(".")[0]
    if argument in options:
        return f"{argument} is filled in from the data; leave it out"
    if argument == "class_path":
        return "the arguments of an item go under its init_args"
    if not options and LISTED_CLASS.search(problem.message):
        return f"no item has an argument {argument!r}; add an item to the list first"
    hint = did_you_mean(argument, options) or (f"; it has {', '.join(options)}" if options else "")
    return f"{owner.rsplit('.', 1)[-1]} has no argument {argument!r}{hint}"


def unknown_nested_flag(match: re.Match[str], problem: Problem) -> str:
    """Word a flag that a nested parser refuses: "split.fol" of `--data.split.fol`."""
    first = match[1].split(".")[0]
    known = class_arguments(problem.class_path)
    inner = known[first].annotation if first in known else None
    if isinstance(inner, type):
        names = [f"{first}.{argument.name}" for argument in constructor_arguments(inner)]
        closest = did_you_mean(match[1], names)
    else:
        closest = did_you_mean(first, known)
    return f"{problem.class_name} has no argument {match[1]!r}{closest}"


def sub_config(match: re.Match[str], _: Problem) -> str:
    """Word a value for a group of settings that is not the name of a file."""
    value = match[1]
    return missing_file(Path(value)) if Path(value).suffix else f"{value!r} is neither a mapping nor a file"


def python_file(match: re.Match[str], _: Problem) -> str:
    """Word a Python file in place of a class in it."""
    return f"{match[1]} is a file of Python, not a class{own_hint(match[1]) or ''}"


def no_class_in_module(match: re.Match[str], _: Problem) -> str:
    """Word a class that its module does not have; the user's own module suggests from its classes alone."""
    module, name = match.groups()
    packages = (package.rsplit(".", 1)[-1] for package in package_names())
    there = [own for own in vars(sys.modules.get(module, sys)) if own[0].isupper()]
    closest = own_hint(f"{module}.{name}") or did_you_mean(name, (*there, *class_names(), *packages))
    return f"there is no class {module}.{name}{closest}"


def no_name_in_module(match: re.Match[str], _: Problem) -> str:
    """Word an import, in a file of the user's own, of a name that its module does not have."""
    name, module = match.groups()
    return f"cannot import {name!r} from {module!r}{did_you_mean(name, dir(sys.modules.get(module)))}"


def no_class(match: re.Match[str], problem: Problem) -> str:
    """Word a short name that no class has, or a class of another kind has."""
    word, names = match[1], class_names()
    if problem.takes_number:
        return f"{word!r} is not a number"
    if word in names:
        wanted = LISTED_CLASS.search(problem.message)
        return _is_not(word, wanted[1]) if wanted else f"{word} cannot be used there"
    if word.lower() in ("false", "none", "off"):
        return f"there is no class {word!r}; null switches it off"
    if own := own_hint(word):
        return f"there is no class {word!r}{own}"
    longer = [name for name in names if word and name.lower().startswith(word.lower())]
    return f"there is no class {word!r}" + did_you_mean(word, longer or names)


def not_a_class(_: re.Match[str], problem: Problem) -> str:
    """Word a path of a class of another kind, or of something that is not a class."""
    path, wanted = problem.value, WANTED_CLASS.findall(problem.message)[-1]  # the last one is the most general
    owner, name = path.rpartition(".")[::2]
    named = getattr(sys.modules.get(owner), name, None)
    if isinstance(named, type):
        return _is_not(path, wanted)
    kind = "a function" if callable(named) else "not a class"
    if problem.place.endswith("network") and (torchvision := FUNCTION_NETWORK.search(path)):
        return f"{path} is {kind}; use models.networks.Pretrained with architecture {torchvision[1]}"
    return f"{path} is {kind}; give the path of a {wanted} class"


def wrong_class(match: re.Match[str], problem: Problem) -> str | None:
    """Word a class that does not fit, unless another type of a union takes it: then that one's reason counts."""
    taken = re.search(rf"{re.escape(match[0])}\n\s*- (?!Import path|Expected a|Not a valid)", problem.message)
    return None if taken else _is_not(match[1], match[2])


def wrong_factory(match: re.Match[str], _: Problem) -> str:
    """Word a class or function that does not make the objects wanted, such as optimizers."""
    names = re.sub(r"(?:Union\[|<class ')([\w, ]+)(?:\]|'>)", r"\1", match[2]).replace(", ", " or ")
    return _is_not(match[1], names)


def wrong_item(match: re.Match[str], _: Problem) -> str:
    """Word an item of a list that is not a class."""
    return _is_not(repr(match[2]), match[1])


def _is_not(what: str, kind: str) -> str:
    return f"{what} is not {'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


def abstract(match: re.Match[str], problem: Problem) -> str:
    """Word an abstract class: its subclasses are the choice; one without any that a recipe may name is for Python."""
    path = match[1] or problem.value  # jsonargparse takes the value out of a union's message
    name = path.rpartition(".")[2]
    cls = next((cls for cls in exported() if cls.__name__ == name), None) or find_class(path)
    choices = [other.__name__ for other in exported() if cls in other.__mro__[1:] and not is_abstract(other)]
    if not choices and cls is not None and not is_own(cls):
        choices = list(dict.fromkeys(_concrete_names(cls)))
    if not choices:
        return f"{name} is for use from Python: a recipe cannot hold what it is made of"
    return f"{name} is abstract; choose {', '.join(choices[:-1])} or {choices[-1]}"


def _concrete_names(cls: type[Any]) -> Iterator[str]:
    for subclass in cls.__subclasses__():
        if subclass.__subclasses__():
            yield from _concrete_names(subclass)
        else:
            yield subclass.__name__


def missing_arguments(match: re.Match[str], problem: Problem) -> str | None:
    """Word arguments that a class needs."""
    factory = FACTORY_CLASS.search(match.string)
    owner = factory[1] if factory else problem.class_path
    if not owner:
        return None
    names, known = match[1].split(", "), class_arguments(owner)
    stated = [name for name in names if name in FROM_DATA]
    hint = f"; give it in the recipe, or state {stated[0]} in the class of the data" if stated else ""
    if names[0] not in known:
        return f"needs {match[1]}"
    if get_origin(known[names[0]].annotation) is Callable:
        hint = f", a function: mine.{names[0]}, say"
    return f"{owner.rsplit('.', 1)[-1]} needs {match[1]}{hint}"


def wrong_value(match: re.Match[str], _: Problem) -> str | None:
    """Word a value of the wrong type."""
    if "NoneType" in match[1]:
        return None
    return _not_nested(match[2]) or f"{match[2]!r} is not {_type_words(match[1])}"


def _not_nested(value: str) -> str | None:
    """Return our line for a flag below one that takes a plain value (--trainer.max_epochs.foo)."""
    nested = re.match(r"NestedArg\(key='([\w.]+)'", value)
    return f"it takes a value, not arguments such as {nested[1]!r}" if nested else None


def wrong_union(_: re.Match[str], problem: Problem) -> str | None:
    """Word a value that is of none of several types."""
    union, value = UNION.findall(problem.message)[-1], problem.value  # the innermost type is named last
    if line := _not_nested(value):
        return line
    hint = did_you_mean(value, class_names()) if CLASS_IN_UNION.search(union) else ""
    if LISTED_CLASS.search(union) and (value in class_names() or not value.isidentifier()):
        hint = f"; write a list as [A, B], and add to one with --{problem.place}+ A"
    elif "list[" in union and "," in value:
        hint = f"; write a list as [{value.strip('[]').replace(',', ', ')}]"
    return f"{value!r} is not {_type_words(union)}{hint}"


def _type_words(annotation: str) -> str:
    if choices := re.findall(r"Literal\[(.+?)\]", annotation):
        named = ", ".join(choices).replace("'", "").split(", ")
        return "one of " + ", ".join(dict.fromkeys([*(["true", "false"] if "bool" in annotation else []), *named]))
    words = re.sub(r"<class '([\w.]+)'>", r"\1", annotation).replace("NoneType", "null").replace("typing.", "")
    listed = LIST.sub(lambda match: LISTS.get(match[1], f"a list of {match[1]}"), words)
    return " or ".join(TYPES.get(word.strip(), word.strip()) for word in listed.split(", "))
