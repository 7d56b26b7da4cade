"""The vocabulary of a text dataset: which token has which id."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from datamodules.sequences.ragged import RaggedSequences, Sequences

PADDING, UNKNOWN = 0, 1  # ids; the first token of a vocabulary has the id 2
RESERVED = 2
NOTHING = ""  # the only token of an empty text; no vocabulary holds it
WORD = re.compile(r"\w+|[^\w\s]")

Tokens = Literal["words", "characters"]


def split_text(text: str, tokens: Tokens, lowercase: bool, max_length: int) -> list[str]:
    """Return the first tokens of a text; an empty one has the token "".

    Words are runs of letters, digits and underscores; each other character that is not a space is a token of its own.

    Args:
        text: The text.
        tokens: Into what to split it.
        lowercase: Take upper case for lower case.
        max_length: Largest number of tokens.
    """
    text = unicodedata.normalize("NFC", text)
    text = text.lower() if lowercase else text
    found = WORD.findall(text) if tokens == "words" else list(text)
    return found[:max_length] or [NOTHING]


@dataclass(frozen=True)
class Vocabulary:
    """Turns texts into token ids; id 0 is padding, 1 an unknown token.

    A checkpoint holds the arguments as plain values, so that a model can be given texts without its data:
    `Vocabulary(**torch.load(path)["split"]["vocabulary"])`.

    Args:
        known: Tokens in the order of their ids, which begin with 2.
        tokens: Into what texts are split.
        lowercase: Whether upper case counts as lower case.
        max_length: Largest number of tokens of a text; the rest is cut off.
    """

    known: list[str]
    tokens: Tokens
    lowercase: bool
    max_length: int

    def encode(self, texts: Sequence[str]) -> Sequences:
        """Return the ids of texts, padded to the longest, and their lengths; an empty text is one unknown token."""
        ids = {token: number for number, token in enumerate(self.known, start=RESERVED)}
        split = [split_text(text, self.tokens, self.lowercase, self.max_length) for text in texts]
        values = torch.tensor([ids.get(token, UNKNOWN) for tokens in split for token in tokens])
        lengths = torch.tensor([len(tokens) for tokens in split])
        return RaggedSequences(values, lengths).pad(torch.arange(len(split)))

    def settings(self) -> dict[str, Any]:
        """Return the arguments as plain values."""
        return asdict(self)
