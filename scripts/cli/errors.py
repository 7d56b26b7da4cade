"""The error that a user can mend."""


class UsageError(Exception):
    """A mistake on the command line or in a recipe; the message is one line that says what to do.

    It is not a ValueError: the parser catches those of the code that it calls, and would word it again.
    """


class UnforeseenError(UsageError):
    """An error that is nobody's mistake, as one line: another try may go well."""
