"""Calibration and out-of-scope detection against scikit-learn and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score

from smallwright.errors import DataError
from smallwright.evaluate.calibration import auroc, calibration, confidences, out_of_scope

SCORES = st.lists(st.integers(0, 6).map(lambda value: value / 6), min_size=1, max_size=40)


@given(SCORES, SCORES)
def test_auroc_equals_scikit_learns_with_ties(positive: list[float], negative: list[float]) -> None:
    truth = [1] * len(positive) + [0] * len(negative)
    assert auroc(positive, negative) == pytest.approx(roc_auc_score(truth, positive + negative))


def test_auroc_ends() -> None:
    assert auroc([0.9, 0.8], [0.1]) == 1.0
    assert auroc([0.1], [0.9, 0.8]) == 0.0
    assert auroc([0.5] * 3, [0.5] * 4) == 0.5


def test_reliability_curve_equals_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    confidence = np.concatenate([generator.random(500), [0.0, 1.0, 0.2, 0.4]])
    correct = generator.random(confidence.size) < confidence**2
    found = calibration(confidence, correct, bins=10)
    share, mean = calibration_curve(correct, confidence, n_bins=10)
    filled = [entry for entry in found.bins if entry.rows]
    np.testing.assert_allclose([entry.accuracy for entry in filled], share)
    np.testing.assert_allclose([entry.confidence for entry in filled], mean)
    assert sum(entry.rows for entry in found.bins) == confidence.size


def test_expected_calibration_error_by_hand() -> None:
    # bin (0.5, 1]: confidences .9 .7, one right: |.5 - .8| * 2/4; bin (0, 0.5]: .5 .1, one right: |.5 - .3| * 2/4
    found = calibration([0.9, 0.7, 0.5, 0.1], [True, False, True, False], bins=2)
    assert found.expected_calibration_error == pytest.approx(0.5 * 0.3 + 0.5 * 0.2)
    assert found.mean_confidence == pytest.approx(0.55)


def test_a_perfectly_calibrated_answerer_has_no_error() -> None:
    assert calibration([0.75] * 4, [True, True, True, False], bins=15).expected_calibration_error == 0
    assert calibration([1.0] * 3, [True] * 3).expected_calibration_error == 0


def test_empty_bins_tell_nothing() -> None:
    found = calibration([0.9], [True], bins=3)
    assert [entry.confidence for entry in found.bins] == [None, None, 0.9]


def test_confidences_are_scipys_softmax() -> None:
    logits = np.random.default_rng(1).normal(0, 5, (20, 4)).astype(np.float32)
    oracle = softmax(logits.astype(np.float64) / 1.7, axis=1).max(axis=1)
    np.testing.assert_allclose(confidences(logits, 1.7), oracle, atol=1e-12)


def test_out_of_scope_threshold_accepts_95_percent_of_the_known() -> None:
    generator = np.random.default_rng(2)
    known, strange = generator.beta(8, 2, 333), generator.beta(2, 4, 100)
    found = out_of_scope(known, strange)
    assert (known >= found.threshold_at_95).mean() >= 0.95
    assert (known > found.threshold_at_95).mean() < 0.95
    assert found.accepted_at_95 == pytest.approx((strange >= found.threshold_at_95).mean())
    assert found.auroc == pytest.approx(roc_auc_score([1] * 333 + [0] * 100, np.concatenate([known, strange])))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: auroc([], [1.0]), "Got 0 positive and 1 negative"),
        (lambda: auroc([np.nan], [1.0]), "finite scores"),
        (lambda: calibration([1.2], [True]), r"must lie in \[0, 1\]"),
        (lambda: calibration([np.nan], [True]), r"must lie in \[0, 1\]"),
        (lambda: calibration([0.5, 0.5], [True]), "Got 2 expected and 1 predicted"),
        (lambda: confidences([[1.0, 2.0]], 0.0), "above 0. Got 0.0"),
    ],
)
def test_what_is_no_probability_is_refused(call, message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()
