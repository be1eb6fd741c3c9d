"""A transfer set: texts near the domain that nobody labelled, on which a student hears its teacher.

Enters: the training texts. Leaves: other texts made of their words: windows, splices, texts with words left out.
Not here: labels, which such texts do not have; the teacher's answers (teacher/).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

WINDOW_SHARE, SPLICE_SHARE = 0.4, 0.3  # of the texts; the rest are texts with words left out
WINDOW_WORDS = 5
DROP_PROBABILITY = 0.3
_TRIES = 20  # for each text wanted; little text does not give many different ones


def make_transfer_texts(
    texts: Sequence[str], count: int, *, seed: int, avoid: Collection[str] = frozenset()
) -> list[str]:
    """Make texts from the words of others.

    A window is up to ``WINDOW_WORDS`` words in a row; a splice is the start of one text and the end of another; the
    third kind leaves out each word of a text with probability ``DROP_PROBABILITY``.

    Args:
        texts: the training texts. Words are what stands between white space.
        count: how many are wanted, 0 or more. Fewer come where the words do not give so many different ones.
        seed: the same texts, count and seed give the same result.
        avoid: texts that must not come out, such as those of the test.
    Returns:
        Different texts, none of them in ``texts`` or ``avoid`` (case and outer space do not count).
    Source: Tang et al., "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks", arXiv:1903.12136,
        section 3.3 (windows and omission); the name is that of Hinton, Vinyals, Dean, arXiv:1503.02531.
    """
    rng = np.random.default_rng([seed, count])
    words = [split for text in texts if (split := text.split())]
    seen = {_key(text) for text in (*texts, *avoid)}
    made: list[str] = []
    for _ in range(count * _TRIES if words else 0):
        if len(made) == count:
            break
        text = " ".join(_make_one(words, rng))
        if text and _key(text) not in seen:
            seen.add(_key(text))
            made.append(text)
    return made


def _make_one(words: Sequence[list[str]], rng: np.random.Generator) -> list[str]:
    kind = rng.random()
    first = words[rng.integers(len(words))]
    if kind < WINDOW_SHARE:
        length = int(rng.integers(1, WINDOW_WORDS + 1))
        start = int(rng.integers(max(1, len(first) - length + 1)))
        return first[start : start + length]
    if kind < WINDOW_SHARE + SPLICE_SHARE:
        second = words[rng.integers(len(words))]
        return first[: rng.integers(len(first) + 1)] + second[rng.integers(len(second) + 1) :]
    return [word for word, chance in zip(first, rng.random(len(first)), strict=True) if chance >= DROP_PROBABILITY]


def _key(text: str) -> str:
    return " ".join(text.casefold().split())
