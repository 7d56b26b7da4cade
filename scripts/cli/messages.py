"""Makes one line, with a "did you mean", of what jsonargparse says about a mistake on the command line."""

import difflib
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from scripts.cli.classes import CLASS_MODULES, class_arguments, class_names

NESTED_KEY = re.compile(r'^Parser key "([^"]+)":?')
NESTED_CLASS = re.compile(r"^Problem with given class_path '([^']+)'")
NOT_ACCEPTED = re.compile(r"Option '([^']+)' is not accepted")
NOT_IN_SUBCOMMAND = re.compile(r"Subcommand '\w+' does not accept option '([^']+)'")
NO_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")
NO_MODULE = re.compile(r"No module named '([\w.]+)'")
NO_CLASS = re.compile(r"Expected a dot import path string:\s*(.*)$")
AMBIGUOUS = re.compile(r"Multiple subclasses with name (\w+)\. Give the full class path to avoid ambiguity: (.+)\.$")
WRONG_CLASS = re.compile(r"Import path ([\w.]+) does not correspond to a subclass of (\w+)")
FACTORY_KEY = re.compile(r"expects a function or a callable class: (?=Parser key)")
FACTORY_VALUE = r"(?:\. Got value: Namespace\(.*)?$"  # what the factory as a whole was given, after the value at fault
WRONG_VALUE = re.compile(rf"Expected a (.+?)\. Got value: (.*?){FACTORY_VALUE}")
WRONG_UNION = re.compile(r"Subtypes: \[(.+)\]$", re.MULTILINE)
GIVEN_VALUE = re.compile(rf"Given value: (.*?){FACTORY_VALUE}", re.MULTILINE)
LISTED_CLASS = re.compile(r"list\[(?:\w+\.)+([A-Z]\w*)\]")
NO_SUBCLASS = re.compile(r"Not a valid subclass of (\w+)\. Got value: (.+)$")
ABSTRACT = re.compile(r"Expected an instantiatable class, but (\w+)\.(\w+) is abstract")
NO_PATH = re.compile(r"Unexpected import path format: (.+)$")
NO_FILE = re.compile(r"File does not exist: '?([^']+?)'?$")
REQUIRED = re.compile(r"the following arguments are required: (.+)$")
PART_REQUIRED = re.compile(r"the following arguments are required: \w+\.(data|model)\b")
NO_SUBCOMMAND = re.compile(r'expected "subcommand" to be one of \{(.+?)\}')
CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.+)\)")
UNRECOGNIZED = re.compile(r"unrecognized arguments: (\S+)")
LISTS = {"int": "a list of whole numbers such as [8,9]", "float": "a list of numbers such as [0.5]"}
FLAGS_OF_CLASSES = {
    "--model.optimizer": "torch.optim.AdamW",
    "--model.network": "models.networks.MLP",
    "--model": "models.Classifier",
    "--data": "datamodules.Digits",
}
PACKAGES = [name.rsplit(".", 1)[-1] for name in CLASS_MODULES]
GENERIC_REASONS = (
    "- Does not validate",
    "- Expected a <class",
    "- Expected a path",
    "- Expected a typing.Literal",
    "- Type typing.Callable",
    "- Problem with given class_path",
)


def explain(message: str, flags: Iterable[str]) -> str:
    """Return `message`, as jsonargparse words it over many lines, as one.

    Args:
        message: What the parser complains of.
        flags: The flags there are ("--trainer.max_epochs"), to suggest from.
    """
    if match := UNRECOGNIZED.search(message):
        flag = match[1].split("=")[0]
        return f"unknown argument {flag}" + (_full_name(flag, flags) or did_you_mean(flag, flags))
    if match := NO_SUBCOMMAND.search(message):
        return f"say what to do: {match[1].replace(',', ', ')} (holdout fit -c configs/digits.yaml)"
    if match := PART_REQUIRED.search(message):
        return f"nothing says which {match[1]} to use; give a recipe, which names model and data, as the first -c"
    if match := CHOICE.search(message):
        choices = re.findall(r"'([^']+)'", match[2])
        return f"unknown subcommand {match[1]!r}" + (did_you_mean(match[1], choices) or f"; there are {match[2]}")
    if match := NO_FILE.search(message):
        return _missing_file(Path(match[1]))
    if match := NOT_IN_SUBCOMMAND.search(message):
        key = match[1].split(".class_path")[0].split(".init_args")[0]
        return f"unknown key {key!r}" + did_you_mean(key, [flag.lstrip("-") for flag in flags])
    if "Problems parsing config" in message or "Problem parsing config" in message:
        return "the config is not YAML: " + " ".join(message.split(":", 1)[1].split())
    return _explain_nested(message)


def _explain_nested(message: str) -> str:
    keys: list[str] = []
    class_path = ""
    numbers = False  # whether a number may stand where no class was found
    for line in (line.strip().removeprefix("- ") for line in FACTORY_KEY.sub("\n", message).splitlines()):
        if match := NESTED_KEY.match(line):
            keys.append(match[1])
            line = line[match.end() :].strip()
        if match := NESTED_CLASS.match(line):
            class_path = match[1]
        where = ".".join(keys)
        if match := NOT_ACCEPTED.search(line):
            named = re.search(r"class_path='([\w.]+)'", line)
            owner = named[1] if named else class_path
            options = class_arguments(owner)
            argument = match[1].split(".")[0]
            if argument == "class_path":
                return f"{where}: the arguments of an item go under its init_args"
            if not options and LISTED_CLASS.search(message):
                return f"{where}: nothing there has an argument {argument!r}; add an item to the list first"
            return f"{where}: {owner.rsplit('.', 1)[-1]} has no argument {argument!r}" + (
                did_you_mean(argument, options) or (f"; it has {', '.join(options)}" if options else "")
            )
        if match := NO_ATTRIBUTE.search(line):
            return f"{where}: there is no class {match[1]}.{match[2]}" + did_you_mean(
                match[2], (*class_names(), *PACKAGES)
            )
        if match := AMBIGUOUS.search(line):
            return (
                f"{where}: several classes are called {match[1]}; give its full path: {match[2].replace(', ', ' or ')}"
            )
        if match := WRONG_UNION.search(line):
            numbers = "<class 'float'>" in match[1]
        if match := NO_CLASS.search(line):
            return f"{where}: " + (f"{match[1]!r} is not a number" if numbers else _no_class(match[1], message))
        if match := ABSTRACT.search(line):
            kinds = [kind.__name__ for kind in getattr(sys.modules[match[1]], match[2]).__subclasses__()]
            return f"{where}: {match[2]} comes in kinds; name one: {', '.join(kinds)}"
        if match := NO_PATH.search(line):
            return f"{where}: {match[1]!r} is no class"
        if match := NO_MODULE.search(line):
            return f"{where}: there is no module {match[1]!r}" + did_you_mean(match[1], CLASS_MODULES)
        if match := WRONG_CLASS.search(line):
            return f"{where}: {match[1]} is not a {match[2]}"
        if match := NO_SUBCLASS.search(line):
            return f"{where}: {match[2]!r} is no {match[1]}"
        if (match := REQUIRED.search(line)) and class_path:
            known = match[1].split(",")[0] in class_arguments(class_path)
            return f"{where}: {class_path.rsplit('.', 1)[-1] + ' ' if known else ''}needs {match[1]}"
        if (match := WRONG_VALUE.search(line)) and "NoneType" not in match[1]:
            return f"{where}: {match[2]!r} is not {_type_words(match[1])}"
    return _explain_union(message, ".".join(keys))


def _no_class(word: str, message: str) -> str:
    """Return what is wrong with a word that stands where a class is wanted, for which `message` complains of it."""
    if word in class_names():
        wanted = LISTED_CLASS.search(message)
        return f"{word} is no {wanted[1]}" if wanted else f"{word} does not fit there"
    off = "; null switches it off" if word.lower() in ("false", "none", "off") else ""
    return f"there is no class {word!r}" + (off or did_you_mean(word, class_names()))


def _explain_union(message: str, where: str) -> str:
    """Return what is wrong with a value that fits none of several types: the first reason that says more than that."""
    prefix = f"{where}: " if where else ""
    for line in message.splitlines():
        reason = line.strip()
        if reason.startswith("- ") and not reason.startswith(GENERIC_REASONS):
            return prefix + reason.removeprefix("- ")
    unions, values = WRONG_UNION.findall(message), GIVEN_VALUE.findall(message)
    if unions and values:
        union, value = unions[-1], values[0]  # the innermost type is named last, its value first
        if "Callable" in union:
            return f"{prefix}{value!r} names no class that fits, or more than one; give its path (torch.optim.SGD)"
        hint = did_you_mean(value, class_names())
        if LISTED_CLASS.search(union) and (value in class_names() or not value.isidentifier()):
            hint = f"; write a list as [A, B], and add to one with --{where}+ A"
        return f"{prefix}{value!r} is not {_type_words(union)}{hint}"
    return " ".join(message.split())


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return "; did you mean X?" for the closest candidate, "" if none is close."""
    candidates = list(dict.fromkeys(candidates))
    close = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    if not close:
        lowered = {candidate.lower(): candidate for candidate in candidates}
        close = [lowered[match] for match in difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)]
    return f"; did you mean {close[0]}?" if close else ""


def _missing_file(path: Path) -> str:
    shown = Path(path).relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    if not path.parent.is_dir():
        return f"no file {shown} (there is no folder {shown.parent})"
    near = did_you_mean(path.name, [entry.name for entry in path.parent.iterdir() if entry.is_file()])
    if not near:
        return f"no file {shown}"
    return f"no file {shown}; did you mean {shown.parent / near.removeprefix('; did you mean ')}"


def _type_words(annotation: str) -> str:
    if choices := re.findall(r"Literal\[(.+?)\]", annotation):
        return "one of " + ", ".join(dict.fromkeys(", ".join(choices).replace("'", "").split(", ")))
    words = re.sub(r"<class '([\w.]+)'>", r"\1", annotation).replace("NoneType", "null").replace("typing.", "")
    listed = re.sub(r"list\[(?:[\w.]+\.)?(\w+)\]", lambda match: LISTS.get(match[1], f"a list of {match[1]}"), words)
    names = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text", "tuple": "a list"}
    return " or ".join(names.get(word.strip(), word.strip()) for word in listed.split(", "))


def _full_name(flag: str, flags: Iterable[str]) -> str:
    """Return "; did you mean X?" where a flag of one word is the last word of a longer one (--lr), "" if not."""
    word = flag.lstrip("-")
    if "." in word:
        return ""
    longer = {found.rsplit(".", 1)[-1]: found for found in flags if "." in found and not found.endswith(".help")}
    for prefix, class_path in FLAGS_OF_CLASSES.items():
        longer |= {name: f"{prefix}.{name}" for name in class_arguments(class_path)}
    likeness = {name: difflib.SequenceMatcher(None, word, name).ratio() for name in longer}
    closest = max(likeness, key=lambda name: likeness[name], default="")
    return f"; did you mean {longer[closest]}?" if closest and likeness[closest] >= 0.7 else ""
