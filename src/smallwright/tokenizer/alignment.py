"""Two tokenizers over the same texts: where both end a token, and which of their tokens are the same bytes.

Enters: two byte-level tokenizers, and the same documents as the tokens of each. Leaves: an ``Alignment``.
Not here: what a teacher says at those places (teacher/cross_tokenizer.py).

Text is compared as bytes: a byte-level token may end inside a character, and there too both may end one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from smallwright.errors import CheckpointError, DataError
from smallwright.tokenizer.describe import NORMAL, Description, describe

Documents = Sequence[NDArray[np.integer]]


@dataclass(frozen=True)
class Alphabet:
    """What a byte-level tokenizer's tokens stand for.

    Attributes:
        token_bytes: by number. An added token stands for its own spelling.
        plain: by number, whether it is a token of text, and not an added one.
        end: the number of the token that ends a text.
    """

    token_bytes: tuple[bytes, ...]
    plain: tuple[bool, ...]
    end: int


@dataclass(frozen=True)
class Alignment:
    """How a student's P tokens of some texts lie to its teacher's.

    Attributes:
        at: (P,) int64: the teacher's position whose text ends on the same byte; -1 where none does.
        torn: (P,) bool: of documents that differ by a byte in the two (a normaliser changed them): nothing there is
            aligned.
        shared: (teacher's vocabulary,) int64: the student's token of the same bytes, -1 where there is none. The ends
            of a text are one token; other added tokens are their owner's.
    """

    at: NDArray[np.int64]
    torn: NDArray[np.bool_]
    shared: NDArray[np.int64]


def read_alphabet(tokenizer: Tokenizer, roles: Mapping[str, str] | None = None) -> Alphabet:
    """What each token stands for.

    Args:
        tokenizer: a byte-level BPE.
        roles: see ``describe``.
    Raises:
        CheckpointError: it is of another kind, or names no token that ends a text.
    """
    found: Description = describe(tokenizer, roles)
    if found.spec.model != "bpe" or found.eos is None:
        got = found.spec.model if found.spec.model != "bpe" else "one without an end token"
        raise CheckpointError(
            f"texts are aligned between byte-level tokenizers that end them. Got {got} in tokenizer.json. "
            "Use a teacher with such a tokenizer."
        )
    letters = {letter: byte for byte, letter in enumerate(_spell_bytes())}
    plain = tuple(kind == NORMAL for kind in found.types)
    words = zip(found.vocabulary, plain, strict=True)
    return Alphabet(
        tuple(bytes(letters[one] for one in word) if normal else word.encode("utf-8") for word, normal in words),
        plain,
        found.eos,
    )


def _spell_bytes() -> list[str]:
    """GPT-2's letter for each byte: itself where it is printable in Latin-1, else the next from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def align(theirs: Documents, mine: Documents, alphabets: tuple[Alphabet, Alphabet]) -> Alignment:
    """Lay a student's tokens beside its teacher's.

    Args:
        theirs, mine: the same documents in the same order, each as (T,) tokens of which the last ends it.
        alphabets: the teacher's and the student's.
    Raises:
        DataError: their numbers differ, or no document is the same bytes in both.
    """
    if len(theirs) != len(mine):
        raise DataError(
            f"two tokenizers are aligned on the same documents. Got {len(theirs)} and {len(mine)}. Give both the same."
        )
    at, torn, begin = [], [], 0
    for given, own in zip(theirs, mine, strict=True):
        found = _align_one(given, own, alphabets)
        at.append(np.full(len(own), -1, dtype=np.int64) if found is None else np.where(found < 0, -1, found + begin))
        torn.append(np.full(len(own), found is None))
        begin += len(given)
    joined = Alignment(np.concatenate(at), np.concatenate(torn), _match(*alphabets)) if at else None
    if joined is None or joined.torn.all():
        raise DataError(
            "a teacher with another tokenizer must read the same bytes as its student. Got no document that both read "
            f"alike of {len(mine)}. Use a teacher whose tokenizer keeps every byte."
        )
    return joined


def _align_one(
    theirs: NDArray[np.integer], mine: NDArray[np.integer], alphabets: tuple[Alphabet, Alphabet]
) -> NDArray[np.int64] | None:
    """For each of the student's tokens the number of the teacher's that ends on the same byte, -1: none; None: torn."""
    pieces = [
        [alphabet.token_bytes[token] for token in tokens[:-1]]
        for tokens, alphabet in zip((theirs, mine), alphabets, strict=True)
    ]
    if b"".join(pieces[0]) != b"".join(pieces[1]):
        return None
    # The end of a text counts as one byte, whatever its spelling.
    ends = [np.cumsum([*(len(piece) for piece in part), 1], dtype=np.int64) for part in pieces]
    places = np.searchsorted(ends[0], ends[1])
    return np.where(ends[0][places] == ends[1], places, -1)


def _match(theirs: Alphabet, mine: Alphabet) -> NDArray[np.int64]:
    numbers = {word: number for number, word in enumerate(mine.token_bytes) if mine.plain[number]}
    matched = [
        numbers.get(word, -1) if plain else -1 for word, plain in zip(theirs.token_bytes, theirs.plain, strict=True)
    ]
    matched[theirs.end] = mine.end
    return np.array(matched, dtype=np.int64)
