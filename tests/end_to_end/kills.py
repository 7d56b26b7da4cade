"""A run that dies in the test's process, as if it had been killed."""

from unittest import mock


class Killed(BaseException):
    """The end of a process, after which nothing is done."""


def killed(desk, words, owner, method: str, after: int = 0) -> bool:
    """Run `fit` until a method is called once more than `after` times; return whether it came to that."""
    calls, real = iter(range(after)), getattr(owner, method)

    def dying(*arguments, **options):
        if next(calls, None) is None:
            raise Killed
        return real(*arguments, **options)

    with mock.patch.object(owner, method, dying):
        try:
            desk.here("fit", *words)
        except Killed:
            return True
    return False
