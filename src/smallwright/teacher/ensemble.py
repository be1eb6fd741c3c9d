"""Several teachers that answer as one: the weighted mean of their class probabilities.

Enters: each member's scores of the same texts, in the same order of classes. Leaves: log-probabilities, as logits; how
far the members are apart.
Not here: where scores come from (answers.py, evaluate/linear.py), what a student makes of them (train/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallwright.errors import DataError, RecipeError


@dataclass(frozen=True)
class Member:
    """One voice. Its scores are divided by ``temperature``, so that a member that is too sure is not heard too loud.

    Attributes:
        weight: share of the vote, above 0.
        temperature: above 0; see train/calibrate.py.
        competence: (C,) by class, each above 0, in place of ``weight``; None: the same for every class.
    """

    weight: float
    temperature: float = 1.0
    competence: tuple[float, ...] | None = None


def mix_answers(scores: Sequence[NDArray[np.floating]], members: Sequence[Member]) -> NDArray[np.float32]:
    """Mean the members' probabilities.

    Args:
        scores: one array (N, C) a member: logits, or any scores whose softmax is taken for its probabilities.
        members: in the same order; weights need not sum to 1. Either all have a competence or none; with it, a class's
            probability is the mean weighted by the competences in that class, and each row is then divided by its sum.
    Returns:
        (N, C) float32: logarithms of probabilities that sum to 1 in each row.
    Raises:
        RecipeError: no member, a weight, temperature or competence that is not above 0, or a competence for some only.
    Source: Hinton, Vinyals, Dean, arXiv:1503.02531, section 1 (the arithmetic mean of the predicted distributions);
        Kuncheva, "Combining Pattern Classifiers" (2004), section 5.2 (class-conscious weights).
    """
    _check(members)
    if members[0].competence is not None:
        weights = np.array([member.competence for member in members], dtype=np.float64)  # (M, C)
        parts = [
            part + share
            for part, share in zip(_members_log(scores, members), np.log(weights / weights.sum(axis=0)), strict=True)
        ]
        return _log_softmax(np.logaddexp.reduce(parts)).astype(np.float32)
    total = sum(member.weight for member in members)
    parts = [
        part + np.log(member.weight / total)
        for part, member in zip(_members_log(scores, members), members, strict=True)
    ]
    return np.logaddexp.reduce(parts).astype(np.float32)


def measure_competence(predicted: NDArray[np.integer], labels: NDArray[np.integer], classes: int) -> tuple[float, ...]:
    """How good a member is at each class: its F1 on held-out rows, drawn to 1/2 as by one row of either outcome.

    Args:
        predicted, labels: (N,) in 0..classes-1; N may be 0.
        classes: C, 1 or more.
    Returns:
        (C,) (2 TP + 1) / (2 TP + FP + FN + 2), between 0 and 1; 1/2 for a class of which nothing is known.
    Raises:
        DataError: lengths differ.
    """
    if len(predicted) != len(labels):
        raise DataError(
            f"competence needs an answer for each row. Got {len(predicted)} answers, {len(labels)} rows. Give the same."
        )
    hits, said, wanted = (
        np.bincount(part, minlength=classes) for part in (labels[predicted == labels], predicted, labels)
    )
    return tuple(((2 * hits + 1) / (said + wanted + 2)).tolist())


def measure_disagreement(scores: Sequence[NDArray[np.floating]], members: Sequence[Member]) -> NDArray[np.float32]:
    """How far the members are apart: the Jensen-Shannon divergence of their probabilities.

    Args:
        scores, members: as for ``mix_answers``; a member with competences weighs as much as their mean.
    Returns:
        (N,) float32 in nats: the entropy of the mean less the mean of the entropies; 0 where all say the same, at most
        the logarithm of the number of members.
    Raises:
        RecipeError: as ``mix_answers``.
    Source: Lin, IEEE Trans. Information Theory 37 (1991), equation 5.1.
    """
    _check(members)
    weights = np.array(
        [member.weight if member.competence is None else np.mean(member.competence) for member in members]
    )
    weights = weights / weights.sum()
    logs = _members_log(scores, members)
    mean = np.logaddexp.reduce([part + np.log(weight) for part, weight in zip(logs, weights, strict=True)])
    inside = sum(weight * _entropy(part) for part, weight in zip(logs, weights, strict=True))
    return np.maximum(_entropy(mean) - inside, 0.0).astype(np.float32)


def _check(members: Sequence[Member]) -> None:
    """Refuse members without a voice."""
    if not members or any(not (member.weight > 0 and member.temperature > 0) for member in members):
        raise RecipeError(f"an ensemble needs members with weights and temperatures above 0. Got {list(members)}.")
    competences = [member.competence for member in members if member.competence is not None]
    if competences and (len(competences) < len(members) or any(not min(one) > 0 for one in competences)):
        raise RecipeError(
            f"an ensemble weighs all its members by competences above 0, or none. Got {list(members)}. Give each one."
        )


def _members_log(scores: Sequence[NDArray[np.floating]], members: Sequence[Member]) -> list[NDArray[np.float64]]:
    return [
        _log_softmax(np.asarray(one, dtype=np.float64) / member.temperature)
        for one, member in zip(scores, members, strict=True)
    ]


def _entropy(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    entropy: NDArray[np.float64] = -(np.exp(logs) * logs).sum(axis=1)
    return entropy


def _log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
