"""Token dropout: how much, what it spares, and that it is a function of its generator."""

from __future__ import annotations

import numpy as np
import pytest

from smallwright.train.augment import TokenDropout


def test_share_left_out_is_the_probability() -> None:
    rng, tokens = np.random.default_rng(0), np.arange(1000)
    kept = [len(TokenDropout(0.3)(tokens, rng)) for _ in range(50)]
    assert np.mean(kept) == pytest.approx(700, abs=8)  # 4 standard errors of the mean


def test_order_stays_and_ends_are_spared() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        kept = TokenDropout(0.9, prefix=1, suffix=2)(np.arange(10), rng)
        assert kept[0] == 0
        assert list(kept[-2:]) == [8, 9]
        assert len(kept) >= 4, "one token of the text itself stays"
        assert np.all(np.diff(kept) > 0)


def test_special_tokens_alone_are_left_as_they_are() -> None:
    kept = TokenDropout(0.9, prefix=1, suffix=1)(np.array([5, 6]), np.random.default_rng(0))
    assert list(kept) == [5, 6]


def test_the_same_generator_gives_the_same_tokens() -> None:
    once, again = (TokenDropout(0.5)(np.arange(100), np.random.default_rng([3, 1])) for _ in range(2))
    assert np.array_equal(once, again)
