"""The command `holdout`. It imports torch only when a job runs."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from scripts.cli.closed_pipes import patient_output
from scripts.cli.deferred_imports import import_without_unused
from scripts.cli.errors import UsageError
from scripts.cli.first_process import FIRST_VARIABLE, follow
from scripts.cli.jobs import JOBS
from scripts.cli.start_up import answer

DEBUG_VARIABLE = "HOLDOUT_DEBUG"  # 1 shows the traceback in place of the one line
MISTAKE = 2
INTERRUPTED = 128 + signal.SIGINT  # as a shell reports it
GOES_ON = "holdout: nobody reads the output any more; training goes on, and Ctrl-C saves it and ends\n"


def command() -> NoReturn:
    """Run the command line, and end the process before its libraries are unloaded, which takes half a second.

    Threads and what is registered to run at exit end first, as they would.
    """
    status = 0
    try:
        main()
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        status = ended.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # as under pythonw
            stream.flush()
    os._exit(status)


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit status 2.

    So is an error in a file of the user's own; any other is a fault of ours, and keeps its traceback. A job goes on
    when its output is no longer read, as after `| head`.
    """
    words = sys.argv[1:]
    trains = words[:1] == ["fit"] and not any(word.startswith(("-h", "--help", "--print_config")) for word in words)
    with patient_output(GOES_ON if trains else ""):
        _run(words)


def _run(words: list[str]) -> None:
    started = quiet_interrupts()
    if FIRST_VARIABLE in os.environ:
        follow(os.environ[FIRST_VARIABLE])
    sys.path.append(str(Path.cwd()))  # a recipe may name a class in a file there; it shadows no installed module
    try:
        page = answer(words)
        if page is not None:
            print(page)
            sys.exit(0)
        job = JOBS[words[0]]
        module, _, function = job.run.partition(":")
        run = getattr(import_without_unused(module), function)
        started()
        run(job, words[1:])
    except KeyboardInterrupt:
        quiet_interrupts()  # the interpreter takes a moment to end
        sys.exit(INTERRUPTED)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            quiet_interrupts()
        raise
    except UsageError as error:
        if os.environ.get(DEBUG_VARIABLE) == "1":
            raise
        fail(str(error))
    except Exception as error:
        fault = _fault_of_own_code(error)
        if fault is None or os.environ.get(DEBUG_VARIABLE) == "1":
            raise
        fail(f"{fault} ({DEBUG_VARIABLE}=1 shows the traceback)")


def quiet_interrupts() -> Callable[[], None]:
    """Let an interrupt end the process without a traceback, even in an import; return what undoes that."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        return lambda: None
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))

    def undo() -> None:
        signal.signal(signal.SIGINT, before)

    return undo


def _fault_of_own_code(error: Exception) -> str | None:
    from models.own_code import describe_fault  # imports torch, which a job that fails there has imported

    return describe_fault(error)


def fail(message: str) -> NoReturn:
    """Print one line on standard error (the first process alone) and exit with status 2."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print("holdout: error: " + _one_line(message), file=sys.stderr, flush=True)
    sys.exit(MISTAKE)


def _one_line(message: str) -> str:
    line = " ".join(message.split())
    if line.isascii() and line.isprintable():
        return line
    from datamodules.printable import printable  # imports torch, without which most mistakes are found

    return printable(line)


if __name__ == "__main__":
    command()
