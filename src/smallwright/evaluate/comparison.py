"""Two systems on the same rows: is one better, and how much of the teacher did the student keep?

Enters: (N,) booleans, whether each system answered each row rightly. Leaves: differences and ratios with intervals.
Not here: metrics of one system (metrics.py).

A bootstrap of rows with paired yes/no outcomes depends only on how often each combination of outcomes is drawn; those
counts are multinomial, so the resamples are drawn as counts: exactly the same distribution, thousands of times faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallwright.evaluate.metrics import require_pairs

RESAMPLES = 10_000


@dataclass(frozen=True)
class Comparison:
    """System minus ``against``, on the same rows. ``low``..``high``: paired bootstrap 95% interval of the difference.

    ``only_system`` and ``only_against`` count the rows that just one of them answered rightly;
    ``mcnemar_p`` is the exact two-sided p of such an imbalance by chance.
    """

    against: str
    rows: int
    difference: float
    low: float
    high: float
    only_system: int
    only_against: int
    mcnemar_p: float


@dataclass(frozen=True)
class Retention:
    """What the student keeps of the teacher. ``kept`` = student / teacher accuracy, with its paired bootstrap interval.

    ``corrected`` = (student - majority) / (teacher - majority), so that 0 means: no better than always answering the
    most frequent training label. None where the ratio has no meaning: the teacher is at 0 (or at the majority), in the
    data or, for the interval, in one resample out of forty or more.
    """

    student_accuracy: float
    teacher_accuracy: float
    majority_accuracy: float
    kept: float | None
    low: float | None
    high: float | None
    corrected: float | None
    corrected_low: float | None
    corrected_high: float | None


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test.

    Args:
        only_first, only_second: discordant counts, 0 or more.
    Returns:
        min(1, 2 * P(X <= min)) for X ~ Binomial(only_first + only_second, 1/2); 1 when there are none.
    Source: McNemar, Psychometrika 12 (1947), in its exact binomial form.
    """
    trials, fewer = only_first + only_second, min(only_first, only_second)
    term, total = 1, 0
    for successes in range(fewer + 1):
        total += term
        term = term * (trials - successes) // (successes + 1)
    return min(1.0, 2 * total / (1 << trials))


def compare(
    system: ArrayLike, against: ArrayLike, *, name: str, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Compare two systems on the same rows.

    Args:
        system, against: (N,) bool, whether each row was answered rightly.
        name: what ``against`` is called.
        resamples: bootstrap draws, 1 or more.
        seed: of the bootstrap; the same seed gives the same interval.
    Raises:
        DataError: lengths differ or N is 0.
    """
    ours, theirs = _outcomes(system), _outcomes(against)
    rows = require_pairs(ours, theirs)
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    counts = _resample([only_ours, only_theirs, rows - only_ours - only_theirs], resamples, seed)
    low, high = np.percentile((counts[:, 0] - counts[:, 1]) / rows, [2.5, 97.5])
    return Comparison(
        against=name,
        rows=rows,
        difference=(only_ours - only_theirs) / rows,
        low=float(low),
        high=float(high),
        only_system=only_ours,
        only_against=only_theirs,
        mcnemar_p=mcnemar_exact(only_ours, only_theirs),
    )


def retention(
    student: ArrayLike, teacher: ArrayLike, majority: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> Retention:
    """How much of the teacher's accuracy the student keeps, plain and corrected for chance.

    Args:
        student, teacher, majority: (N,) bool, whether each row was answered rightly by the student, by the teacher,
            and by always answering the most frequent label of the training rows.
        resamples, seed: of the paired bootstrap.
    Raises:
        DataError: lengths differ or N is 0.
    """
    ours, theirs, chance = _outcomes(student), _outcomes(teacher), _outcomes(majority)
    rows = require_pairs(ours, theirs)
    require_pairs(theirs, chance)
    cells = np.bincount(ours * 4 + theirs * 2 + chance * 1, minlength=8)
    drawn = _resample(cells.tolist(), resamples, seed)
    totals = drawn @ np.array([[cell >> 2 & 1, cell >> 1 & 1, cell & 1] for cell in range(8)])
    s, t, m = (float(outcome.sum()) / rows for outcome in (ours, theirs, chance))
    low, high = _ratio_interval(totals[:, 0], totals[:, 1])
    corrected_low, corrected_high = _ratio_interval(totals[:, 0] - totals[:, 2], totals[:, 1] - totals[:, 2])
    return Retention(
        student_accuracy=s,
        teacher_accuracy=t,
        majority_accuracy=m,
        kept=s / t if t > 0 else None,
        low=low,
        high=high,
        corrected=(s - m) / (t - m) if t > m else None,
        corrected_low=corrected_low,
        corrected_high=corrected_high,
    )


def _outcomes(values: ArrayLike) -> NDArray[np.bool_]:
    return np.asarray(values, dtype=np.bool_).reshape(-1)


def _resample(cells: list[int], resamples: int, seed: int) -> NDArray[np.int64]:
    total = math.fsum(cells)
    return np.random.default_rng(seed).multinomial(int(total), np.array(cells) / total, size=resamples)


def _ratio_interval(above: NDArray[np.int64], below: NDArray[np.int64]) -> tuple[float | None, float | None]:
    usable = below > 0
    if usable.mean() < 0.975:  # the lower or upper percentile itself would be made up
        return None, None
    low, high = np.percentile(above[usable] / below[usable], [2.5, 97.5])
    return float(low), float(high)
