"""A vocabulary cut down to a domain.

Enters: a tokenizer and the domain's texts. Leaves: the smaller tokenizer and which old tokens it kept.
Not here: the model's rows, which compress/vocabulary.py cuts by the same list.

Law: text all of whose old pieces are kept encodes to the same pieces; every text still encodes; trimming again by the
same texts changes nothing (with ``min_count`` 1).
"""

from __future__ import annotations

import itertools
import json
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from smallwright.tokenizer.describe import Description, describe

_PRINTABLE = string.digits + string.ascii_letters + string.punctuation
_CHUNK = 4096


def trim(
    tokenizer: Tokenizer, texts: Iterable[str], *, keep_first: int = 0, min_count: int = 1
) -> tuple[Tokenizer, NDArray[np.int64]]:
    """Keep the tokens of some texts and whatever keeps every input encodable.

    Beside the tokens seen, special tokens stay. BPE: so do all bytes, and every token that merges into a kept one.
    WordPiece: so do the unknown token, the printable ASCII characters and every character seen, as the start and as the
    continuation of a word (where the old vocabulary has them).

    Args:
        tokenizer: a tokenizer that ``describe`` accepts.
        texts: the domain's texts.
        keep_first: also keep this many of the first tokens of the old vocabulary.
        min_count: a token is seen when it occurs at least this often, 1 or more.
    Returns:
        The trimmed tokenizer, and (V',) int64: the old number of each of its tokens, ascending.
    Raises:
        CheckpointError: the tokenizer is of an unsupported kind.
    """
    description = describe(tokenizer)
    counts = _count_tokens(tokenizer, texts)
    wanted = {token for token, count in counts.items() if count >= min_count}
    wanted |= set(range(min(keep_first, len(description.vocabulary))))
    wanted |= {*description.spec.special, *description.spec.prefix, *description.spec.suffix}
    if description.spec.model == "bpe":
        wanted |= _close_over_merges(description, wanted)
    else:
        wanted |= _find_characters(description, wanted)
    kept = np.asarray(sorted(wanted), dtype=np.int64)
    return _rebuild(tokenizer, description, kept), kept


def _count_tokens(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    counts: Counter[int] = Counter()
    chunk: list[str] = []

    def count_chunk() -> None:
        for entry in tokenizer.encode_batch_fast(chunk, add_special_tokens=False):
            counts.update(entry.ids)
        chunk.clear()

    for text in texts:
        chunk.append(text)
        if len(chunk) == _CHUNK:
            count_chunk()
    count_chunk()
    return counts


def _close_over_merges(description: Description, wanted: set[int]) -> set[int]:
    """All byte tokens, and every token met on the way when the wanted ones are merged from bytes.

    Inside a longer word a token is merged in the very steps in which it is merged alone (no merge crosses its ends, or
    it would not be a piece), so these steps are all that covered text needs.
    """
    numbers = {token: number for number, token in enumerate(description.vocabulary)}
    ranks = {pair: rank for rank, pair in enumerate(description.merges)}
    added = {*description.spec.special, *description.spec.literal}
    closed = {numbers[byte] for byte in ByteLevel.alphabet()}
    for token in wanted - added:
        closed.update(numbers[piece] for piece in _merge_steps(description.vocabulary[token], ranks))
    return closed


def _merge_steps(word: str, ranks: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """The tokens that BPE makes of a word's characters, step after step: lowest rank first, leftmost first."""
    pieces = list(word)
    while len(pieces) > 1:
        candidates = [(ranks[pair], at) for at, pair in enumerate(itertools.pairwise(pieces)) if pair in ranks]
        if not candidates:
            return
        at = min(candidates)[1]
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        yield pieces[at]


def _find_characters(description: Description, wanted: set[int]) -> set[int]:
    """The unknown token and single characters, starting and continuing a word."""
    numbers = {token: number for number, token in enumerate(description.vocabulary)}
    added = {*description.spec.special, *description.spec.literal}
    pieces = (description.vocabulary[token].removeprefix("##") for token in wanted - added)
    characters = {*_PRINTABLE, *(character for piece in pieces for character in piece)}
    spellings = [spelling for character in characters for spelling in (character, f"##{character}")]
    found = {numbers[spelling] for spelling in spellings if spelling in numbers}
    return found if description.spec.unknown is None else found | {description.spec.unknown}


def _rebuild(tokenizer: Tokenizer, description: Description, kept: NDArray[np.int64]) -> Tokenizer:
    """The same pipeline over the kept tokens, renumbered."""
    parts: dict[str, Any] = json.loads(tokenizer.to_str())
    renumbered = {int(old): new for new, old in enumerate(kept)}
    strings = {description.vocabulary[old]: new for old, new in renumbered.items()}
    parts["model"]["vocab"] = {token: new for token, new in strings.items() if token in parts["model"]["vocab"]}
    if description.spec.model == "bpe":
        pairs = [[left, right] for left, right in description.merges if {left, right, left + right} <= strings.keys()]
        parts["model"]["merges"] = pairs
    parts["added_tokens"] = [
        {**token, "id": renumbered[token["id"]]} for token in parts["added_tokens"] if token["id"] in renumbered
    ]
    _renumber_template(parts.get("post_processor"), renumbered)
    trimmed = Tokenizer.from_str(json.dumps(parts))
    trimmed.no_padding()
    trimmed.no_truncation()
    return trimmed


def _renumber_template(processor: dict[str, Any] | None, renumbered: Mapping[int, int]) -> None:
    for step in (processor or {}).get("processors", [processor]):
        for role in ("cls", "sep"):
            if step and role in step:
                step[role] = [step[role][0], renumbered[step[role][1]]]
        special: dict[str, dict[str, Any]] = (step or {}).get("special_tokens", {})
        for name, token in list(special.items()):
            if all(number in renumbered for number in token["ids"]):
                special[name] = {**token, "ids": [renumbered[number] for number in token["ids"]]}
