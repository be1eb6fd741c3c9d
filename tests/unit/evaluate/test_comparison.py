"""Two systems on the same rows: against SciPy's exact test and a plain bootstrap of rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from smallwright.errors import DataError
from smallwright.evaluate.comparison import compare, mcnemar_exact, retention


def _systems(seed: int = 0, rows: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    teacher = generator.random(rows) < 0.93
    student = np.where(generator.random(rows) < 0.9, teacher, generator.random(rows) < 0.5)
    return student, teacher, generator.random(rows) < 0.1


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (5, 5), (3, 17), (120, 80), (900, 1000)])
def test_mcnemar_equals_the_exact_binomial_test(first: int, second: int) -> None:
    oracle = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(oracle, rel=1e-9)


def test_the_interval_is_that_of_resampling_rows() -> None:
    student, teacher, _ = _systems()
    found = compare(student, teacher, name="teacher", seed=3)
    generator = np.random.default_rng(4)
    drawn = [generator.integers(0, student.size, student.size) for _ in range(4000)]
    plain = np.percentile([student[rows].mean() - teacher[rows].mean() for rows in drawn], [2.5, 97.5])
    assert found.difference == pytest.approx(student.mean() - teacher.mean())
    assert (found.low, found.high) == pytest.approx(tuple(plain), abs=0.004)
    assert found.only_system == int((student & ~teacher).sum())


def test_retention_is_that_of_resampling_rows() -> None:
    student, teacher, majority = _systems(1)
    found = retention(student, teacher, majority, seed=3)
    generator = np.random.default_rng(5)
    drawn = [generator.integers(0, student.size, student.size) for _ in range(4000)]
    s, t, m = (np.array([outcome[rows].mean() for rows in drawn]) for outcome in (student, teacher, majority))
    assert found.kept == pytest.approx(student.mean() / teacher.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(s / t, [2.5, 97.5])), abs=0.004)
    assert found.corrected == pytest.approx((student.mean() - majority.mean()) / (teacher.mean() - majority.mean()))
    corrected = tuple(np.percentile((s - m) / (t - m), [2.5, 97.5]))
    assert (found.corrected_low, found.corrected_high) == pytest.approx(corrected, abs=0.005)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    student, teacher, majority = _systems(2)
    assert compare(student, teacher, name="t", seed=1) == compare(student, teacher, name="t", seed=1)
    assert retention(student, teacher, majority, seed=1) == retention(student, teacher, majority, seed=1)
    assert retention(student, teacher, majority, seed=1) != retention(student, teacher, majority, seed=2)


def test_a_system_against_itself_differs_by_exactly_nothing() -> None:
    student, _, majority = _systems(3)
    same = compare(student, student, name="itself")
    assert (same.difference, same.low, same.high, same.mcnemar_p) == (0.0, 0.0, 0.0, 1.0)
    kept = retention(student, student, majority)
    assert (kept.kept, kept.low, kept.high, kept.corrected) == (1.0, 1.0, 1.0, 1.0)


def test_a_teacher_no_better_than_chance_has_no_corrected_retention() -> None:
    right, wrong = np.ones(20, dtype=bool), np.zeros(20, dtype=bool)
    kept = retention(right, wrong, wrong)
    assert (kept.kept, kept.low, kept.corrected, kept.corrected_low) == (None, None, None, None)
    chance = retention(right, right, right)
    assert (chance.kept, chance.corrected, chance.corrected_low) == (1.0, None, None)


def test_different_rows_are_refused() -> None:
    with pytest.raises(DataError, match="Got 3 expected and 2 predicted"):
        compare([True] * 3, [True] * 2, name="x")
