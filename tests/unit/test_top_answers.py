"""The teacher's best tokens on disk: what comes back, and what a position costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smallwright.data.cross_answers import CrossAnswers
from smallwright.data.top_answers import MOST_TOKENS, TopAnswers
from smallwright.errors import DataError


@pytest.mark.parametrize(
    ("vocabulary", "bytes_each"), [(2, 128), (65_536, 128), (65_537, 136), (151_936, 136), (MOST_TOKENS, 136)]
)
def test_what_is_put_comes_back(tmp_path: Path, vocabulary: int, bytes_each: int) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, vocabulary, (50, 32))
    tokens[0, :2] = 0, vocabulary - 1
    values = np.log(rng.dirichlet(np.ones(40), 50)[:, :32]).astype(np.float16)
    answers = TopAnswers.empty(50, 32, vocabulary)
    order = rng.permutation(50)
    answers.put(order[:20], values[order[:20]], tokens[order[:20]])
    answers.put(order[20:], values[order[20:]], tokens[order[20:]])
    np.save(tmp_path / "answers.npy", answers.records)
    opened = TopAnswers.open(tmp_path / "answers.npy")
    assert (len(opened), opened.top) == (50, 32) and isinstance(opened.records, np.memmap)
    assert opened.records.nbytes == 50 * bytes_each and bytes_each <= 150
    rows = rng.integers(0, 50, 70)
    found_values, found_tokens = opened.read(rows)
    np.testing.assert_array_equal(found_tokens, tokens[rows])
    np.testing.assert_array_equal(found_values, values[rows].astype(np.float32))


@pytest.mark.parametrize("top", [1, 7, 8, 64, 256])
def test_bytes_are_the_formula(top: int) -> None:
    for vocabulary, more in ((65_536, 0), (65_537, -(-top // 4))):
        assert TopAnswers.empty(1, top, vocabulary).records.itemsize == 4 * top + more
    assert CrossAnswers.empty(1, top, 300).records.itemsize == 4 * top + 5


def test_odd_counts_and_too_many_tokens() -> None:
    answers = TopAnswers.empty(3, 5, 100_000)
    tokens = np.array([[99_999, 0, 65_536, 1, 70_000]] * 3)
    answers.put(slice(0, 3), np.zeros((3, 5)), tokens)
    np.testing.assert_array_equal(answers.read(np.arange(3))[1], tokens)
    with pytest.raises(DataError, match=r"at most 262144 tokens\. Got 262145"):
        TopAnswers.empty(1, 1, MOST_TOKENS + 1)
