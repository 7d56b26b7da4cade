"""Help of what can be chosen: `--model.network.help` lists the networks, `--model.network.help MLP` its arguments."""

from collections.abc import Iterable, Mapping, Sequence

from models.init_args import find_class
from scripts.cli.choices import (
    MAX_DEPTH,
    Slot,
    all_slots,
    arguments_below,
    exported,
    loaded,
    namespace,
    path_of,
    root_slot,
    slot_of,
)
from scripts.cli.constructor import Argument, first_line
from scripts.cli.errors import UsageError
from scripts.cli.flags import did_you_mean
from scripts.cli.help_text import Row, columns, first_sentence, paragraph
from scripts.cli.hyperparameters import METRIC_LINKS, MODEL_LINKS, NETWORK_LINKS
from scripts.cli.jobs import Job, Option
from scripts.cli.own_files import own_hint
from scripts.cli.start_up_cache import VERSIONED

# Arguments that the data fills in.
LINKS = {"model": MODEL_LINKS, "model.network": NETWORK_LINKS, "model.metrics": METRIC_LINKS}
MAX_SUMMARY = 8  # arguments that the help of a job names for one option


def class_help(options: Sequence[Option], key: str, name: str | None) -> str:
    """Return the help of a choice, or of one class.

    Args:
        options: The job's options.
        key: The place, such as "model.network".
        name: The class, by a short name or its full path; None for the choice.

    Raises:
        UsageError: There is no such place or class, or the class does not fit there.
    """
    slot, argument = _place(options, key)
    if slot is None:
        assert argument is not None
        return columns([_row(f"--{key}", argument)])
    if name is None and slot.single is None:
        return _choice_page(key, slot, argument)
    cls = slot.single if name is None else _class_named(options, key, slot, name)
    assert cls is not None
    return _class_page(key, slot, cls)


def class_list(options: Sequence[Option], key: str, width: int) -> str:
    """Return the classes that can be chosen at a place, a sentence each: this project's, and those of libraries."""
    slot, _ = _place(options, key)
    assert slot is not None
    libraries: dict[str, list[type]] = {}
    for name in _telling_names(key, slot):
        libraries.setdefault(namespace(slot.others[name]), []).append(slot.others[name])
    parts = [_sentences(slot.own, width)] if slot.own else []
    parts += [f"{library}:\n{_sentences(classes, width)}" for library, classes in libraries.items()]
    return "\n\n".join([*parts, _how_to_choose(key, slot, "holdout fit ")])


def _sentences(classes: Iterable[type], width: int) -> str:
    return columns([(cls.__name__, first_sentence(first_line(cls))) for cls in classes], width=width)


def choice_rows(job: Job) -> list[Row]:
    """Return a row for each help command of a job: what can be chosen there, or set."""
    rows: list[Row] = []
    for key, slot in all_slots(job.options):
        if slot.single is not None:
            named = [argument.name for argument in slot.arguments(slot.single)]
            more = ", ..." if len(named) > MAX_SUMMARY else ""
            rows.append((f"--{key}.help", f"settings: {', '.join(named[:MAX_SUMMARY])}{more}"))
        elif key.count(".") < MAX_DEPTH:
            named = [cls.__name__ for cls in slot.own] + [*_library_classes(job, key, slot)]
            rows += [(f"--{key}.help", ", ".join(named))] if named else []
    roots = [option.name for option in job.options]
    return sorted(rows, key=lambda row: roots.index(row[0].removeprefix("--").split(".")[0]))


def known_flags(job: Job) -> list[str]:
    """Return the flags that a job takes; "--model.*" for any below a class that is chosen."""
    flags = ["-h", "-c", "--help"]
    for option in (*job.checkpoint, *job.options, *job.ignored):
        flags.append(option.flag)
        single = root_slot(option).single if option.class_path else None
        if single is not None:
            flags += [f"{option.flag}.{argument.name}" for argument in Slot((single,)).arguments(single)]
        elif option.class_path:
            flags.append(f"{option.flag}.*")
    return flags


def flags_below(job: Job) -> list[str]:
    """Return the flags that the classes one can choose bring, nearer ones first."""
    found: dict[str, None] = {}
    for key, slot in all_slots(job.options):
        if slot.single is None:
            classes = [*slot.own] or [*_library_classes(job, key, slot).values()]
            arguments = [argument for cls in classes for argument in slot.arguments(cls)]
            found |= dict.fromkeys(f"--{key}.{argument.name}" for argument in arguments)
    return list(found)


def _library_classes(job: Job, key: str, slot: Slot) -> Mapping[str, type]:
    """Return the classes of libraries that are worth naming: few, and for a place in a class of this project's."""
    root = next(option for option in job.options if option.name == key.split(".")[0])
    return slot.others if slot.is_specific and root_slot(root).single is None else {}


def depends_on_versions_only(name: str | None) -> bool:
    """Return whether the help of a class stays the same as long as this project and its libraries do."""
    return name is None or "." not in name or name.split(".")[0] in VERSIONED


def _place(options: Sequence[Option], key: str) -> tuple[Slot | None, Argument | None]:
    """Return what a key stands for: a place for objects, and the argument that it is."""
    first, *inner = key.split(".")
    roots = {option.name: option for option in options if option.class_path}
    if first not in roots:
        there = ", ".join(f"--{name}.help" for name in roots)
        raise UsageError(f"--{key}.help: there is no help of {first!r}; there is {there}")
    slot: Slot | None = root_slot(roots[first])
    argument = None
    for depth, name in enumerate(inner, start=1):
        above = ".".join(key.split(".")[:depth])
        arguments = arguments_below(slot) if slot is not None else {}
        if name not in arguments:
            hint = did_you_mean(name, arguments) or f"; see --{above}.help"
            raise UsageError(f"--{key}.help: nothing at {above} has an argument {name!r}{hint}")
        argument = arguments[name]
        slot = slot_of(argument.annotation)
    return slot, argument


def _class_named(options: Sequence[Option], key: str, slot: Slot, name: str) -> type:
    cls = _find(slot, name)
    if cls is not None and (cls is slot.single or slot.takes(cls)):
        return cls
    short = name.rsplit(".", 1)[-1]
    places = ((other, {cls.__name__ for cls in place.own} | place.others.keys()) for other, place in all_slots(options))
    fitting = next((other for other, names in places if short in names), None)
    if cls is not None or ("." not in name and fitting is not None):
        shown = f"see --{fitting}.help {name}" if fitting else f"see --{key}.help"
        raise UsageError(f"--{key}.help: {name} does not fit there; {shown}")
    near = own_hint(name) or did_you_mean(short, [cls.__name__ for cls in slot.own] + [*slot.others] * slot.is_specific)
    near = near or did_you_mean(short, [cls.__name__ for cls in exported()])
    raise UsageError(f"--{key}.help: there is no class {name!r}{near or f'; see --{key}.help'}")


def _find(slot: Slot, name: str) -> type | None:
    """Return the class of a name: one that fits the place before any other of the same short name."""
    if "." in name:
        return find_class(name)
    fitting = {cls.__name__: cls for cls in (*slot.own, *slot.bases)} | dict(slot.others)
    fitting |= {cls.__name__: cls for cls in slot.own}
    others = (*exported(), *(cls for base in slot.foreign_bases for cls in loaded(base)))
    return fitting.get(name) or next((cls for cls in others if cls.__name__ == name), None)


def _choice_page(key: str, slot: Slot, argument: Argument | None) -> str:
    parts = [paragraph(f"--{key}: {argument.help}")] if argument is not None and argument.help else []
    if slot.own:
        parts.append(columns([(cls.__name__, first_line(cls)) for cls in slot.own]))
    if slot.foreign_bases:
        parts.append(paragraph(_others_line(key, slot)))
    else:
        parts.append(paragraph(f"Or your own {slot.bases[0].__name__}, by its full path (my_package.MyClass)."))
    parts.append(_how_to_choose(key, slot))
    return "\n\n".join(parts)


def _others_line(key: str, slot: Slot) -> str:
    """Return the line on the classes of other packages, and one's own."""
    names = _telling_names(key, slot)
    base = slot.foreign_bases[0]
    named = f": {', '.join(names)}" if names else ""
    any_other = f"{'Or any' if slot.own else 'Any'} {namespace(base)}.{base.__name__}"
    return f"{any_other}{named}; your own by its full path (my_package.MyClass)."


def _telling_names(key: str, slot: Slot) -> list[str]:
    """Return the names of other packages' classes that are worth showing."""
    own = {cls.__name__ for cls in slot.own}
    names = [name for name in slot.others if name not in own]
    # Of all that torch.nn has, those named after the argument: --model.loss, ...Loss.
    return [name for name in names if slot.is_specific or name.endswith(key.rsplit(".", 1)[-1].title())]


def _how_to_choose(key: str, slot: Slot, command: str = "") -> str:
    example = next(iter(slot.own), None) or next(iter(slot.others.values()), slot.bases[0])
    name = example.__name__ if slot.own or slot.is_specific else "my_package.MyClass"
    add = f"--{key}+ {name}" if slot.several else f"--{key} {name}"
    return f"Choose: {command and f'{command}... '}{add}\nIts arguments: {command}--{key}.help {name}"


def _class_page(key: str, slot: Slot, cls: type) -> str:
    linked = set(LINKS.get(key, {}).values())
    arguments = slot.arguments(cls)
    rows = [_row(f"--{key}.{argument.name}", argument) for argument in arguments if argument.name not in linked]
    filled = [argument.name for argument in arguments if argument.name in linked]
    parts = [paragraph(f"{path_of(cls)}: {first_line(cls)}".removesuffix(": "))]
    if cls is not slot.single:
        name = cls.__name__ if cls in slot.own or cls in slot.others.values() else path_of(cls)
        add = f"--{key}+ {name}" if slot.several else f"--{key} {name}"
        rows.insert(0, (add, "add it to the list; the flags below then set it" if slot.several else "choose it"))
    parts.append(columns(rows))
    if filled:
        parts.append(paragraph(f"From the data: {', '.join(filled)}."))
    return "\n\n".join(parts)


def _row(flag: str, argument: Argument) -> Row:
    slot = slot_of(argument.annotation)
    help_command = f"see {flag}.help" if slot is not None else ""
    notes = "; ".join(note for note in (argument.default_words(), help_command) if note)
    return f"{flag} {argument.type_words()}".rstrip(), f"{argument.help} ({notes})".strip() if notes else argument.help
