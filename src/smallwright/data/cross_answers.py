"""What a teacher with another tokenizer says at a student's positions, as it lies on disk: five bytes
more each than those of one with the same tokens (top_answers.py), 133 at K = 32.

Enters: its K likeliest tokens where both end a token on the same byte, and its likelihood of the text between such
places. Leaves: one mapped array of records. Not here: asking it (teacher/cross_tokenizer.py), the losses (train/).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallwright.data.top_answers import TopAnswers

NOT_SHARED = -1


@dataclass(frozen=True)
class CrossAnswers:
    """The records of ``TopAnswers`` with two fields more.

    Attributes:
        records: (P,): beside ``TopAnswers``'s fields ``aligned``, bool: the teacher too ends a token here, so that it
            answers, and ``span``, float32: its log-likelihood, in nats, of the bytes from the last aligned position up
            to the end of the student's next token, where that end is aligned; NaN elsewhere.
        vocabulary: the student's. The number ``vocabulary`` stands for a token that the student does not have.
    """

    records: NDArray[np.void]
    vocabulary: int

    @classmethod
    def empty(cls, rows: int, top: int, vocabulary: int) -> CrossAnswers:
        """Room for ``rows`` positions; see ``TopAnswers.empty``."""
        plain = TopAnswers.empty(0, top, vocabulary + 1).records.dtype
        fields = [*plain.descr, ("span", np.float32), ("aligned", np.bool_)]
        records = np.zeros(rows, dtype=np.dtype(fields))
        records["span"] = np.nan
        return cls(records, vocabulary)

    @classmethod
    def open(cls, path: Path, vocabulary: int) -> CrossAnswers:
        """Map what was written with ``numpy.save``."""
        return cls(np.load(path, mmap_mode="r"), vocabulary)

    def __len__(self) -> int:
        """Number of positions."""
        return len(self.records)

    @property
    def top(self) -> TopAnswers:
        """The teacher's best tokens as the student numbers them; those that it has not are ``vocabulary``."""
        return TopAnswers(self.records)

    def find_spans(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The aligned spans that lie whole in blocks of text.

        Args:
            positions: (B, T + 1) int64, consecutive in each row: a block's T inputs, and where its last target stands.
        Returns:
            spans (B, T) int64: the number of the span that the target after each input belongs to, from 0 up in
            order, -1 for none; and the S spans' log-likelihoods, (S,) float32.
        """
        inputs = positions[:, :-1]
        values = self.records["span"][inputs]
        # A span begins behind an aligned input; what comes before the first one in a block began outside.
        begun = np.maximum.accumulate(self.records["aligned"][inputs], axis=1)
        ends = ~np.isnan(values)
        aligned_after = self.records["aligned"][positions[:, 1:]]
        # The number of ended spans before each target; a target that no later end closes is in none.
        closed = np.flip(np.maximum.accumulate(np.flip(aligned_after, 1), axis=1), 1)
        number = np.cumsum(aligned_after, axis=1) - aligned_after
        whole = begun & closed
        keys = np.where(whole, number + np.arange(len(inputs))[:, None] * (inputs.shape[1] + 1), -1)
        good = np.unique(keys[whole & ends])  # each span's end carries its value; torn ones have none
        spans = np.where(np.isin(keys, good), np.searchsorted(good, keys), -1)
        return spans, values[whole & ends].astype(np.float32)
