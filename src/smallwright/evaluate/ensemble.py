"""What several teachers are worth together, and what their disagreement tells.

Enters: the labels that each gave, those of all together, and how far they were apart. Leaves: a frozen value.
Not here: mixing answers (teacher/ensemble.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from smallwright.evaluate import metrics
from smallwright.evaluate.calibration import auroc
from smallwright.evaluate.comparison import RESAMPLES, Comparison, compare
from smallwright.evaluate.metrics import Accuracy


@dataclass(frozen=True)
class Voice:
    """One member: its accuracy alone, and its weight (of competences: their mean over the classes)."""

    name: str
    accuracy: Accuracy
    weight: float


@dataclass(frozen=True)
class EnsembleQuality:
    """An ensemble on the test rows.

    ``over_best``: all together minus the member that is the best on these rows, a choice that flatters that member.
    ``agreed``: rows on which all members are for the same class; ``right_agreed`` and ``right_apart``: the ensemble's
    accuracy on these and on the others, None where there are none. ``disagreement``: mean Jensen-Shannon divergence, in
    nats; ``auroc``: probability that a row answered wrongly has more of it than one answered rightly, None where the
    ensemble is right everywhere or nowhere.
    """

    weights: str
    voices: tuple[Voice, ...]
    over_best: Comparison
    rows: int
    agreed: int
    right_agreed: float | None
    right_apart: float | None
    disagreement: float
    auroc: float | None


def ensemble_quality(
    expected: Sequence[str],
    together: Sequence[str],
    votes: Mapping[str, Sequence[str]],
    disagreement: ArrayLike,
    *,
    weights: str,
    shares: Sequence[float],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> EnsembleQuality:
    """Judge an ensemble.

    Args:
        expected, together: (N,) labels: the rows' own, and those of all members together.
        votes: by member, (N,) labels; at least one member.
        disagreement: (N,) in nats; see ``teacher.ensemble.measure_disagreement``.
        weights: how the members were weighed.
        shares: one weight a member, above 0; given out so that they sum to 1.
        resamples, seed: of the paired bootstrap.
    Raises:
        DataError: lengths differ or N is 0.
    """
    right = metrics.correctness(expected, together)
    alone = {name: metrics.correctness(expected, said) for name, said in votes.items()}
    best = max(alone, key=lambda name: alone[name].sum())
    apart = np.asarray(disagreement, dtype=np.float64)
    agreed = np.array([len(set(row)) == 1 for row in zip(*votes.values(), strict=True)])
    return EnsembleQuality(
        weights=weights,
        voices=tuple(
            Voice(name, metrics.accuracy(expected, votes[name]), float(share / np.sum(shares)))
            for name, share in zip(votes, shares, strict=True)
        ),
        over_best=compare(right, alone[best], name=best, resamples=resamples, seed=seed),
        rows=len(expected),
        agreed=int(agreed.sum()),
        right_agreed=float(right[agreed].mean()) if agreed.any() else None,
        right_apart=float(right[~agreed].mean()) if not agreed.all() else None,
        disagreement=float(apart.mean()),
        auroc=auroc(apart[~right], apart[right]) if right.any() and not right.all() else None,
    )
