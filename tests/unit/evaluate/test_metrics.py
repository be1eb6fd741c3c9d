"""Accuracy, F1, confusions and perplexity against scikit-learn, SciPy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax as scipy_log_softmax
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from smallwright.errors import DataError
from smallwright.evaluate import metrics


def _labels(seed: int, rows: int, classes: int) -> tuple[list[str], list[str]]:
    generator = np.random.default_rng(seed)
    expected = generator.integers(0, classes, rows)
    predicted = np.where(generator.random(rows) < 0.6, expected, generator.integers(0, classes + 2, rows))
    return [f"c{value}" for value in expected], [f"c{value}" for value in predicted]


@given(rows=st.integers(1, 400), data=st.data())
def test_wilson_interval_equals_scipys(rows: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, rows))
    oracle = binomtest(correct, rows).proportion_ci(0.95, method="wilson")
    assert metrics.wilson_interval(correct, rows) == pytest.approx((oracle.low, oracle.high), abs=1e-12)


def test_wilson_interval_knows_a_textbook_value() -> None:
    assert metrics.wilson_interval(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)


def test_wilson_interval_inverts_the_score_test() -> None:
    for share in metrics.wilson_interval(37, 50):  # the ends are where the score statistic is exactly z
        assert abs(37 / 50 - share) / math.sqrt(share * (1 - share) / 50) == pytest.approx(metrics.Z_95)


def test_accuracy_counts_rows() -> None:
    found = metrics.accuracy(["a", "b", "b", "c"], ["a", "b", "c", "c"])
    assert (found.rows, found.correct, found.accuracy) == (4, 3, 0.75)
    assert found.low < 0.75 < found.high


@pytest.mark.parametrize("seed", range(5))
def test_class_scores_and_macro_f1_equal_scikit_learns(seed: int) -> None:
    expected, predicted = _labels(seed, 137, 5)
    scores = metrics.class_scores(expected, predicted)
    names = [score.label for score in scores]
    oracle = precision_recall_fscore_support(expected, predicted, labels=names, zero_division=0)
    ours = np.array([[score.precision, score.recall, score.f1, score.support] for score in scores]).T
    np.testing.assert_allclose(ours, np.array(oracle), atol=1e-12)
    assert metrics.macro_f1(expected, predicted) == pytest.approx(
        f1_score(expected, predicted, average="macro", zero_division=0)
    )


def test_class_scores_keep_the_order_asked_for() -> None:
    scores = metrics.class_scores(["b", "a"], ["b", "z"], labels=["b", "a", "never"])
    assert [(score.label, score.support, score.predicted, score.f1) for score in scores] == [
        ("b", 1, 1, 1.0),
        ("a", 1, 0, 0.0),
        ("never", 0, 0, 0.0),
    ]


def test_confusion_pairs_equal_the_confusion_matrix() -> None:
    expected, predicted = _labels(3, 400, 6)
    names = sorted({*expected, *predicted})
    matrix = confusion_matrix(expected, predicted, labels=names)
    np.fill_diagonal(matrix, 0)
    pairs = metrics.confusion_pairs(expected, predicted, top=10_000)
    assert {(p.expected, p.predicted): p.count for p in pairs} == {
        (names[i], names[j]): matrix[i, j] for i, j in zip(*np.nonzero(matrix), strict=True)
    }
    counts = [pair.count for pair in pairs]
    assert counts == sorted(counts, reverse=True)
    assert metrics.confusion_pairs(expected, predicted, top=3) == pairs[:3]


def test_language_score_of_a_fair_die() -> None:
    score = metrics.language_score(np.log(np.full(12, 1 / 8)), text_bytes=24)
    assert score.perplexity == pytest.approx(8)
    assert score.bits_per_byte == pytest.approx(12 * 3 / 24)


def test_log_softmax_equals_scipys() -> None:
    logits = np.random.default_rng(0).normal(0, 30, (7, 11))
    np.testing.assert_allclose(metrics.log_softmax(logits), scipy_log_softmax(logits, axis=-1), atol=1e-12)


@pytest.mark.parametrize(("window", "stride"), [(50, 49), (50, 20), (8, 4), (5, 1), (2, 1), (29, 28), (30, 15)])
def test_windows_score_every_token_once_with_enough_context(window: int, stride: int) -> None:
    tokens = np.random.default_rng(1).integers(0, 13, 30).tolist()
    table = np.random.default_rng(2).normal(size=(13, 13))
    shortest = []

    def bigram(piece: list[int]) -> np.ndarray:
        assert len(piece) <= window
        shortest.append(len(piece))
        return table[piece]

    oracle = scipy_log_softmax(table, axis=1)[tokens[:-1], tokens[1:]]
    np.testing.assert_allclose(metrics.token_log_probs(bigram, tokens, window, stride), oracle, atol=1e-12)
    assert min(shortest) >= min(window, len(tokens))  # later windows are always full: the context law


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.accuracy([], []), "at least one row"),
        (lambda: metrics.accuracy(["a"], ["a", "b"]), "Got 1 expected and 2 predicted"),
        (lambda: metrics.wilson_interval(3, 2), "Got correct=3, rows=2"),
        (lambda: metrics.language_score([], 3), "at least one token"),
        (lambda: metrics.language_score([-1.0], 0), "at least one token and one byte"),
        (lambda: metrics.language_score([0.5], 3), "at most 0"),
        (lambda: metrics.token_log_probs(lambda t: t, [1, 2, 3], 4, 4), "stride from 1 to window - 1"),
    ],
)
def test_a_metric_refuses_what_has_no_meaning(call, message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()
