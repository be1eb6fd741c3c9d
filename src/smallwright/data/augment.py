"""Variants of labelled rows that keep their label: misspelt, in other letters, with words left out, or mixed.

Enters: training rows. Leaves: more rows.
Not here: texts without labels (transfer.py), changes to tokens at each reading (train/augment.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from smallwright.data.row import Row
from smallwright.data.splits import make_key

_PIECE = re.compile(r"\S+\s*")
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_LEAST_LETTERS = 3  # a shorter word misspelt is often another word
_TRIES = 10  # for each variant wanted: short texts have few


def make_variants(
    rows: Sequence[Row],
    *,
    copies: int,
    typos: float = 0.0,
    casing: float = 0.0,
    dropping: float = 0.0,
    mixing: float = 0.0,
    seed: int = 0,
    avoid: Collection[str] = frozenset(),
) -> list[Row]:
    """Make variants of rows. Of a prompt with a completion, the prompt alone changes.

    Args:
        rows: N of them, labelled or with completions.
        copies: variants of each row, 0 or more. Fewer come where a text does not give so many different ones.
        typos: chance in [0, 1] that a word of three letters or more is misspelt: two letters swapped, one left out, one
            doubled, or one replaced by its neighbour on an English keyboard.
        casing: chance in [0, 1] that a text is written in small letters, in capitals or with a capital first.
        dropping: chance in [0, 1) that a word is left out; at least one stays.
        mixing: chance in [0, 1] that a text is the start of one and the end of another text of its class.
        seed: the same rows, chances and seed give the same variants.
        avoid: texts that must not come out, such as those of the test; case and punctuation do not count.
    Returns:
        Up to N * copies rows; none has the very text of a given row or of another variant.
    Source: dropping is random deletion of Wei and Zou, "EDA", arXiv:1901.11196; typos are the noise of Belinkov and
        Bisk, arXiv:1711.02173, section 3.
    """
    maker = _Maker(rows, np.random.default_rng([seed, copies]), typos, casing, dropping, mixing)
    banned = {make_key(text) for text in avoid}
    seen = {row.question for row in rows} | {""}
    made: list[Row] = []
    for row in rows:
        for _ in range(copies):
            for _ in range(_TRIES):
                text = maker.vary(row)
                if text not in seen and make_key(text) not in banned:
                    seen.add(text)
                    made.append(_rewrite(row, text))
                    break
    return made


def _rewrite(row: Row, text: str) -> Row:
    if row.prompt is None:
        return replace(row, text=text)
    return replace(row, prompt=text, text=f"{text}{row.completion}")


class _Maker:
    """The chances, the texts of each class, and a generator."""

    def __init__(
        self,
        rows: Sequence[Row],
        rng: np.random.Generator,
        typos: float,
        casing: float,
        dropping: float,
        mixing: float,
    ) -> None:
        self.rng = rng
        self.typos, self.casing, self.dropping, self.mixing = typos, casing, dropping, mixing
        self.peers: Mapping[str | None, list[str]] = {}
        if mixing:
            peers: dict[str | None, list[str]] = {}
            for row in rows:
                peers.setdefault(row.label, []).append(row.question)
            self.peers = peers

    def vary(self, row: Row) -> str:
        """One variant of a row's text; may be the text itself."""
        pieces = _PIECE.findall(row.question)
        if self.rng.random() < self.mixing:
            pieces = self._mix(pieces, row.label)
        pieces = self._drop(pieces)
        text = "".join(self._misspell(piece) if self.rng.random() < self.typos else piece for piece in pieces).strip()
        return self._recase(text) if self.rng.random() < self.casing else text

    def _mix(self, pieces: list[str], label: str | None) -> list[str]:
        """Both are cut at the same share of their length, so that the mixture is about as long as they are."""
        peers = self.peers[label]
        other = _PIECE.findall(peers[self.rng.integers(len(peers))])
        share = self.rng.random()
        start, rest = pieces[: round(share * len(pieces))], other[round(share * len(other)) :]
        return [*start[:-1], start[-1].rstrip() + " ", *rest] if start and rest else start + rest

    def _drop(self, pieces: list[str]) -> list[str]:
        kept = [piece for piece in pieces if self.rng.random() >= self.dropping]
        return kept or [pieces[self.rng.integers(len(pieces))]] if pieces else []

    def _misspell(self, piece: str) -> str:
        places = [at for at, letter in enumerate(piece) if letter.isalpha()]
        if len(places) < _LEAST_LETTERS:
            return piece
        at, kind = places[self.rng.integers(len(places))], self.rng.integers(4)
        if kind == 0 and at + 1 < len(piece) and piece[at + 1].isalpha():
            return piece[:at] + piece[at + 1] + piece[at] + piece[at + 2 :]
        if kind == 1:
            return piece[:at] + piece[at + 1 :]
        if kind == 2:
            return piece[: at + 1] + piece[at:]
        return piece[:at] + self._neighbour(piece[at]) + piece[at + 1 :]

    def _neighbour(self, letter: str) -> str:
        """The key to the left or right; the letter itself where an English keyboard does not have it."""
        row = next((row for row in _KEYBOARD if letter.lower() in row), None)
        if row is None:
            return letter
        at = row.index(letter.lower())
        near = [row[place] for place in (at - 1, at + 1) if 0 <= place < len(row)]
        found = near[self.rng.integers(len(near))]
        return found.upper() if letter.isupper() else found

    def _recase(self, text: str) -> str:
        kind = self.rng.integers(3)
        if kind == 0:
            return text.lower()
        return text.upper() if kind == 1 else text[:1].upper() + text[1:].lower()
