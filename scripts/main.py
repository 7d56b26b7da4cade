"""The command `holdout`."""

import os
import sys
from importlib import import_module
from typing import NoReturn

from scripts.cli.errors import UsageError
from scripts.cli.jobs import JOBS
from scripts.cli.mistakes import check_first_word
from scripts.cli.suggestion import did_you_mean

DEBUG_VARIABLE = "HOLDOUT_DEBUG"  # 1 shows the traceback in place of the one line
DESCRIPTION = """Trains, validates and tests networks so that any two runs can be compared.
Begin with: holdout fit -c configs/digits.yaml"""
MISTAKE = 2


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit status 2."""
    words = sys.argv[1:]
    if words[:1] in (["-h"], ["--help"]):
        print(DESCRIPTION)
        print("\n".join(f"  {job.name:<9} {job.help}" for job in JOBS.values()))
        return
    try:
        job = JOBS[_job_name(words)]
        module, _, function = job.run.partition(":")
        getattr(import_module(module), function)(job, words[1:])
    except UsageError as error:
        if os.environ.get(DEBUG_VARIABLE) == "1":
            raise
        fail(str(error))


def _job_name(words: list[str]) -> str:
    if words and words[0] in JOBS:
        return words[0]
    check_first_word(words, list(JOBS))
    there = f"; there are {', '.join(JOBS)}"
    if not words:
        raise UsageError(f"which job? holdout fit -c configs/digits.yaml{there}")
    raise UsageError(f"there is no job {words[0]!r}{did_you_mean(words[0], JOBS) or there}")


def fail(message: str) -> NoReturn:
    """Print one line on standard error (the first process alone) and exit with status 2."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print("holdout: error: " + " ".join(message.split()), file=sys.stderr, flush=True)
    sys.exit(MISTAKE)


if __name__ == "__main__":
    main()
