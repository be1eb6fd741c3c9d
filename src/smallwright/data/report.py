"""What happened to the rows: counts that the report card shows and a person can check.

Enters: the rows of each split, rejects, leaks. Leaves: a ``DataReport``, as JSON too.
Not here: any decision about rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from smallwright.data.row import Reject, SourceRow
from smallwright.data.splits import Leak

EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class DataReport:
    """Counts about one data set.

    ``rows``: rows by split. ``labels``: rows by split and label. ``rejects``: rows by reason, over all sources.
    ``leaks``: by pair ``train/test``: ``rows`` of the former that stand in the latter, how many were ``dropped``, and
    ``examples``. ``duplicates``: rows of a split whose normalised text stood in it before. ``conflicts``: rows of train
    whose text stood there before under another label, with examples. ``lengths_chars``: by split. ``inputs``: what was
    read. ``splits``: by split, ``given``, ``split off`` (whole rows) or ``cut`` (the end of each document).
    """

    kind: str
    rows: dict[str, int]
    labels: dict[str, dict[str, int]]
    rejects: dict[str, int]
    leaks: dict[str, dict[str, Any]]
    duplicates: dict[str, int]
    conflicts: dict[str, Any]
    lengths_chars: dict[str, dict[str, float]]
    inputs: list[dict[str, Any]]
    splits: dict[str, str]
    on_leak: str
    seed: int
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Indented JSON with sorted keys; equal data give equal bytes."""
        return json.dumps(asdict(self), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def count_labels(rows: Iterable[SourceRow]) -> dict[str, int]:
    """Rows by label, sorted by label; rows without one are not counted."""
    counts = Counter(row.row.label for row in rows if row.row.label is not None)
    return {label: counts[label] for label in sorted(counts)}


def count_rejects(rejects: Iterable[Reject]) -> dict[str, int]:
    """Rejects by reason, sorted by reason."""
    return dict(sorted(Counter(reject.reason for reject in rejects).items()))


def count_leaks(leaks: Sequence[Leak], dropped: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Leaks by pair of splits, with the first examples.

    Args:
        leaks: all of them.
        dropped: the pairs, as ``train/test``, whose rows were dropped from the former.
    """
    gone = set(dropped)
    pairs: dict[str, dict[str, Any]] = {}
    for leak in leaks:
        pair = f"{leak.split}/{leak.other}"
        entry = pairs.setdefault(pair, {"rows": 0, "dropped": 0, "examples": []})
        entry["rows"] += 1
        entry["dropped"] += pair in gone
        if len(entry["examples"]) < EXAMPLES:
            entry["examples"].append({"text": leak.text[:200], "at": leak.place, "also_at": leak.other_place})
    return pairs


def measure_lengths(rows: Sequence[SourceRow]) -> dict[str, float]:
    """Least, median, 95th percentile (nearest rank), greatest, mean and total number of characters."""
    if not rows:
        return {}
    lengths = sorted(len(row.row.text) for row in rows)
    count = len(lengths)
    return {
        "min": lengths[0],
        "median": (lengths[(count - 1) // 2] + lengths[count // 2]) / 2,
        "p95": lengths[-(-count * 95 // 100) - 1],
        "max": lengths[-1],
        "mean": round(sum(lengths) / count, 3),
        "total": sum(lengths),
    }


def count_duplicates(keys: Mapping[str, Sequence[bytes]]) -> dict[str, int]:
    """By split, rows whose key stood in it before."""
    return {name: len(members) - len(set(members)) for name, members in keys.items()}
