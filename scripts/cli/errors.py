"""The error that a user can mend."""


class UsageError(Exception):
    """A mistake on the command line or in a recipe; the message is one line that says what to do.

    It is not a ValueError: the parser catches those of the code that it calls, and would word it again.
    """
