"""Texts that say nearly the same: by the words that they share.

Enters: texts, and those that they must not repeat. Leaves: the greatest similarity of each.
Not here: texts that are the same but for case and punctuation (splits.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smallwright.data.splits import normalise

_TOGETHER = 64  # texts compared at once: most share a word with most others, so that the product is nearly full


def similarity(texts: Sequence[str], others: Sequence[str]) -> NDArray[np.float64]:
    """(N,) the highest Jaccard index of each text's words with those of any other text.

    Args:
        texts: N of them.
        others: any number; none gives zeros.
    Returns:
        In [0, 1]: words in common over words of either; case and punctuation do not count, nor does how often or in
        which order a word stands.
    """
    if not texts or not others:
        return np.zeros(len(texts))
    from scipy.sparse import csr_matrix

    numbers: dict[str, int] = {}
    rows = [sorted({numbers.setdefault(word, len(numbers)) for word in normalise(text).split()}) for text in texts]
    rest = [sorted({numbers.setdefault(word, len(numbers)) for word in normalise(text).split()}) for text in others]

    def stack(sets: list[list[int]]) -> csr_matrix:
        ends = np.cumsum([0, *map(len, sets)])
        columns = np.array([one for members in sets for one in members], dtype=np.int64)
        return csr_matrix((np.ones(len(columns), dtype=np.int64), columns, ends), shape=(len(sets), len(numbers)))

    found, there = np.zeros(len(texts)), stack(rest).T.tocsr()
    other_sizes = np.array([len(one) for one in rest])
    for start in range(0, len(rows), _TOGETHER):
        some = rows[start : start + _TOGETHER]
        common = (stack(some) @ there).tocoo()
        sizes = np.array([len(one) for one in some])
        shares = common.data / (sizes[common.row] + other_sizes[common.col] - common.data)
        np.maximum.at(found, start + common.row, shares)
    return found
