"""Output that nobody reads any more, as after `holdout fit ... | head -3`, ends no job."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class PatientOutput:
    """A stream that goes on writing nowhere once its reader is gone.

    A training goes on to its end and keeps all of its files: it does not depend on a pager, or on a connection.

    Args:
        stream: The stream, standard output or standard error.
        notice: Where to write a line when the reader is gone; None for nowhere.
        line: That line.
    """

    def __init__(self, stream: TextIO, notice: "PatientOutput | None" = None, line: str = "") -> None:
        self._stream, self._notice, self._line = stream, notice, line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, as any stream does."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._go_on_silently()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand what is written on to the reader."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._go_on_silently()

    def _go_on_silently(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)  # also for what the stream still holds, which Python writes at exit
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if self._notice is not None:
            self._notice.write(self._line)
            self._notice.flush()


@contextmanager
def patient_output(line: str = "") -> Iterator[None]:
    """Let standard output and standard error outlive their readers.

    Args:
        line: Written to standard error when the reader of standard output is gone; "" for none.
    """
    out, error = sys.stdout, sys.stderr
    if out is None or error is None:  # a process without a terminal, as under pythonw
        yield
        return
    patient_error = PatientOutput(error)
    patient_out = PatientOutput(out, patient_error if line else None, line)
    sys.stdout, sys.stderr = patient_out, patient_error  # type: ignore[assignment]
    try:
        yield
    finally:
        patient_out.flush()
        patient_error.flush()
        sys.stdout, sys.stderr = out, error
