"""What the command answers before it runs a job: help, versions, and words or flags that it does not know.

Nothing here imports torch, unless an answer is not in the start-up cache yet.
"""

import re
from collections.abc import Sequence

from scripts.cli.errors import UsageError
from scripts.cli.flags import CLASS_KEYS, RECIPE_ENDINGS, check_files, check_flags, did_you_mean
from scripts.cli.help_text import job_help, overview
from scripts.cli.jobs import JOBS, Job
from scripts.cli.start_up_cache import StartUpCache

Question = tuple[str, str | None]  # ("", None) asks for a job's help, ("model.network", "MLP") for that of a class


def answer(words: Sequence[str]) -> str | None:
    """Return what a command line is answered without running a job, None if a job is to run.

    Raises:
        UsageError: The job, a flag, or what help is asked for, is unknown.
    """
    if words and words[0] in ("-h", "--help"):
        return overview(JOBS.values())
    if words and words[0] == "--version":
        return versions()
    job = find_job(words)
    if not job.options:
        return None
    question = asked(words[1:])
    if question is not None and question[0]:
        return _class_page(job, *question)
    cache = _answers_about(job)
    if question is not None:
        return cache.pages[job.name]
    check_flags(words[1:], cache.known[job.name], cache.below[job.name])
    check_files(words[1:])
    return None


def find_job(words: Sequence[str]) -> Job:
    """Return the job that a command line names.

    Raises:
        UsageError: It names none; the message says what was meant.
    """
    first = words[0] if words else ""
    if first in JOBS:
        return JOBS[first]
    there = f"; there are {', '.join(JOBS)}"
    if not words:
        raise UsageError(f"which job? holdout fit -c configs/digits.yaml{there}")
    if first.startswith("-"):
        named = next((word for word in words if word in JOBS), "fit")
        rest = " ".join(word for word in words if word not in JOBS)
        raise UsageError(f"the job comes first; did you mean holdout {named} {rest}?")
    if first.endswith(RECIPE_ENDINGS):
        raise UsageError(f"{first} is not a job; did you mean holdout fit -c {first}?")
    if first.endswith(".ckpt"):
        raise UsageError(f"{first} is not a job; did you mean holdout test --ckpt_path {first}?")
    raise UsageError(f"there is no job {first!r}{did_you_mean(first, JOBS) or there}")


def asked(words: Sequence[str]) -> Question | None:
    """Return the help that is asked for, None if there is no such question."""
    for number, word in enumerate(words):
        flag, given, name = word.partition("=")
        if flag in ("-h", "--help"):
            return "", None
        if flag.startswith("--") and flag.endswith(".help"):
            keys = flag.removeprefix("--").removesuffix(".help").rstrip("+").split(".")
            following = words[number + 1] if not given and number + 1 < len(words) else "-"
            return ".".join(key for key in keys if key not in CLASS_KEYS), (
                name or None if given else None if following.startswith("-") else following
            )
    return None


def versions() -> str:
    """Return the versions of this project, of Python and of the libraries that the project depends on."""
    import platform
    from importlib.metadata import PackageNotFoundError, requires, version

    try:
        lines = [f"holdout {version('holdout')}"]
        needed = [need for need in requires("holdout") or () if "extra ==" not in need]
    except PackageNotFoundError:
        lines, needed = ["holdout (not installed)"], ["torch", "torchvision", "lightning"]
    names = [re.split(r"[^\w-]", need, maxsplit=1)[0] for need in needed]
    return "\n".join([*lines, f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)])


def _answers_about(job: Job) -> StartUpCache:
    """Return a cache that holds the flags and the help of a job."""
    cache = StartUpCache.read()
    if job.name not in cache.known or job.name not in cache.pages:
        from scripts.cli.class_help import choice_rows, flags_below, known_flags

        cache.known[job.name] = known_flags(job)
        cache.below[job.name] = flags_below(job)
        cache.pages[job.name] = job_help(job, choice_rows(job))
        cache.write()
    return cache


def _class_page(job: Job, key: str, name: str | None) -> str:
    question = f"{job.name} {key} {name or ''}"
    cache = StartUpCache.read()
    if question not in cache.pages:
        from scripts.cli.class_help import class_help, depends_on_versions_only

        page = class_help(job.options, key, name)
        if not depends_on_versions_only(name):
            return page
        cache.pages[question] = page
        cache.write()
    return cache.pages[question]
