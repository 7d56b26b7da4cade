"""The classes that fit an argument: those that this project's packages export, and where others are found."""

import collections.abc
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from datamodules.argument_kinds import members
from models.init_args import find_class
from models.signatures import made_by
from scripts.cli.constructor import SEQUENCES, Argument, constructor_arguments, is_own
from scripts.cli.jobs import JOBS, Option
from scripts.cli.start_up_cache import PACKAGES, VERSIONED

MAX_DEPTH = 2  # model.regularizers.regularizer
MAX_NAMED = 30  # a base with more public subclasses than this (torch.nn.Module) says little of what fits


@dataclass(frozen=True)
class Slot:
    """A place for an object of some class, or for a list of them.

    Attributes:
        bases: Classes that an object there derives from, this project's first.
        several: Whether the place takes a list.
        given: Types of the arguments that are filled in where the object is made: an optimizer is given the parameters.
    """

    bases: tuple[type, ...]
    several: bool = False
    given: tuple[Any, ...] = ()

    @property
    def own(self) -> Mapping[type, str]:
        """This project's classes that fit, with their paths."""
        return _own_classes(self)

    def takes(self, cls: type) -> bool:
        """Return whether an object of a class fits."""
        is_base = cls in self.bases and _has_subclasses(cls)
        if is_base or is_abstract(cls) or not issubclass(cls, self.bases):
            return False
        return [_class_of(kind) for kind in self.given] == _leading_classes(cls, len(self.given))

    def arguments(self, cls: type) -> list[Argument]:
        """Return the arguments of a class that are left to set."""
        return constructor_arguments(cls)[len(self.given) :]

    @property
    def single(self) -> type | None:
        """The class, if the place is made for one class alone."""
        if len(self.bases) != 1 or not is_own(self.bases[0]):
            return None
        return None if _has_subclasses(self.bases[0]) or is_abstract(self.bases[0]) else self.bases[0]

    @property
    def others(self) -> Mapping[str, type]:
        """Classes of other packages that fit, by their short names."""
        return _other_classes(self)

    @property
    def is_specific(self) -> bool:
        """Whether classes of other packages are few enough to name."""
        return not any(_is_general(base) for base in self.foreign_bases)

    @property
    def foreign_bases(self) -> list[type]:
        """The bases that are not this project's."""
        return [base for base in self.bases if not is_own(base)]


def slot_of(annotation: Any) -> Slot | None:
    """Return the place that an argument of this type is, None if it takes plain values only."""
    bases: list[type] = []
    several, given = False, ()
    for part in members(annotation):
        origin, inner = typing.get_origin(part), typing.get_args(part)
        if origin is collections.abc.Callable and inner and isinstance(inner[0], list):
            nested = slot_of(inner[1])
            given = tuple(inner[0]) if nested else given
        elif origin in SEQUENCES and inner:
            nested = slot_of(inner[0])
            several = several or nested is not None
        elif (made := made_by(part)) is not None:
            nested = slot_of(made)
        else:
            nested = Slot((part,)) if _is_configurable(part) else None
        bases += nested.bases if nested else ()
    bases.sort(key=lambda base: not is_own(base))
    return Slot(tuple(dict.fromkeys(bases)), several, given) if bases else None


def root_slot(option: Option) -> Slot:
    """Return the place that an option of a job is."""
    cls = find_class(option.class_path)
    assert cls is not None, option.class_path
    return Slot((cls,))


def arguments_below(slot: Slot) -> dict[str, Argument]:
    """Return the arguments of all of this project's classes that fit a place; of one name, that of the widest type."""
    found: dict[str, Argument] = {}
    for cls in slot.own or ([slot.single] if slot.single else []):
        for argument in slot.arguments(cls):
            before = found.get(argument.name)
            wider = before is None or len(members(argument.annotation)) > len(members(before.annotation))
            found |= {argument.name: argument} if wider else {}
    return found


def all_slots(options: Sequence[Option]) -> Iterator[tuple[str, Slot]]:
    """Yield (key, place) of every place below the given options, the upper ones first."""
    waiting = [(option.name, root_slot(option)) for option in options if option.class_path]
    while waiting:
        key, slot = waiting.pop(0)
        yield key, slot
        if key.count(".") < MAX_DEPTH:
            places = {name: slot_of(argument.annotation) for name, argument in arguments_below(slot).items()}
            waiting += [(f"{key}.{name}", place) for name, place in places.items() if place is not None]


@cache
def exported() -> Mapping[type, str]:
    """Return the classes that the packages of this project export, each with its shortest path."""
    rooms = [importlib.import_module(room) for room in PACKAGES]
    inner = [
        importlib.import_module(found.name)
        for room in rooms
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
        if found.ispkg
    ]
    classes: dict[type, str] = {}
    for package in (*rooms, *inner):
        for name in getattr(package, "__all__", ()):
            item = getattr(package, name)
            if inspect.isclass(item):
                classes.setdefault(item, f"{package.__name__}.{name}")
    return classes


@cache
def class_names() -> list[str]:
    """Return the short names of the classes that a recipe may name: this project's, and others that fit somewhere."""
    slots = [slot for _, slot in all_slots(JOBS["fit"].options)]
    others = [name for slot in slots for name in (*slot.others, *(base.__name__ for base in slot.bases))]
    bases = {base for slot in slots for base in slot.bases}
    items = {base for slot in slots if slot.several for base in slot.foreign_bases}
    narrow = [base for base in items if not any(issubclass(other, base) for other in bases - {base})]
    others += sorted(cls.__name__ for base in narrow for cls in loaded(base))
    return list(dict.fromkeys([*(cls.__name__ for cls in exported()), *others]))


@cache
def package_names() -> list[str]:
    """Return the packages that those classes are named in, such as "models.networks" and "torch.optim"."""
    own = [path.rpartition(".")[0] for path in exported().values()]
    bases = [base for _, slot in all_slots(JOBS["fit"].options) for base in slot.foreign_bases]
    return list(dict.fromkeys([*own, *map(namespace, bases)]))


def loaded(base: type) -> Iterator[type]:
    """Yield the public subclasses of a class that are imported: their short names are enough in a recipe."""
    below: list[type] = base.__subclasses__()
    for cls in below:
        if not cls.__name__.startswith("_"):
            yield cls
        yield from loaded(cls)


def path_of(cls: type) -> str:
    """Return the path that a recipe names a class by."""
    return exported().get(cls) or f"{namespace(cls)}.{cls.__name__}"


@cache
def namespace(cls: type) -> str:
    """Return the package that a user imports a class and its like from: of `torch.nn.modules.module`, `torch.nn`."""
    parts = cls.__module__.split(".")
    parents = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    offering = [name for name in reversed(parents) if getattr(importlib.import_module(name), cls.__name__, None) is cls]
    return max(offering, key=lambda name: len(_public_subclasses(cls, name)), default=cls.__module__)


@cache
def _own_classes(slot: Slot) -> Mapping[type, str]:
    telling = [base for base in slot.bases if is_own(base)] or [base for base in slot.bases if not _is_general(base)]
    fitting = Slot(tuple(telling), slot.several, slot.given)
    return {cls: path for cls, path in exported().items() if fitting.takes(cls)}


@cache
def _other_classes(slot: Slot) -> Mapping[str, type]:
    found: dict[str, type] = {}
    for base in slot.foreign_bases:
        found = _public_subclasses(base, namespace(base)) | found
    return {name: cls for name, cls in found.items() if slot.takes(cls)}


@cache
def _public_subclasses(base: type, package: str) -> dict[str, type]:
    module = importlib.import_module(package)
    found = {name: item for name, item in vars(module).items() if inspect.isclass(item) and not name.startswith("_")}
    return {name: cls for name, cls in found.items() if issubclass(cls, base) and cls is not base}


def _is_configurable(part: Any) -> bool:
    """Return whether a type is a class with arguments of its own to set, not a plain value or a tensor."""
    plain = ("builtins", "datetime", "inspect", "pathlib", "typing")  # inspect's stands for no type
    return inspect.isclass(part) and part.__module__.split(".")[0] not in plain and part.__module__ != "torch"


def _class_of(kind: Any) -> type | None:
    """Return the class of this project or of torch that a type names; None for `Iterable` and other shapes."""
    return kind if _is_configurable(kind) and kind.__module__.split(".")[0] in VERSIONED else None


def _leading_classes(cls: type, count: int) -> list[type | None]:
    return [_class_of(argument.annotation) for argument in constructor_arguments(cls)[:count]] if count else []


@cache
def is_abstract(cls: type) -> bool:
    """Return whether a class leaves methods to its subclasses."""
    return any(getattr(getattr(cls, name, None), "__isabstractmethod__", False) for name in dir(cls))


def _is_general(cls: type) -> bool:
    return len(_public_subclasses(cls, namespace(cls))) > MAX_NAMED


def _has_subclasses(cls: type) -> bool:
    return any(other is not cls and issubclass(other, cls) for other in exported())
