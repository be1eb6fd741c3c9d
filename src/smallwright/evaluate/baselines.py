"""The simplest honest neighbours of a small model: always the same answer, and byte n-grams.

Enters: labels, or bytes. Leaves: a label, or bits per byte. The same input gives the same result.
Not here: the linear classifier (linear.py), timing (cost.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallwright.errors import DataError


def majority_label(labels: Sequence[str]) -> str:
    """The most frequent label; of equals the first in the alphabet.

    Raises:
        DataError: there are no labels.
    """
    if not labels:
        raise DataError("a majority needs at least one label. Got none.")
    return min(Counter(labels).items(), key=lambda item: (-item[1], item[0]))[0]


def open_majority(label: str) -> Callable[[str], str]:
    """A callable that answers every text with the same label."""
    return lambda text: label


@dataclass(frozen=True)
class NgramScore:
    """``order``: longest context in bytes. ``entries``: n-grams kept, about 12 bytes each in a compact table."""

    order: int
    bits_per_byte: float
    entries: int


def ngram_score(train: bytes, test: bytes, order: int = 5) -> NgramScore:
    """Bits per byte that an interpolated byte n-gram model needs for the test text: the simple neighbour of an LM.

    P_k(c | h) = (count(hc) + distinct(h) * P_{k-1}(c | h')) / (count(h) + distinct(h)), where h' is h without its first
    byte and distinct(h) the number of different bytes seen after h; P_{-1} = 1/256; an unseen h leaves P_{k-1}.

    Args:
        train, test: one byte or more each. The first bytes of the test text have the shorter contexts that exist.
        order: longest context, 0..7 bytes.
    Raises:
        DataError: a text is empty, or the order is out of range.
    Source: Witten and Bell, IEEE Trans. Information Theory 37 (1991), method C, interpolated.
    """
    if not train or not test or not 0 <= order <= 7:
        raise DataError(
            f"an n-gram model needs bytes to learn and to score, and an order from 0 to 7. Got {len(train)} and "
            f"{len(test)} bytes, order {order}."
        )
    learn, score = (np.frombuffer(text, dtype=np.uint8).astype(np.uint64) for text in (train, test))
    probability = np.full(score.size, 1 / 256)
    entries = 0
    for context in range(min(order, score.size - 1, learn.size - 1) + 1):
        grams, gram_counts = np.unique(_windows(learn, context + 1), return_counts=True)
        entries += grams.size
        histories, first, distinct = np.unique(grams >> np.uint64(8), return_index=True, return_counts=True)
        totals = np.add.reduceat(gram_counts, first)  # grams are sorted, so those of one history lie together
        wanted = _windows(score, context + 1)
        hits = _look_up(grams, gram_counts, wanted)
        total = _look_up(histories, totals, wanted >> np.uint64(8))
        kinds = _look_up(histories, distinct, wanted >> np.uint64(8))
        shorter = probability[context:]
        known = total > 0
        shorter[known] = ((hits + kinds * shorter) / np.maximum(total + kinds, 1))[known]
    return NgramScore(order, float(-np.log2(probability).mean()), entries)


def choose_ngram(train: bytes, validation: bytes, test: bytes, orders: Sequence[int] = (3, 4, 5, 6)) -> NgramScore:
    """The n-gram model whose order is best on the validation text, scored on the test text."""
    best = min(orders, key=lambda order: (ngram_score(train, validation, order).bits_per_byte, order))
    return ngram_score(train, test, best)


def _windows(values: NDArray[np.uint64], width: int) -> NDArray[np.uint64]:
    """Every run of ``width`` bytes as one number, the last byte lowest."""
    count = values.size - width + 1
    packed = np.zeros(count, dtype=np.uint64)
    for offset in range(width):
        packed = (packed << np.uint64(8)) | values[offset : offset + count]
    return packed


def _look_up(keys: NDArray[np.uint64], values: NDArray[Any], wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
    place = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    return np.where(keys[place] == wanted, values[place], 0).astype(np.int64)
