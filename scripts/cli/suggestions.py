"""A suggestion for a mistyped word."""

import difflib
from collections.abc import Iterable

CLOSE = 0.6  # difflib's ratio from which a word is suggested


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return "; did you mean X?" for the closest candidate, "" if none is close."""
    known = list(dict.fromkeys(candidates))
    likeness = {candidate: _likeness(word, candidate) for candidate in known}
    closest = max(known, key=lambda candidate: likeness[candidate], default="")  # the first one of a tie
    return f"; did you mean {closest}?" if closest and likeness[closest] >= CLOSE else ""


def _likeness(word: str, candidate: str) -> float:
    """Return difflib's ratio; letter case costs a little."""
    exact = difflib.SequenceMatcher(None, word, candidate).ratio()
    lowered = difflib.SequenceMatcher(None, word.lower(), candidate.lower()).ratio() - 0.01
    return max(exact, lowered)
