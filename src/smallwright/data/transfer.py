"""A transfer set: texts near the domain that nobody labelled, on which a student hears its teacher.

Enters: the training texts. Leaves: other texts made of their words: windows, splices, texts with words left out,
misspelt, replaced and put in.
Not here: labels, which such texts do not have; the teacher's answers (teacher/).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

WINDOW_SHARE, SPLICE_SHARE, OMIT_SHARE = 0.3, 0.2, 0.2  # of the texts; the rest keep all their words before the noise
WINDOW_WORDS = 5
OMIT_PROBABILITY = 0.3
# Highest chance that a word is misspelt. It is replaced as often, and followed by a strange one half as often.
MOST_NOISE = 0.4
_TRIES = 20  # for each text wanted; little text does not give many different ones


def make_transfer_texts(
    texts: Sequence[str], count: int, *, seed: int, avoid: Collection[str] = frozenset()
) -> list[str]:
    """Make texts from the words of others.

    A window is up to ``WINDOW_WORDS`` words in a row; a splice is the start of one text and the end of another. The
    other texts are whole, or lack each word with probability ``OMIT_PROBABILITY``. Then some words are misspelt,
    replaced by strange ones, or have strange ones put behind them, at a rate drawn for each text: so the student
    learns from the teacher what unknown words are worth.

    Args:
        texts: the training texts. Words are what stands between white space.
        count: how many are wanted, 0 or more. Fewer come where the words do not give so many different ones.
        seed: the same texts, count and seed give the same result.
        avoid: texts that must not come out, such as those of the test.
    Returns:
        Different texts, none of them in ``texts`` or ``avoid`` (case and white space do not count).
    Source: Tang et al., "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks", arXiv:1903.12136,
        section 3.3 (windows and omission); the name is that of Hinton, Vinyals, Dean, arXiv:1503.02531.
    """
    maker = _Maker(texts, np.random.default_rng([seed, count]))
    seen = {_key(text) for text in (*texts, *avoid)} | {""}
    made: list[str] = []
    for _ in range(count * _TRIES if maker.words else 0):
        if len(made) == count:
            break
        text = " ".join(maker.make_one())
        if _key(text) not in seen:
            seen.add(_key(text))
            made.append(text)
    return made


class _Maker:
    """The words of all texts, and a generator."""

    def __init__(self, texts: Sequence[str], rng: np.random.Generator) -> None:
        self.rng = rng
        self.words = [split for text in texts if (split := text.split())]
        self.vocabulary = sorted({word for split in self.words for word in split})

    def make_one(self) -> list[str]:
        """The words of one text; may be none."""
        return self._add_noise(self._choose_words(), MOST_NOISE * self.rng.random())

    def _choose_words(self) -> list[str]:
        rng, kind = self.rng, self.rng.random()
        first = self.words[rng.integers(len(self.words))]
        if kind < WINDOW_SHARE:
            length = int(rng.integers(1, WINDOW_WORDS + 1))
            start = int(rng.integers(max(1, len(first) - length + 1)))
            return first[start : start + length]
        kind -= WINDOW_SHARE
        if kind < SPLICE_SHARE:
            second = self.words[rng.integers(len(self.words))]
            return first[: rng.integers(len(first) + 1)] + second[rng.integers(len(second) + 1) :]
        if kind - SPLICE_SHARE < OMIT_SHARE:
            chances = rng.random(len(first))
            return [word for word, chance in zip(first, chances, strict=True) if chance >= OMIT_PROBABILITY]
        return first

    def _add_noise(self, words: Sequence[str], rate: float) -> list[str]:
        out = []
        for word, replaced, followed in zip(
            words, self.rng.random(len(words)), self.rng.random(len(words)), strict=True
        ):
            if replaced < rate:
                out.append(self._misspell(word))
            else:
                out.append(self._invent() if replaced < 2 * rate else word)
            if followed < rate / 2:
                out.append(self._invent())
        return out

    def _misspell(self, word: str) -> str:
        """One letter left out, put in, or replaced by one of some other word."""
        if len(word) < 3:
            return word
        at, kind = int(self.rng.integers(len(word))), self.rng.integers(3)
        letter = "" if kind == 0 else self._draw(self._draw(self.vocabulary))
        return word[:at] + letter + word[at + (kind != 1) :]

    def _invent(self) -> str:
        """A word out of place, or one that does not exist: the start of one word and the end of another."""
        first, second = self._draw(self.vocabulary), self._draw(self.vocabulary)
        if self.rng.random() < 0.5:
            return first
        return first[: self.rng.integers(len(first) + 1)] + second[self.rng.integers(len(second)) :]

    def _draw(self, choices: Sequence[str]) -> str:
        return choices[self.rng.integers(len(choices))]


def _key(text: str) -> str:
    return " ".join(text.casefold().split())
