"""Several teachers that answer as one: the weighted mean of their class probabilities.

Enters: each member's scores of the same texts, in the same order of classes. Leaves: log-probabilities, as logits.
Not here: where scores come from (answers.py, evaluate/linear.py), what a student makes of them (train/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallwright.errors import RecipeError


@dataclass(frozen=True)
class Member:
    """One voice. Its scores are divided by ``temperature``, so that a member that is too sure is not heard too loud.

    Attributes:
        weight: share of the vote, above 0.
        temperature: above 0; see train/calibrate.py.
    """

    weight: float
    temperature: float = 1.0


def mix_answers(scores: Sequence[NDArray[np.floating]], members: Sequence[Member]) -> NDArray[np.float32]:
    """Mean the members' probabilities.

    Args:
        scores: one array (N, C) a member: logits, or any scores whose softmax is taken for its probabilities.
        members: in the same order; weights need not sum to 1.
    Returns:
        (N, C) float32: logarithms of probabilities that sum to 1 in each row.
    Raises:
        RecipeError: no member, or a weight or temperature that is not above 0.
    Source: Hinton, Vinyals, Dean, arXiv:1503.02531, section 1 (the arithmetic mean of the predicted distributions).
    """
    if not members or any(not (member.weight > 0 and member.temperature > 0) for member in members):
        raise RecipeError(f"an ensemble needs members with weights and temperatures above 0. Got {list(members)}.")
    total = sum(member.weight for member in members)
    parts = [
        _log_softmax(np.asarray(one, dtype=np.float64) / member.temperature) + np.log(member.weight / total)
        for one, member in zip(scores, members, strict=True)
    ]
    return np.logaddexp.reduce(parts).astype(np.float32)


def _log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
