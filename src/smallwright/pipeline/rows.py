"""What the data stage left: the rows of a split, the classes and their numbers.

Enters: the finished data stage. Leaves: rows, labels, numbers.
Not here: reading the user's files (data/).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smallwright.data import Row, read_rows
from smallwright.pipeline.stage import Outcome

SPLITS = ("train", "validation", "test", "out_of_scope")


def read_split(data: Outcome, split: str) -> list[Row]:
    """The rows of a split, none where the recipe has none of that kind."""
    path = data.folder / f"{split}.jsonl"
    return read_rows(path) if path.is_file() else []


def read_texts(data: Outcome, split: str) -> list[str]:
    """The texts of a split, in order."""
    return [row.text for row in read_split(data, split)]


def read_labels(data: Outcome) -> Sequence[str]:
    """The classes, in the order of the head."""
    labels: Sequence[str] = json.loads((data.folder / "labels.json").read_text(encoding="utf-8"))
    return labels


def label_numbers(rows: Sequence[Row], labels: Sequence[str]) -> NDArray[np.int64]:
    """(N,) each row's class."""
    number = {label: index for index, label in enumerate(labels)}
    return np.array([number[row.label] for row in rows if row.label is not None], dtype=np.int64)
