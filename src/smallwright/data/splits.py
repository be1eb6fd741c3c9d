"""Which row goes where: deterministic splits by content, and the search for texts that stand in two splits.

Enters: rows of each split that the user gave. Leaves: a split for every row; the leaks between splits.
Not here: reading and writing; the settings' defaults.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from smallwright.data.row import SourceRow

SPLITS = ("train", "validation", "test")


class _PunctuationToSpace(dict[int, int | str]):
    """A translation table filled as characters are met: punctuation, separators and controls become spaces."""

    def __missing__(self, code: int) -> int | str:
        kept: int | str = " " if unicodedata.category(chr(code))[0] in "PZC" else code
        self[code] = kept
        return kept


_TABLE = _PunctuationToSpace()


def normalise(text: str) -> str:
    """The form under which two texts count as the same: NFKC, case folded, punctuation and spaces as one space.

    Symbols (+, $, emoji) are kept, because they carry meaning. A text of nothing but punctuation stays itself.
    Law: normalise(normalise(x)) == normalise(x).
    """
    if text.isascii():  # the same by a shorter way
        folded = text.lower()
        return " ".join(folded.translate(_TABLE).split() or folded.split())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    words = folded.translate(_TABLE).split()
    return unicodedata.normalize("NFKC", " ".join(words or folded.split()))


def make_key(text: str) -> bytes:
    """16 bytes that stand for the normalised text."""
    return hashlib.blake2b(normalise(text).encode("utf-8"), digest_size=16).digest()


def _rank(seed: int, purpose: str, key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=16, salt=seed.to_bytes(16, "little"), person=purpose.encode()).digest()


def _share(sizes: Mapping[str, int], total: int, seed: int, purpose: str) -> dict[str, int]:
    """Split ``total`` over classes in proportion to their sizes by largest remainder; ties by hash, never by order."""
    everything = sum(sizes.values())
    exact = {label: size * total / everything for label, size in sizes.items()}
    quota = {label: int(value) for label, value in exact.items()}
    left = total - sum(quota.values())
    ranked = sorted(exact, key=lambda label: (quota[label] - exact[label], _rank(seed, purpose, label.encode())))
    for label in ranked[:left]:
        quota[label] += 1
    return quota


def assign_splits(
    keys: Sequence[bytes], labels: Sequence[str | None], *, validation_fraction: float, test_fraction: float, seed: int
) -> list[str]:
    """Give every row a split, by its content and the seed alone.

    Args:
        keys: (N,) ``make_key`` of each row; rows with equal keys go to the same split.
        labels: (N,) classes, or None where there are none.
        validation_fraction: share of rows, from 0; 0 gives none.
        test_fraction: share of rows, from 0; 0 gives none.
        seed: from 0 to 2**63 - 1.
    Returns:
        (N,) names out of SPLITS.
    Law: the order of the rows changes nothing; a class of distinct texts gets its exact share rounded up or down; every
    class keeps at least one group of equal texts in train.
    """
    votes: dict[bytes, Counter[str]] = defaultdict(Counter)
    for key, label in zip(keys, labels, strict=True):
        votes[key][label or ""] += 1
    groups: dict[str, list[bytes]] = defaultdict(list)
    for key, counts in votes.items():
        groups[min(counts, key=lambda label: (-counts[label], label))].append(key)
    weights = {key: counts.total() for key, counts in votes.items()}
    sizes = {label: sum(weights[key] for key in members) for label, members in groups.items()}
    rows = len(keys)
    quotas = {
        split: _share(sizes, round(rows * fraction), seed, split) if rows else {}
        for split, fraction in (("test", test_fraction), ("validation", validation_fraction))
    }
    chosen: dict[bytes, str] = {}
    for label, members in groups.items():
        members.sort(key=lambda key: _rank(seed, "split", key))
        # A text under several labels is no fair question, and may be all that a label has: it stays in train.
        waiting = [key for key in members[1:] if len(votes[key]) == 1]
        for split, quota in quotas.items():
            room = quota[label]
            later = []
            for key in waiting:
                if weights[key] <= room:
                    chosen[key], room = split, room - weights[key]
                else:
                    later.append(key)
            waiting = later
    return [chosen.get(key, "train") for key in keys]


def choose_rows(keys: Sequence[bytes], labels: Sequence[str | None], count: int, seed: int) -> list[int]:
    """Indices of ``count`` rows, classes in proportion and each with at least one, chosen by content and seed.

    Args:
        keys: (N,) as in ``assign_splits``.
        labels: (N,) classes or None.
        count: at least the number of classes.
        seed: from 0 to 2**63 - 1.
    Returns:
        At most ``count`` indices in rising order.
    """
    if count >= len(keys):
        return list(range(len(keys)))
    members: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        members[label or ""].append(index)
    spare = {label: len(indices) - 1 for label, indices in members.items()}
    quota = _share(spare, count - len(members), seed, "choose")
    out: list[int] = []
    for label, indices in members.items():
        indices.sort(key=lambda index: (_rank(seed, "choose", keys[index]), index))
        out += indices[: quota[label] + 1]
    return sorted(out)


def choose_per_class(keys: Sequence[bytes], labels: Sequence[str | None], count: int, seed: int) -> list[int]:
    """Indices of up to ``count`` rows of each class, chosen by content and seed; of equal texts only the first counts.

    Args:
        keys: (N,) as in ``assign_splits``.
        labels: (N,) classes.
        count: at least 1.
        seed: from 0 to 2**63 - 1.
    Returns:
        Indices in rising order.
    """
    members: dict[str | None, dict[bytes, int]] = defaultdict(dict)
    for index, (key, label) in enumerate(zip(keys, labels, strict=True)):
        members[label].setdefault(key, index)
    ranked = (sorted(distinct, key=lambda key: _rank(seed, "label", key)) for distinct in members.values())
    return sorted(members[label][key] for label, order in zip(members, ranked, strict=True) for key in order[:count])


def cut_document(text: str, fractions: Sequence[float]) -> list[str]:
    """Cut a document into consecutive parts of about the given shares, at paragraph or line ends where there are any.

    Args:
        text: the document.
        fractions: shares that sum to 1.
    Returns:
        As many parts as fractions; joined they give the document back.
    """
    parts, start, share = [], 0, 0.0
    for fraction in fractions[:-1]:
        share += fraction
        end = start if fraction == 0 else max(start, _find_border(text, round(len(text) * share), start))
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]


def _find_border(text: str, wanted: int, start: int) -> int:
    # The window keeps a share within 1 % of the document of what was asked.
    window = max(1, len(text) // 100)
    low, high = max(start, wanted - window), min(len(text), wanted + window)
    for border in ("\n\n", "\n", " "):
        before, after = text.rfind(border, low, wanted), text.find(border, wanted, high)
        ends = [at + len(border) for at in (before, after) if at >= 0 and at + len(border) <= high]
        if ends:
            return min(ends, key=lambda end: (abs(end - wanted), end))
    return wanted


@dataclass(frozen=True, slots=True)
class Leak:
    """A row of ``split`` whose text, normalised, stands in ``other`` too, first at ``other_place``."""

    split: str
    other: str
    text: str
    label: str | None
    place: str
    other_place: str
    index: int


def find_leaks(splits: Mapping[str, Sequence[SourceRow]], keys: Mapping[str, Sequence[bytes]]) -> list[Leak]:
    """Every row of an earlier split that stands in a later one.

    Args:
        splits: rows by split, from the one that may lose rows to the one that must not (train, validation, test, ...).
        keys: ``make_key`` of each of these rows.
    Returns:
        One leak per row and later split, in order of splits and rows.
    """
    first: dict[str, dict[Hashable, int]] = {}
    for name, members in keys.items():
        places: dict[Hashable, int] = {}
        for index, key in enumerate(members):
            places.setdefault(key, index)
        first[name] = places
    leaks = []
    for name, other in combinations(splits, 2):
        for index, key in enumerate(keys[name]):
            at = first[other].get(key)
            if at is not None:
                row = splits[name][index]
                leaks.append(
                    Leak(name, other, row.row.question, row.row.label, row.place, splits[other][at].place, index)
                )
    return leaks


def count_conflicts(rows: Sequence[SourceRow], keys: Sequence[bytes]) -> list[tuple[SourceRow, SourceRow]]:
    """Pairs of rows that ask the same (normalised) and want different answers: the first one, and each that differs."""
    first: dict[bytes, SourceRow] = {}
    return [
        (seen, row)
        for row, key in zip(rows, keys, strict=True)
        if _answer(seen := first.setdefault(key, row)) != _answer(row)
    ]


def _answer(row: SourceRow) -> str | None:
    return row.row.label if row.row.completion is None else row.row.completion
