"""Whether a confidence means what it says, and whether it tells the strange from the known.

Enters: class logits, or (N,) confidences in [0, 1] with outcomes. Leaves: calibration error, reliability bins, AUROC.
Not here: choosing the temperature (that is done on validation rows, before the package is written).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallwright.errors import DataError
from smallwright.evaluate.metrics import log_softmax, require_pairs

BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows whose confidence lies in (low, high] (the first bin also holds 0). Means are None when it is empty."""

    low: float
    high: float
    rows: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Calibration:
    """``expected_calibration_error``: mean over rows of the gap |accuracy - confidence| of the row's bin."""

    rows: int
    expected_calibration_error: float
    mean_confidence: float
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class OutOfScope:
    """How well the confidence tells known questions from strange ones.

    ``auroc``: probability that a known row is answered with more confidence than a strange one, ties counting half.
    ``accepted_at_95``: share of strange rows still accepted at the highest threshold that accepts 95% of the known.
    """

    known_rows: int
    strange_rows: int
    auroc: float
    accepted_at_95: float
    threshold_at_95: float


def confidences(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Largest class probability of each row.

    Args:
        logits: (N, C) class logits.
        temperature: > 0, divides the logits.
    Returns:
        (N,) in (0, 1].
    Raises:
        DataError: the temperature is not positive.
    """
    if not temperature > 0:
        raise DataError(f"a calibration temperature must be above 0. Got {temperature}.")
    return np.exp(log_softmax(np.asarray(logits, dtype=np.float64) / temperature).max(axis=-1))


def calibration(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> Calibration:
    """Reliability curve and expected calibration error over equal-width bins.

    Args:
        confidence: (N,) in [0, 1].
        correct: (N,) bool.
        bins: 1 or more; bin b holds confidences in (b / bins, (b + 1) / bins], the first one also 0.
    Raises:
        DataError: lengths differ, N is 0, or a confidence lies outside [0, 1].
    Source: Guo et al., On Calibration of Modern Neural Networks (2017), equation 3.
    """
    values = _confidence(confidence, "confidence")
    right = np.asarray(correct, dtype=np.bool_).reshape(-1)
    rows = require_pairs(values, right)
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.searchsorted(edges[1:-1], values, side="left")
    table, error = [], 0.0
    for position in range(bins):
        inside = place == position
        count = int(inside.sum())
        mean = float(values[inside].mean()) if count else None
        share = float(right[inside].mean()) if count else None
        if mean is not None and share is not None:
            error += count / rows * abs(share - mean)
        table.append(ReliabilityBin(float(edges[position]), float(edges[position + 1]), count, mean, share))
    return Calibration(rows, error, float(values.mean()), tuple(table))


def calibrate_answers(scores: ArrayLike, right: ArrayLike) -> tuple[float, float]:
    """How the probability that an answer is right follows from its score, by logistic regression.

    Args:
        scores: (N,) finite; higher is surer.
        right: (N,) bool.
    Returns:
        Slope and offset of the log-odds. Targets are smoothed, so that both stay finite where all are right or wrong.
    Raises:
        DataError: lengths differ, N is 0, or a score is not finite.
    Source: Platt, Probabilistic outputs for support vector machines (1999), section 2.2.
    """
    from sklearn.linear_model import LogisticRegression

    values = np.asarray(scores, dtype=np.float64).reshape(-1)
    truth = np.asarray(right, dtype=np.bool_).reshape(-1)
    require_pairs(values, truth)
    if not np.isfinite(values).all():
        raise DataError("calibrating answers needs finite scores. Got NaN or infinity.")
    hits, misses = int(truth.sum()), int((~truth).sum())
    wanted = np.where(truth, (hits + 1) / (hits + 2), 1 / (misses + 2))
    # A target between 0 and 1 is one row of each class, weighed.
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(
        np.concatenate([values, values])[:, None],
        np.repeat([1, 0], len(values)),
        sample_weight=np.concatenate([wanted, 1 - wanted]),
    )
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def auroc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Area under the ROC curve: P(positive > negative) + P(equal) / 2.

    Args:
        positive, negative: (P,) and (N,) finite scores, at least one each.
    Returns:
        In [0, 1]; 0.5 when the scores tell nothing.
    Raises:
        DataError: one side is empty, or a score is not finite.
    Source: Mann and Whitney (1947); mid-ranks for ties.
    """
    high, low = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    if high.size == 0 or low.size == 0:
        raise DataError(f"an AUROC needs rows on both sides. Got {high.size} positive and {low.size} negative.")
    scores = np.concatenate([high, low])
    if not np.isfinite(scores).all():
        raise DataError("an AUROC needs finite scores. Got NaN or infinity.")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    wins = middle[inverse][: high.size].sum() - high.size * (high.size + 1) / 2
    return float(wins / (high.size * low.size))


def out_of_scope(known: ArrayLike, strange: ArrayLike) -> OutOfScope:
    """How well a confidence separates rows of known classes from rows of none.

    Args:
        known, strange: (N,) and (M,) confidences in [0, 1], at least one each.
    Raises:
        DataError: one side is empty, or a confidence lies outside [0, 1].
    """
    inside, outside = _confidence(known, "known"), _confidence(strange, "strange")
    area = auroc(inside, outside)
    accept = math.ceil(0.95 * inside.size)  # this many known rows must pass
    threshold = float(np.sort(inside)[inside.size - accept])
    return OutOfScope(inside.size, outside.size, area, float((outside >= threshold).mean()), threshold)


def _confidence(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    # A softmax in float32 may end a rounding above 1; anything more is not a probability.
    if not ((array >= 0) & (array <= 1 + 1e-5)).all():
        raise DataError(f"confidences must lie in [0, 1]. Got a value outside, or NaN, in {name}.")
    return np.minimum(array, 1.0)
