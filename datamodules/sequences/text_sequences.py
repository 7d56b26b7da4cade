"""Texts as sequences of token ids: a column of a table, a vocabulary from the training part alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from datamodules.checks import check_at_least
from datamodules.errors import DataError
from datamodules.new_inputs import NewBatch, TrainedOn
from datamodules.normalization import Normalization
from datamodules.precision import narrowest
from datamodules.samples import UNLABELLED, Samples
from datamodules.sequences.columns import check_column, read_columns, read_target, texts
from datamodules.sequences.new_texts import read_new_texts
from datamodules.sequences.ragged import RaggedSequences, Sequences
from datamodules.sequences.sequence_data import SequenceDataModule
from datamodules.sequences.vocabulary import NOTHING, RESERVED, UNKNOWN, Tokens, Vocabulary, split_text
from datamodules.splitting.duplicates import Digests, digest_each
from datamodules.splitting.manifest import Manifest
from datamodules.tables.columns import cleaned
from datamodules.tables.targets import read_weights

SEPARATOR = "\x1f"  # between the tokens of a text that is hashed


class TextSequences(SequenceDataModule):
    """A column of texts and a column of targets: a CSV or Parquet file with a header and a row for each text.

    Batches are `Sequences` of token ids, int64, for a `TokenRecurrent`, and targets. The most frequent tokens of the
    training part are the vocabulary; any other token is unknown. It is in the manifest and in checkpoints.

    Args:
        path: The file.
        text: The column of texts.
        target: The target column.
        tokens: Split texts into words, with each punctuation mark a token of its own, or into characters.
        lowercase: Take upper case for lower case.
        vocabulary_size: Largest number of tokens in the vocabulary.
        max_length: Largest number of tokens of a text; the rest is cut off.
        continuous: Whether the target is a number to predict, not a class; default: numbers are, except up to 20
            different whole ones.
        weights: The column with the weight of each text in the training loss, 0 or more.
        kwargs: Arguments of `DataModule`, but `mean` and `std`.

    Attributes:
        vocabulary: Turns texts into token ids, after `setup`.

    Raises:
        DataError: The file cannot be read, a column does not exist, or a target is missing or not a number.
    """

    default_recipe = "text"
    named_after = "path"
    file_endings = (".csv", ".tsv", ".parquet", ".pq")
    may_change_on_resume = ("path",)

    def __init__(
        self,
        path: str,
        text: str,
        target: str,
        tokens: Tokens = "words",
        lowercase: bool = True,
        vocabulary_size: int = 20_000,
        max_length: int = 256,
        continuous: bool | None = None,
        weights: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_at_least("TextSequences", 1, vocabulary_size=vocabulary_size, max_length=max_length)
        if self.stated_normalization is not None:
            raise DataError("mean and std: token ids are not normalised; leave both out")
        self.path = Path(path)
        self.vocabulary_size = vocabulary_size
        self.vocabulary = Vocabulary([], tokens, lowercase, max_length)
        self._frame = frame = read_columns(self.path)
        named = {"text": text, "target": target} | ({} if weights is None else {"weights": weights})
        for option, name in named.items():
            check_column(self.path, frame, name, option)
        for column in named.values():
            options = [option for option, name in named.items() if name == column]
            if len(options) > 1:
                raise DataError(f"{path}: the column {column!r} cannot be both {options[0]} and {options[1]}")
        self._weights = None if weights is None else read_weights(path, frame, weights)
        found = read_target(self.path, frame[target], continuous)
        missing = np.isnan(found.values[:, 0]) if not found.class_names else found.values == UNLABELLED
        if missing.any():
            row = int(np.flatnonzero(missing)[0]) + 2
            raise DataError(f"{path}, row {row}, column {target!r}: the target is missing")
        self.class_names = found.class_names
        values = torch.from_numpy(found.values)
        self._targets = values if self.class_names else narrowest(values)
        written = texts(frame[text]).tolist()
        if empty := written.count(""):
            several = "1 text" if empty == 1 else f"{empty:,} texts"
            rank_zero_warn(f"{path}: {several} in the column {text!r} {'is' if empty == 1 else 'are'} empty")
        self._split(written)

    def _split(self, written: list[str]) -> None:
        """Split texts into tokens, each with a provisional id: its place among the tokens of the whole file."""
        options = self.vocabulary.tokens, self.vocabulary.lowercase
        longest = self.vocabulary.max_length
        self._numbers: dict[str, int] = {}
        ids: list[np.ndarray[Any, np.dtype[np.int64]]] = []
        hashed = []
        self.truncated = 0
        for text in written:
            found = split_text(text, *options, max_length=longest + 1)
            self.truncated += len(found) > longest
            found = found[:longest]
            ids.append(np.array([self._numbers.setdefault(token, len(self._numbers)) for token in found]))
            hashed.append(np.frombuffer(f"{SEPARATOR.join(found)}{SEPARATOR}".encode("utf-8", "replace"), np.uint8))
        self._digests = digest_each(hashed)
        lengths = torch.tensor([len(found) for found in ids])
        self._provisional = RaggedSequences(torch.from_numpy(np.concatenate(ids)), lengths)
        self.input_shape = (int(lengths.max()),)

    @override
    def sample_values(self, name: str) -> npt.NDArray[Any]:
        check_column(self.path, self._frame, name, "split")
        return cleaned(self._frame[name])

    @override
    def origins(self) -> dict[str, list[Any]]:
        return {"row": (self._frame.index + 2).tolist()}

    @override
    def origin(self) -> str:
        return str(self.path)

    @override
    def load(self) -> Samples:
        lengths = self._provisional.lengths
        return Samples(self._provisional, self._targets, lengths=lengths, weights=self._weights)

    @override
    def digests(self) -> Digests:
        """Return a digest of each text as it is split: lower case, and cut off."""
        return self._digests

    @override
    def measure(self, indices: Tensor) -> Normalization:
        """Return the identity."""
        return Normalization([0.0], [1.0])

    @override
    def setup(self, stage: str | None = None) -> None:
        if self.split is not None:
            return
        super().setup(stage)
        assert self.split is not None
        train = self._provisional.sample(torch.from_numpy(self.split.train))
        counts = torch.bincount(train, minlength=len(self._numbers)).tolist()
        seen = [token for token, number in self._numbers.items() if counts[number] and token != NOTHING]
        known = sorted(seen, key=lambda token: (-counts[self._numbers[token]], token))[: self.vocabulary_size]
        self.vocabulary = replace(self.vocabulary, known=known)
        final = torch.full((len(self._numbers),), UNKNOWN)
        final[[self._numbers[token] for token in known]] = torch.arange(len(known)) + RESERVED
        ids = final[self._provisional.values]
        self.samples = replace(self.samples, inputs=RaggedSequences(ids, self._provisional.lengths))
        self.manifest["vocabulary"] = self.vocabulary.settings()

    @property
    @override
    def num_tokens(self) -> int:
        self.ensure_setup()
        return len(self.vocabulary.known) + RESERVED

    def encode(self, written: Sequence[str]) -> Sequences:
        """Return new texts as a trained model takes them.

        Args:
            written: The texts.
        """
        self.ensure_setup()
        return self.vocabulary.encode(written)

    @classmethod
    @override
    def new_inputs(cls, path: Path, trained: TrainedOn) -> Iterator[NewBatch]:
        """Yield texts without targets: the text column of a table, or the lines of a .txt file."""
        return read_new_texts(path, trained, trained.arguments["text"], trained.arguments["target"])

    @property
    @override
    def preprocessing(self) -> dict[str, Any]:
        return super().preprocessing | {"mean": None, "std": None}

    @override
    def extra_facts(self) -> list[str]:
        assert self.split is not None
        kind, longest = self.vocabulary.tokens, self.vocabulary.max_length
        facts = [f"vocabulary of {len(self.vocabulary.known):,} {kind}"]
        facts += [f"{self.truncated:,} texts cut after {longest:,} {kind}"] if self.truncated else []
        tested = self.true_steps(torch.from_numpy(self.split.test))
        unknown = int((tested == UNKNOWN).sum())
        return [*facts, f"{unknown:,} of {len(tested):,} {kind} in test unknown"]

    @override
    def check_same_split(self, recorded: Manifest) -> None:
        super().check_same_split(recorded)
        if recorded.get("vocabulary") != self.manifest["vocabulary"]:
            raise DataError(
                "the vocabulary was another one: data.tokens, lowercase, vocabulary_size and max_length must be those "
                "of the training"
            )
