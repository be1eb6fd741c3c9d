"""A teacher's K likeliest tokens at each position, as they lie on disk: four bytes and a quarter each.

Enters: log-probabilities and tokens. Leaves: one mapped array of records, and both parts of chosen rows again.
Not here: asking the teacher (teacher/language.py), what a student makes of them (train/).

A position takes 4 K bytes, and K / 4 more, rounded up, where the vocabulary has more than 65,536 tokens: 128 or 136 at
K = 32. What the teacher leaves to
all other tokens together needs no bytes: it is 1 minus the sum of the probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallwright.errors import DataError

MOST_TOKENS = 1 << 18


@dataclass(frozen=True)
class TopAnswers:
    """``records``: (N,) with the fields ``value`` (K,) float16 and ``low`` (K,) uint16, the tokens' lower halves, and
    for large vocabularies ``high`` (K / 4 rounded up,) uint8, two bits more of each.
    """

    records: NDArray[np.void]

    @classmethod
    def empty(cls, rows: int, top: int, vocabulary: int) -> TopAnswers:
        """Room for ``rows`` positions.

        Args:
            rows: N.
            top: K, at least 1.
            vocabulary: every token is below it; at most ``MOST_TOKENS``.
        Raises:
            DataError: the vocabulary is larger.
        """
        if vocabulary > MOST_TOKENS:
            raise DataError(
                f"answers are kept of teachers with at most {MOST_TOKENS} tokens. Got {vocabulary}. "
                "Trim its vocabulary (tokenizer: {kind: teacher, trim: true})."
            )
        fields = [("value", np.float16, (top,)), ("low", np.uint16, (top,))]
        if vocabulary > 1 << 16:
            fields.append(("high", np.uint8, (-(-top // 4),)))
        return cls(np.zeros(rows, dtype=np.dtype(fields)))

    @classmethod
    def open(cls, path: Path) -> TopAnswers:
        """Map what was written with ``numpy.save``."""
        return cls(np.load(path, mmap_mode="r"))

    def __len__(self) -> int:
        """Number of positions."""
        return len(self.records)

    @property
    def top(self) -> int:
        """K."""
        return int(self.records.dtype["low"].shape[0])

    def put(self, rows: slice | NDArray[np.int64], values: NDArray[np.floating], tokens: NDArray[np.integer]) -> None:
        """Write n positions: log-probabilities and tokens, (n, K) each."""
        self.records["value"][rows] = values
        self.records["low"][rows] = tokens & 0xFFFF
        if "high" in (self.records.dtype.names or ()):
            padded = np.zeros((len(tokens), self.records.dtype["high"].shape[0] * 4), dtype=np.uint8)
            padded[:, : self.top] = tokens >> 16
            quarters = padded.reshape(len(tokens), -1, 4)
            self.records["high"][rows] = quarters @ np.array([1, 4, 16, 64], dtype=np.uint8)

    def read(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Log-probabilities and tokens, (n, K) each, of n positions."""
        chosen = self.records[rows]
        tokens = chosen["low"].astype(np.int64)
        if "high" in (chosen.dtype.names or ()):
            quarters = chosen["high"][:, :, None] >> np.array([0, 2, 4, 6], dtype=np.uint8) & 3
            tokens |= quarters.reshape(len(chosen), -1)[:, : self.top].astype(np.int64) << 16
        return chosen["value"].astype(np.float32), tokens
