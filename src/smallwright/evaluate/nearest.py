"""A simple neighbour of a model that writes free text: it answers with the completion of the most similar training row.

Enters: training prompts and completions. Leaves: a fitted ``NearestRow`` and its answers.
Not here: timing (cost.py measures ``open_nearest`` like any other subject), neighbours without a fit (copying.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smallwright.errors import DataError
from smallwright.evaluate.linear import fit_vectorizer, read_pickle, save_pickle

NEAREST_NAME = "the nearest training row's completion (TF-IDF)"
_PROMPTS_AT_ONCE = 256


@dataclass(frozen=True)
class NearestRow:
    """Answers a prompt with the completion of the training prompt that is most like it.

    ``features``: (N, F) sparse TF-IDF of the training prompts; ``completions``: (N,).
    """

    vectorizer: Any
    features: Any
    completions: Sequence[str]

    def answer(self, prompts: Sequence[str]) -> list[str]:
        """(N,) completions; of training rows that are equally like a prompt, the first one's."""
        answers: list[str] = []
        for start in range(0, len(prompts), _PROMPTS_AT_ONCE):
            asked = self.vectorizer.transform(list(prompts[start : start + _PROMPTS_AT_ONCE]))
            nearest = np.asarray((asked @ self.features.T).toarray()).argmax(axis=1)
            answers += [self.completions[row] for row in nearest.tolist()]
        return answers

    def save(self, path: str | Path) -> tuple[int, str]:
        """Pickle it; returns the file's bytes and SHA-256."""
        return save_pickle(self, path)


def fit_nearest(prompts: Sequence[str], completions: Sequence[str]) -> NearestRow:
    """Remember every training row.

    Args:
        prompts, completions: (N,) training rows.
    Raises:
        DataError: lengths differ, or there are no rows with words.
    """
    if len(prompts) != len(completions):
        raise DataError(f"every prompt has one completion. Got {len(prompts)} and {len(completions)}.")
    vectorizer, features = fit_vectorizer(prompts)
    return NearestRow(vectorizer, features, tuple(completions))


def open_nearest(path: str, sha256: str) -> Callable[[str], str]:
    """A saved ``NearestRow`` as a callable prompt -> answer."""
    nearest: NearestRow = read_pickle(path, sha256)
    return lambda prompt: nearest.answer([prompt])[0]
