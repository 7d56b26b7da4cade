"""The command `holdout`. It imports torch only when a job runs."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from scripts.cli.errors import UsageError
from scripts.cli.jobs import JOBS
from scripts.cli.start_up import answer

DEBUG_VARIABLE = "HOLDOUT_DEBUG"  # 1 shows the traceback in place of the one line
MISTAKE = 2


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit status 2."""
    words = sys.argv[1:]
    sys.path.append(str(Path.cwd()))  # a recipe may name a class in a file there; it shadows no installed module
    try:
        page = answer(words)
        if page is not None:
            print(page)
            sys.exit(0)
        job = JOBS[words[0]]
        module, _, function = job.run.partition(":")
        getattr(import_module(module), function)(job, words[1:])
    except UsageError as error:
        if os.environ.get(DEBUG_VARIABLE) == "1":
            raise
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Print one line on standard error (the first process alone) and exit with status 2."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print("holdout: error: " + " ".join(message.split()), file=sys.stderr, flush=True)
    sys.exit(MISTAKE)


if __name__ == "__main__":
    main()
