"""What predictions are worth: accuracy, F1, confusions, perplexity.

Enters: expected and predicted labels (strings or integers), or log-probabilities of tokens. Leaves: frozen numbers.
Not here: comparing two systems (comparison.py), confidence (calibration.py), time and memory (cost.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallwright.errors import DataError

Z_95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Accuracy:
    """Fraction of rows answered rightly, with its 95% Wilson interval. All fractions are in [0, 1]."""

    rows: int
    correct: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassScore:
    """One class: ``support`` rows carry the label, ``predicted`` rows were given it. A 0/0 counts as 0."""

    label: str
    support: int
    predicted: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ConfusionPair:
    """``count`` rows of class ``expected`` were answered ``predicted``."""

    expected: str
    predicted: str
    count: int


@dataclass(frozen=True)
class LanguageScore:
    """How well a language model foretells a text. ``perplexity`` is per token, ``bits_per_byte`` per UTF-8 byte."""

    tokens: int
    text_bytes: int
    perplexity: float
    bits_per_byte: float


def require_pairs(expected: Sequence[Any] | NDArray[Any], predicted: Sequence[Any] | NDArray[Any]) -> int:
    """Number of rows of two equally long, non-empty sequences.

    Raises:
        DataError: the lengths differ or are 0.
    """
    if len(expected) != len(predicted) or len(expected) == 0:
        raise DataError(
            "a metric needs one prediction for each of at least one row. "
            f"Got {len(expected)} expected and {len(predicted)} predicted. Pass the same rows to both."
        )
    return len(expected)


def wilson_interval(correct: int, rows: int) -> tuple[float, float]:
    """95% Wilson score interval of a binomial proportion.

    Args:
        correct: 0..rows.
        rows: 1 or more.
    Returns:
        (low, high), 0 <= low <= correct / rows <= high <= 1.
    Raises:
        DataError: rows < 1, or correct outside 0..rows.
    Source: Wilson, JASA 22 (1927); no continuity correction.
    """
    if rows < 1 or not 0 <= correct <= rows:
        raise DataError(f"an interval needs 0 <= correct <= rows and rows >= 1. Got correct={correct}, rows={rows}.")
    share, z2 = correct / rows, Z_95 * Z_95
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = Z_95 / (1 + z2 / rows) * math.sqrt(share * (1 - share) / rows + z2 / (4 * rows * rows))
    return (0.0 if correct == 0 else centre - half), (1.0 if correct == rows else centre + half)


def accuracy(expected: Sequence[Any], predicted: Sequence[Any]) -> Accuracy:
    """Accuracy with its 95% Wilson interval.

    Args:
        expected, predicted: (N,) labels, compared with ``==``.
    Raises:
        DataError: lengths differ or N is 0.
    """
    rows = require_pairs(expected, predicted)
    correct = int(correctness(expected, predicted).sum())
    low, high = wilson_interval(correct, rows)
    return Accuracy(rows, correct, correct / rows, low, high)


def correctness(expected: Sequence[Any], predicted: Sequence[Any]) -> NDArray[np.bool_]:
    """(N,) bool: whether each row was answered rightly."""
    require_pairs(expected, predicted)
    return np.fromiter((a == b for a, b in zip(expected, predicted, strict=True)), dtype=np.bool_, count=len(expected))


def class_scores(
    expected: Sequence[str], predicted: Sequence[str], labels: Sequence[str] | None = None
) -> tuple[ClassScore, ...]:
    """Precision, recall, F1 and support of each class.

    Args:
        expected, predicted: (N,) labels.
        labels: classes in the order wanted; None: every label that occurs in either, sorted.
    Returns:
        One score a class. Precision of a class never predicted, and recall of one without rows, are 0.
    Raises:
        DataError: lengths differ or N is 0.
    """
    require_pairs(expected, predicted)
    names = sorted({*expected, *predicted}) if labels is None else list(labels)
    index = {name: position for position, name in enumerate(names)}
    counts: NDArray[np.int64] = np.zeros((3, len(names)), dtype=np.int64)
    support, given, hits = counts
    for want, got in zip(expected, predicted, strict=True):
        if want in index:
            support[index[want]] += 1
            hits[index[want]] += want == got
        if got in index:
            given[index[got]] += 1
    scores = []
    for name, rows, answers, hit in zip(names, support.tolist(), given.tolist(), hits.tolist(), strict=True):
        precision = hit / answers if answers else 0.0
        recall = hit / rows if rows else 0.0
        f1 = 2 * hit / (rows + answers) if rows + answers else 0.0
        scores.append(ClassScore(str(name), rows, answers, precision, recall, f1))
    return tuple(scores)


def macro_f1(expected: Sequence[str], predicted: Sequence[str]) -> float:
    """Unweighted mean F1 over every class that occurs in ``expected`` or ``predicted``; in [0, 1]."""
    scores = class_scores(expected, predicted)
    return math.fsum(score.f1 for score in scores) / len(scores)


def confusion_pairs(expected: Sequence[str], predicted: Sequence[str], top: int = 10) -> tuple[ConfusionPair, ...]:
    """The most frequent mistakes, most frequent first; equal counts in the order of the labels.

    Args:
        expected, predicted: (N,) labels.
        top: how many pairs at most, 0 or more.
    """
    require_pairs(expected, predicted)
    counts: dict[tuple[str, str], int] = {}
    for pair in zip(expected, predicted, strict=True):
        if pair[0] != pair[1]:
            counts[pair] = counts.get(pair, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(ConfusionPair(str(want), str(got), count) for (want, got), count in ranked[:top])


def language_score(log_probs: ArrayLike, text_bytes: int) -> LanguageScore:
    """Perplexity and bits per byte of a scored text.

    Args:
        log_probs: (T,) natural log-probability that the model gave each token of the text.
        text_bytes: UTF-8 bytes of the tokens scored, 1 or more.
    Returns:
        perplexity = exp(-mean(log_probs)); bits_per_byte = -sum(log_probs) / ln 2 / text_bytes.
    Raises:
        DataError: no tokens, no bytes, or a log-probability that is above 0 or not a number.
    """
    values = np.asarray(log_probs, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or text_bytes < 1:
        raise DataError(
            f"a language score needs at least one token and one byte. Got {values.size} tokens, {text_bytes} bytes."
        )
    if np.isnan(values).any() or float(values.max()) > 1e-6:
        raise DataError("log-probabilities must be numbers that are at most 0. Got NaN or a positive value.")
    total = -math.fsum(values.tolist())
    with np.errstate(over="ignore"):
        perplexity = float(np.exp(total / values.size))
    return LanguageScore(values.size, text_bytes, perplexity, total / math.log(2) / text_bytes)


def log_softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Natural log of the softmax over the last axis, computed in float64."""
    values = np.asarray(logits, dtype=np.float64)
    shifted = values - values.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def token_log_probs(
    logits: Callable[[list[int]], ArrayLike], tokens: Sequence[int], window: int, stride: int
) -> NDArray[np.float64]:
    """Log-probability of every token but the first, read through overlapping windows.

    Each window of at most ``window`` tokens scores only the tokens that no window before it scored, so that every
    token but those of the first window has at least ``window - stride`` tokens before it.

    Args:
        logits: tokens -> (T, V) logits; row t foretells token t + 1.
        tokens: (T,) the text's tokens, 2 or more.
        window: most tokens of one call, at least 2, at most the model's context.
        stride: new tokens a window, 1..window - 1.
    Returns:
        (T - 1,) natural log-probabilities.
    Raises:
        DataError: fewer than two tokens, or window or stride out of range.
    """
    if len(tokens) < 2 or window < 2 or not 1 <= stride < window:
        raise DataError(
            "scoring needs at least 2 tokens, a window of at least 2 and a stride from 1 to window - 1. "
            f"Got {len(tokens)} tokens, window={window}, stride={stride}."
        )
    scored: list[NDArray[np.float64]] = []
    done = 1  # tokens before this index are scored, or cannot be
    while done < len(tokens):
        end = min(len(tokens), done + (window - 1 if done == 1 else stride))
        start = max(0, end - window)
        piece = list(tokens[start:end])
        first = done - start  # position in the window of the first token still to score
        rows = log_softmax(np.asarray(logits(piece))[first - 1 : len(piece) - 1])
        scored.append(rows[np.arange(end - done), piece[first:]])
        done = end
    return np.concatenate(scored)
