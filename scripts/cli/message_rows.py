"""The table of jsonargparse's errors: patterns and our wordings.

The patterns are those of the version that `pyproject.toml` bounds; a test makes every row's message for real.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.cli.classes import CLASS_MODULES, class_arguments, class_names
from scripts.cli.command_line import missing_file
from scripts.cli.suggestion import did_you_mean, suggest_flag

CLASSES_BEHIND_FLAGS = {
    "--model.optimizer": "torch.optim.AdamW",
    "--model.network": "models.networks.MLP",
    "--model": "models.Classifier",
    "--data": "datamodules.Digits",
}
PACKAGES = [name.rsplit(".", 1)[-1] for name in CLASS_MODULES]
LISTS = {"int": "a list of whole numbers such as [8,9]", "float": "a list of numbers such as [0.5]"}
TYPES = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text", "tuple": "a list"}

FACTORY_VALUE = r"(?:\. Got value: Namespace\(.*)?$"  # the value of the whole factory, after the value at fault
GIVEN_VALUE = re.compile(rf"Given value: (.*?){FACTORY_VALUE}", re.MULTILINE)
UNION = re.compile(r"Subtypes: \[(.+)\]$", re.MULTILINE)
WANTED_CLASS = re.compile(r"Import path does not correspond to a subclass of (\w+)")
CLASS_IN_UNION = re.compile(r"\.[A-Z]\w*'?[>\]]")
LISTED_CLASS = re.compile(r"list\[(?:\w+\.)+([A-Z]\w*)\]")
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


Wording = Callable[[re.Match[str], Problem], str | None]


@dataclass(frozen=True)
class Row:
    """A kind of error.

    Attributes:
        name: What it is about.
        pattern: Found in jsonargparse's message.
        wording: Our line, given the match; None leaves the message to the rows below.
    """

    name: str
    pattern: re.Pattern[str]
    wording: Wording


def _unknown_flag(match: re.Match[str], problem: Problem) -> str:
    flag = match[1].split("=")[0]
    behind = [f"{prefix}.{name}" for prefix, path in CLASSES_BEHIND_FLAGS.items() for name in class_arguments(path)]
    known = [name for name in problem.flags if not name.endswith(".help")]
    return f"unknown argument {flag}" + suggest_flag(flag, [*known, *behind])


def _unknown_key(match: re.Match[str], problem: Problem) -> str:
    key = ".".join(filter(None, match.groups())).split(".class_path")[0].split(".init_args")[0]
    return f"unknown key {key!r}" + did_you_mean(key, [flag.lstrip("-") for flag in problem.flags])


def _unknown_argument(match: re.Match[str], problem: Problem) -> str:
    factory = re.search(r"class_path='([\w.]+)'", match.string)
    owner = factory[1] if factory else problem.class_path
    options = class_arguments(owner)
    argument = match[1].split(".")[0]
    if argument == "class_path":
        return "the arguments of an item go under its init_args"
    if not options and LISTED_CLASS.search(problem.message):
        return f"no item has an argument {argument!r}; add an item to the list first"
    hint = did_you_mean(argument, options) or (f"; it has {', '.join(options)}" if options else "")
    return f"{owner.rsplit('.', 1)[-1]} has no argument {argument!r}{hint}"


def _no_class(match: re.Match[str], problem: Problem) -> str:
    word, names = match[1], class_names()
    if problem.takes_number:
        return f"{word!r} is not a number"
    if word in names:
        wanted = LISTED_CLASS.search(problem.message)
        return f"{word} is not a {wanted[1]}" if wanted else f"{word} cannot be used there"
    if word.lower() in ("false", "none", "off"):
        return f"there is no class {word!r}; null switches it off"
    longer = [name for name in names if word and name.lower().startswith(word.lower())]
    return f"there is no class {word!r}" + did_you_mean(word, longer or names)


def _not_a_class(_: re.Match[str], problem: Problem) -> str:
    """Word a path of a class of another kind, or of something that is not a class."""
    path, wanted = problem.value, WANTED_CLASS.findall(problem.message)[-1]  # the last one is the most general
    owner, name = path.rpartition(".")[::2]
    named = getattr(sys.modules.get(owner), name, None)
    if isinstance(named, type):
        return f"{path} is not a {wanted}"
    kind = "a function" if callable(named) else "not a class"
    if problem.place.endswith("network") and (torchvision := FUNCTION_NETWORK.search(path)):
        return f"{path} is {kind}; use models.networks.Pretrained with architecture {torchvision[1]}"
    return f"{path} is {kind}; give the path of a {wanted} class"


def _wrong_factory(match: re.Match[str], _: Problem) -> str:
    names = re.sub(r"(?:Union)?\[([\w, .]+)\]", r"\1", match[2]).rstrip(".").replace(", ", " or ")
    return f"{match[1]} is not a {names}"


def _abstract(match: re.Match[str], _: Problem) -> str:
    choices = [cls.__name__ for cls in getattr(sys.modules[match[1]], match[2]).__subclasses__()]
    return f"{match[2]} is abstract; choose {', '.join(choices[:-1])} or {choices[-1]}"


def _missing_arguments(match: re.Match[str], problem: Problem) -> str | None:
    if not problem.class_path:
        return None
    known = match[1].split(",")[0] in class_arguments(problem.class_path)
    return f"{problem.class_name} needs {match[1]}" if known else f"needs {match[1]}"


def _wrong_value(match: re.Match[str], _: Problem) -> str | None:
    return None if "NoneType" in match[1] else f"{match[2]!r} is not {_type_words(match[1])}"


def _wrong_union(_: re.Match[str], problem: Problem) -> str | None:
    union, value = UNION.findall(problem.message)[-1], problem.value  # the innermost type is named last
    hint = did_you_mean(value, class_names()) if CLASS_IN_UNION.search(union) else ""
    if LISTED_CLASS.search(union) and (value in class_names() or not value.isidentifier()):
        hint = f"; write a list as [A, B], and add to one with --{problem.place}+ A"
    elif "list[" in union and "," in value:
        hint = f"; write a list as [{value.strip('[]').replace(',', ', ')}]"
    return f"{value!r} is not {_type_words(union)}{hint}"


def _type_words(annotation: str) -> str:
    if choices := re.findall(r"Literal\[(.+?)\]", annotation):
        return "one of " + ", ".join(dict.fromkeys(", ".join(choices).replace("'", "").split(", ")))
    words = re.sub(r"<class '([\w.]+)'>", r"\1", annotation).replace("NoneType", "null").replace("typing.", "")
    listed = re.sub(r"list\[(?:[\w.]+\.)?(\w+)\]", lambda match: LISTS.get(match[1], f"a list of {match[1]}"), words)
    return " or ".join(TYPES.get(word.strip(), word.strip()) for word in listed.split(", "))


def _row(name: str, pattern: str, wording: Wording) -> Row:
    return Row(name, re.compile(pattern, re.MULTILINE), wording)


# Found in the whole message.
WHOLE_ROWS = (
    _row("unknown flag", r"unrecognized arguments: (\S+)", _unknown_flag),
    _row(
        "no model or data",
        r"\Athe following arguments are required: (data|model)\b",
        lambda match, _: f"no {match[1]} is named; give a recipe, which names model and data, as the first -c",
    ),
    _row("unknown key", r"\A(?:Group '(\w+)' does not accept option|Option) '([^']+)'", _unknown_key),
    _row("sub-config", r'Unable to load config "([^"]+)"', lambda match, _: missing_file(Path(match[1]))),
)
# Found in a line of it, outermost first.
LINE_ROWS = (
    _row("unknown argument", r"Option '([^']+)' is not accepted", _unknown_argument),
    _row(
        "no class in module",
        r"module '([\w.]+)' has no attribute '(\w+)'",
        lambda match, _: (
            f"there is no class {match[1]}.{match[2]}" + did_you_mean(match[2], (*class_names(), *PACKAGES))
        ),
    ),
    _row(
        "ambiguous",
        r"Multiple subclasses with name (\w+)\. Give the full class path to avoid ambiguity: (.+)\.$",
        lambda match, _: f"several classes are called {match[1]}; give its full path: {match[2].replace(', ', ' or ')}",
    ),
    _row("no class", r"Expected a dot import path string:\s*(.*)$", _no_class),
    _row("abstract", r"Expected an instantiatable class, but (\w+)\.(\w+) is abstract", _abstract),
    _row(
        "not a path",
        rf"Unexpected import path format: (.+?){FACTORY_VALUE}",
        lambda match, problem: f"{match[1]!r} is not {'a number' if problem.takes_number else 'a class'}",
    ),
    _row(
        "no module",
        r"No module named '([\w.]+)'",
        lambda match, _: f"there is no module {match[1]!r}" + did_you_mean(match[1], CLASS_MODULES),
    ),
    _row(
        "wrong class",
        r"Import path ([\w.]+) does not correspond to a subclass of (\w+)",
        lambda match, _: f"{match[1]} is not a {match[2]}",
    ),
    _row("not a class", WANTED_CLASS.pattern, _not_a_class),
    _row("wrong factory", r"Expected '([\w.]+)' to be a (?:subclass of|function that returns) (.+?)\.", _wrong_factory),
    _row(
        "module as factory",
        r"Unexpected import object <module '([\w.]+)'",
        lambda match, _: f"{match[1]} is a module; give the path of a class in it",
    ),
    _row(
        "wrong item",
        r"Not a valid subclass of (\w+)\. Got value: (.+)$",
        lambda match, _: f"{match[2]!r} is not a {match[1]}",
    ),
    _row("missing arguments", r"the following arguments are required: (.+)$", _missing_arguments),
    _row("wrong value", rf"Expected a (.+?)\. Got value: (.*?){FACTORY_VALUE}", _wrong_value),
)
# Found in the whole message, if no line says more.
LAST_ROWS = (
    _row(
        "reason",
        r"^\s*- (?!Does not validate|Expected a <class|Expected a path|Expected a typing\.Literal|"
        r"Type typing\.Callable|Problem with given class_path)(.+)$",
        lambda match, _: match[1],
    ),
    _row("wrong union", UNION.pattern, _wrong_union),
)
ROWS = (*WHOLE_ROWS, *LINE_ROWS, *LAST_ROWS)
