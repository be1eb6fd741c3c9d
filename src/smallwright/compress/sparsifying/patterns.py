"""Which weights of a matrix are the lowest: of all of it, of each row, or of every M inputs in a row.

Enters: a score for each weight. Leaves: a mask of those to drop.
Not here: scores (matrix.py, sparsegpt.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.bool_]

_TIE = 1e-9  # a share like 0.29 of 100 weights is 29 of them, whatever floats make of the product


@dataclass(frozen=True)
class Pattern:
    """Of every ``of`` inputs that follow each other in a row, ``keep`` weights are kept.

    Source: Mishra et al., arXiv:2104.08378, section 3 (2:4).
    """

    keep: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """``2:4`` and the like."""
        keep, of = text.split(":")
        return cls(int(keep), int(of))

    @property
    def sparsity(self) -> float:
        """Share of the weights that are dropped."""
        return 1 - self.keep / self.of

    def __str__(self) -> str:
        return f"{self.keep}:{self.of}"


def count_dropped(weights: int, sparsity: float) -> int:
    """How many of so many weights a share is, rounded down."""
    return int(weights * sparsity + _TIE)


def drop_lowest(scores: NDArray[np.floating], sparsity: float, pattern: Pattern | None, *, by_row: bool) -> Mask:
    """The weights of the lowest scores; of equal ones the first.

    Args:
        scores: (R, C).
        sparsity: share to drop, 0 to 1, rounded down to whole weights; not read where there is a pattern.
        pattern: its ``of`` divides C; None: no pattern.
        by_row: compare within each row; else all weights with each other. Not read where there is a pattern.
    Returns:
        (R, C), true where a weight is dropped.
    """
    if pattern is not None:
        groups, count = scores.reshape(-1, pattern.of), pattern.of - pattern.keep
    else:
        groups = scores if by_row else scores.reshape(1, -1)
        count = count_dropped(groups.shape[1], sparsity)
    dropped = np.zeros(groups.shape, np.bool_)
    lowest = np.argsort(groups, axis=1, kind="stable")[:, :count]
    np.put_along_axis(dropped, lowest, True, axis=1)
    return dropped.reshape(scores.shape)
