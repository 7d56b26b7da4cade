"""Docstrings that the command's help is made of."""

import ast
import re

from tests.test_imports import FILES


def documented(docstring: str) -> list[str]:
    """Return the names that the sections on arguments and attributes explain."""
    sections = re.findall(r"^(?:Args|Attributes):\n((?:(?: {4}.*)?\n)*)", f"{docstring}\n", re.MULTILINE)
    return re.findall(r"^ {4}(\w+):", "".join(sections), re.MULTILINE)


def test_no_class_explains_a_name_twice() -> None:
    # Help would show the attribute's sentence for the argument.
    classes = [node for path in FILES.values() for node in ast.walk(ast.parse(path.read_text()))]
    for node in classes:
        if isinstance(node, ast.ClassDef):
            names = documented(ast.get_docstring(node) or "")
            assert len(names) == len(set(names)), f"{node.name}: {names}"
