"""A real terminal of 80 columns for this process, and what a person would see in it."""

import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from fcntl import ioctl
from typing import TextIO
from unittest import mock

COLUMNS, ROWS = 80, 60
CODE = re.compile(r"\x1b\[\??(\d*)(?:;\d+)*([A-Za-z])")


class Screen:
    """What a terminal shows after some output: it obeys returns, cursor movements and erasures, and ignores colours.

    Attributes:
        lines: The lines so far, those that have scrolled away included.
        seen: All lines, at each moment before a line was written again, and at the end of each piece of output.
    """

    def __init__(self) -> None:
        self.lines = [""]
        self.seen = [""]
        self._row = self._column = 0

    def feed(self, text: str) -> None:
        """Show some output."""
        position = 0
        while position < len(text):
            code = CODE.match(text, position)
            if code:
                self._obey(code[2], int(code[1] or 0))
                position = code.end()
            else:
                if text[position] == "\r":
                    self.seen.append(self._text())
                self._show(text[position])
                position += 1
        self.seen.append(self._text())

    def _obey(self, letter: str, number: int) -> None:
        line = self.lines[self._row]
        if letter == "A":
            self._row = max(0, self._row - max(1, number))
        elif letter == "K":
            self.lines[self._row] = "" if number == 2 else line[: self._column]
        elif letter == "C":
            self._column += max(1, number)

    def _show(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._down()
        elif character.isprintable():
            if self._column == COLUMNS:
                self._column = 0
                self._down()
            line = self.lines[self._row].ljust(self._column)
            self.lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")

    def _text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip()


@contextmanager
def terminal(output: TextIO | None = None) -> Iterator[list[str]]:
    """Make standard error a terminal, and standard output too unless it is given; yield what the screen shows.

    Each item is the text of the screen at a moment; the last one is what remains.
    """
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    screen = Screen()

    def show() -> None:
        with suppress(OSError):  # the other side is closed
            while piece := os.read(ours, 65536):
                screen.feed(piece.decode(errors="replace"))

    reader = threading.Thread(target=show)
    reader.start()
    size = mock.patch.dict(os.environ, {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"})
    with size, os.fdopen(theirs, "w") as stream, redirect_stdout(output or stream), redirect_stderr(stream):
        yield screen.seen
    reader.join()
    os.close(ours)
