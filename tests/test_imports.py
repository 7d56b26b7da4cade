"""Rooms import only the rooms to their left, and no files import each other in a circle."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("datamodules", "models", "callbacks", "scripts")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(path): path for room in ROOMS for path in (ROOT / room).rglob("*.py")}


def imports(path: Path) -> set[str]:
    """Return the project's modules that a file names in an import, those for type checkers alone included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else node.module for name in inner}
    return found & FILES.keys()


EDGES = {name: imports(path) - {name} for name, path in FILES.items()}


def reachable(name: str) -> set[str]:
    found: set[str] = set()
    open_names = set(EDGES[name])
    while open_names:
        found |= open_names
        open_names = {further for one in open_names for further in EDGES[one]} - found
    return found


def test_no_files_import_each_other_in_a_circle():
    assert [name for name in EDGES if name in reachable(name)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_to_its_left(room):
    right = ROOMS[ROOMS.index(room) + 1 :]
    wrong = {
        name: sorted(target for target in targets if target.split(".")[0] in right)
        for name, targets in EDGES.items()
        if name.split(".")[0] == room
    }
    assert {name: targets for name, targets in wrong.items() if targets} == {}


def test_no_file_is_longer_than_its_idea():
    assert {name: lines for name, path in FILES.items() if (lines := len(path.read_text().splitlines())) > 250} == {}
