"""The first predictions as a table on the screen."""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from callbacks.printing import say
from datamodules.printable import printable
from models.evaluated import EvaluatedModule

ROWS = 20
FEWEST, MOST = 1, 5  # classes of a row, where all do not fit into a line
GAP = "  "
LONGEST_CELL = 40


class ResultTable:
    """Keeps the first predictions, and counts the others.

    Args:
        task: Makes columns of results.
        names: Names of its outputs.
    """

    def __init__(self, task: EvaluatedModule, names: Sequence[str]) -> None:
        self.task, self.names = task, names
        self.kept: dict[str, list[Any]] = {}
        self.results: list[Tensor] = []
        self.count = 0

    def add(self, names: Mapping[str, Sequence[Any]], results: Tensor) -> None:
        """Add rows.

        Args:
            names: What identifies each row, by column, N values.
            results: (N, ...).
        """
        free = max(ROWS - self.count, 0)
        if free:
            for column, values in names.items():
                self.kept.setdefault(column, []).extend(values[:free])
            self.results.append(results[:free])
        self.count += len(results)

    def show(self) -> None:
        """Print the table; of more classes than fit into a line, those that are most probable."""
        columns = shutil.get_terminal_size().columns
        results = torch.cat(self.results)
        for most in (None, *range(MOST, FEWEST - 1, -1)):
            texts = _texts({**self.kept, **self.task.result_columns(results, self.names, most)})
            if _width(texts) <= columns:
                break
        left = 0
        while _width(texts) > columns and len(texts) > len(self.kept) + 1:
            texts.popitem()
            left += 1
        widths = {name: max(map(len, (name, *cells))) for name, cells in texts.items()}
        lines = [[name.ljust(widths[name]) for name in texts]]
        lines += [
            [cell.ljust(widths[name]) for name, cell in zip(texts, row, strict=True)]
            for row in zip(*texts.values(), strict=True)
        ]
        say(*(GAP.join(line).rstrip() for line in lines))
        more = self.count - min(self.count, ROWS)
        rest = [f"{more:,} more"] if more else []
        rest += [f"{left} more column{'s' * (left > 1)}"] if left else []
        rest = rest or (["more classes"] if most is not None and most < len(self.names) else [])
        if rest:
            say(f"… {' and '.join(rest)}; --output FILE keeps them all")


def _texts(columns: Mapping[str, Sequence[Any]]) -> dict[str, list[str]]:
    return {printable(name): [_text(name, value) for value in values] for name, values in columns.items()}


def _text(column: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if column.startswith("probability") else f"{value:.6g}"
    shown = printable(str(value))
    return shown if len(shown) <= LONGEST_CELL else f"…{shown[1 - LONGEST_CELL :]}"


def _width(texts: Mapping[str, Sequence[str]]) -> int:
    return sum(max(map(len, (name, *cells))) + len(GAP) for name, cells in texts.items()) - len(GAP)
