"""Free text judged against a reference: ROUGE-L, with bootstrap intervals; and two systems on the same rows.

Enters: reference texts and what systems wrote. Leaves: frozen numbers for the report.
Not here: exactly right or not (answers.py), perplexity (metrics.py), running any system (cost.py).

Words are runs of letters and digits, their case forgotten, as in the ``rouge-score`` package without stemming, but of
every alphabet. ROUGE-L knows no meaning: another wording of the same facts scores low, a wrong number hardly less.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rapidfuzz.distance import LCSseq

from smallwright.errors import DataError
from smallwright.evaluate.comparison import RESAMPLES
from smallwright.evaluate.metrics import LanguageScore, require_pairs

_WORD = re.compile(r"[^\W_]+")
_DRAWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class MeanScore:
    """Mean over rows of scores from 0 to 1, with its bootstrap 95% interval."""

    rows: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class MeanDifference:
    """Mean of the system's scores minus that of ``against``, on the same rows; ``low``..``high``: its paired bootstrap
    95% interval."""

    against: str
    rows: int
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class TextSample:
    """A test row, the package's answer to it and what that is worth."""

    prompt: str
    expected: str
    given: str
    rouge_l: float


@dataclass(frozen=True)
class FreeTextQuality:
    """What a package's free text is worth beside the exactly right answers.

    ``language``: how well it foretells the reference completions, end token included, each after its prompt;
    ``language_rows`` of the test rows were scored so (not those that are longer than the context).
    ``teacher_language``: the same of the teacher's package; None without one. Words are medians over rows.
    ``samples``: rows at even ranks of ``rouge_l``, the best first.
    """

    rouge_l: MeanScore
    comparisons: tuple[MeanDifference, ...]
    language: LanguageScore | None
    language_rows: int
    teacher_language: LanguageScore | None
    expected_words: float
    given_words: float
    samples: tuple[TextSample, ...]


def split_words(text: str) -> list[str]:
    """Runs of letters and digits in small letters; a language that puts no spaces between words has long ones."""
    return _WORD.findall(text.lower())


def rouge_l(expected: str, given: str) -> float:
    """ROUGE-L: how much of two texts is a common subsequence of words.

    Args:
        expected: the reference.
        given: what a system wrote.
    Returns:
        F-measure in [0, 1] of recall = common / expected words and precision = common / given words, weighed alike;
        0 where a text has no word.
    Source: Lin, ROUGE: A Package for Automatic Evaluation of Summaries (2004), section 3.1, beta = 1: a text is one
        sequence, whatever its sentences.
    """
    wanted, said = split_words(expected), split_words(given)
    numbers = {word: number for number, word in enumerate(dict.fromkeys([*wanted, *said]))}  # no hash can collide
    common = LCSseq.similarity([numbers[word] for word in wanted], [numbers[word] for word in said])
    return 2 * common / (len(wanted) + len(said)) if common else 0.0


def rouge_l_scores(expected: Sequence[str], given: Sequence[str]) -> NDArray[np.float64]:
    """(N,) ROUGE-L of each row.

    Raises:
        DataError: lengths differ or N is 0.
    """
    require_pairs(expected, given)
    return np.array([rouge_l(want, got) for want, got in zip(expected, given, strict=True)], dtype=np.float64)


def median_words(texts: Sequence[str]) -> float:
    """Median number of words.

    Raises:
        DataError: there are no texts.
    """
    if not texts:
        raise DataError("a median needs at least one text. Got none.")
    return float(median(len(split_words(text)) for text in texts))


def mean_score(scores: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> MeanScore:
    """A mean with its bootstrap 95% interval (percentiles).

    Args:
        scores: (N,) in [0, 1].
        resamples: bootstrap draws, 1 or more.
        seed: of the bootstrap; the same seed gives the same interval.
    Raises:
        DataError: N is 0.
    """
    values = np.asarray(scores, dtype=np.float64).reshape(-1)
    rows = require_pairs(values, values)
    low, high = _interval(values, resamples, seed)
    return MeanScore(rows, float(values.mean()), low, high)


def compare_means(
    system: ArrayLike, against: ArrayLike, *, name: str, resamples: int = RESAMPLES, seed: int = 0
) -> MeanDifference:
    """Two systems' scores on the same rows.

    Args:
        system, against: (N,) in [0, 1].
        name: what ``against`` is called.
        resamples, seed: of the paired bootstrap.
    Raises:
        DataError: lengths differ or N is 0.
    """
    ours, theirs = (np.asarray(scores, dtype=np.float64).reshape(-1) for scores in (system, against))
    rows = require_pairs(ours, theirs)
    low, high = _interval(ours - theirs, resamples, seed)
    return MeanDifference(name, rows, float(ours.mean() - theirs.mean()), low, high)


def choose_samples(
    prompts: Sequence[str], expected: Sequence[str], given: Sequence[str], scores: NDArray[np.float64], count: int
) -> tuple[TextSample, ...]:
    """At most ``count`` rows at even ranks of their scores, from the best to the worst; of equals the first row first.

    Args:
        prompts, expected, given: (N,) texts.
        scores: (N,) ROUGE-L.
        count: 0 or more.
    Raises:
        DataError: lengths differ or N is 0.
    """
    rows = require_pairs(expected, given)
    order = np.argsort(-scores, kind="stable")
    ranks = np.unique(np.linspace(0, rows - 1, min(count, rows)).round().astype(np.int64))
    return tuple(TextSample(prompts[row], expected[row], given[row], float(scores[row])) for row in order[ranks])


def _interval(values: NDArray[np.float64], resamples: int, seed: int) -> tuple[float, float]:
    """2.5th and 97.5th percentile of the means of ``resamples`` draws of all rows with replacement."""
    generator = np.random.default_rng(seed)
    at_once = max(1, _DRAWS_AT_ONCE // len(values))
    means = [
        values[generator.integers(0, len(values), (min(at_once, resamples - start), len(values)))].mean(axis=1)
        for start in range(0, resamples, at_once)
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)
