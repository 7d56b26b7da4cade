"""Which array of an .npz file is what, by the names that people give them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from datamodules.errors import DataError
from datamodules.sequences.recorded import Array
from datamodules.splitting.part_names import PART_OF, SPELLINGS

ROLES = {
    "values": ("values", "x", "inputs", "input", "data", "features", "sequences", "series", "arr_0"),
    "lengths": ("lengths", "length", "seq_lengths", "sequence_lengths", "seq_lens", "lens"),
    "targets": ("targets", "target", "y", "labels", "label", "arr_1"),
    "class_names": ("class_names", "label_names", "target_names"),
}
ROLE_OF = {name: role for role, names in ROLES.items() for name in names}
_PARTS = "|".join(sorted(PART_OF, key=len, reverse=True))
PART_LAST = re.compile(rf"(?P<rest>.+?)(?P<sign>[_\-. ]?)(?P<part>{_PARTS})", re.IGNORECASE)
PART_FIRST = re.compile(rf"(?P<part>{_PARTS})(?P<sign>[_\-. ]?)(?P<rest>.+)", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """Arrays of one part, or of a file that is not divided into parts.

    Attributes:
        roles: The arrays in a role of `ROLES`, each with its name in the file.
        others: Other arrays, by name, without the part's.
    """

    roles: dict[str, tuple[str, Array]] = field(default_factory=dict)
    others: dict[str, Array] = field(default_factory=dict)


def shapes(arrays: dict[str, Array]) -> str:
    """Return the arrays with their shapes and types in words, for messages."""
    words = [
        f"{name} of Python objects" if array.dtype == object else f"{name} {array.shape} {array.dtype}"
        for name, array in sorted(arrays.items())
    ]
    return ", ".join(words) or "none"


def name_arrays(path: Path, arrays: dict[str, Array], target: str | None = None) -> dict[str, Named]:
    """Return the arrays of each part (train, val, test), or of "" if the file is not divided into parts.

    Args:
        path: The file, for messages.
        arrays: Its arrays.
        target: Name of the targets, without that of the part; None if they are called as in `ROLES`.

    Raises:
        DataError: No array holds sequences or targets, or two may be the same.
    """
    parts: dict[str, dict[str, Array]] = {}
    names: dict[tuple[str, str], list[str]] = {}
    for name, array in arrays.items():
        part, rest = _divided(name)
        parts.setdefault(part, {})[rest] = array
        names.setdefault((part, rest), []).append(name)
    of_parts = [part for part in SPELLINGS if "values" in _roles(parts.get(part, ()))]
    doubled = next((own for (part, _), own in names.items() if part in of_parts and len(own) > 1), None)
    if doubled is not None:
        raise DataError(f"{path}: {' and '.join(doubled)} are of the same part; it holds {shapes(arrays)}")
    if not of_parts:
        parts, of_parts = {"": arrays}, [""]
    shared = parts.get("", {}) if of_parts != [""] else {}
    for part in of_parts:
        parts[part] |= {name: array for name, array in shared.items() if ROLE_OF.get(name.lower()) == "class_names"}
    if "" not in of_parts and "train" not in of_parts:
        raise DataError(f"{path} has arrays of the {of_parts[0]} part and none of the training part: {shapes(arrays)}")
    return {part: _named(path, part, parts[part], arrays, target) for part in of_parts}


def name_inputs(path: Path, arrays: dict[str, Array]) -> Named:
    """Return the sequences and their lengths among the arrays of a file; it need not hold targets.

    Raises:
        DataError: No array holds sequences, or two may.
    """
    named = Named()
    found = _roles(arrays)
    if "values" not in found and len(arrays) == 1:
        found["values"] = list(arrays)
    for role in ("values", "lengths"):
        if role in found:
            name = _only(path, role, found[role], arrays, "")
            named.roles[role] = name, arrays[name]
    if "values" not in named.roles:
        raise DataError(
            f"{path} has no array that is called as sequences are ({', '.join(ROLES['values'])}); it holds "
            f"{shapes(arrays)}"
        )
    return named


def _divided(name: str) -> tuple[str, str]:
    """Return the part in an array's name, "" if there is none, and the name without it."""
    for form in (PART_LAST, PART_FIRST):
        found = form.fullmatch(name)
        if found and (found["sign"] or found["rest"].lower() in ROLE_OF):
            return PART_OF[found["part"].lower()], found["rest"]
    return "", name


def _roles(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        if name.lower() in ROLE_OF:
            found.setdefault(ROLE_OF[name.lower()], []).append(name)
    return found


def _named(path: Path, part: str, own: dict[str, Array], arrays: dict[str, Array], target: str | None) -> Named:
    named, of_part = Named(), f" of the {part} part" if part else ""
    if target is not None and target not in own:
        raise DataError(f"{path} has no array {target!r}{of_part} (data.target); it holds {shapes(arrays)}")
    for role, names in (_roles(own) | ({} if target is None else {"targets": [target]})).items():
        chosen = _only(path, role, names, arrays, of_part)
        named.roles[role] = chosen, own[chosen]
    for role in ("values", "targets"):
        if role not in named.roles:
            raise DataError(
                f"{path} has no array that is called as {role}{of_part} are ({', '.join(ROLES[role])}); it holds "
                f"{shapes(arrays)}"
            )
        name, array = named.roles[role]
        if array.dtype == object:
            advice = (
                "values=np.concatenate(sequences) and lengths=[len(one) for one in sequences]"
                if role == "values"
                else f"{name}=np.array(labels, dtype=str), or numbers"
            )
            raise DataError(f"{path}: {name} holds Python objects, which are never unpickled; save {advice}")
    taken = {name for name, _ in named.roles.values()}
    named.others.update({name: array for name, array in own.items() if name not in taken})
    return named


def _only(path: Path, role: str, names: list[str], arrays: dict[str, Array], of_part: str) -> str:
    chosen = [name for name in names if name == role] or names
    if len(chosen) > 1:
        raise DataError(
            f"{path}: {chosen[0]} and {chosen[1]} may both be the {role}{of_part}; call one of them {role}. "
            f"It holds {shapes(arrays)}"
        )
    return chosen[0]
