"""The Pareto front: closed forms, and the definition itself on random points."""

from __future__ import annotations

import math

import numpy as np
import pytest

from smallwright.errors import DataError
from smallwright.evaluate.pareto import pareto_front


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(3.0, 3.0)], [True]),
        ([(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)], [True, True, True]),  # a chain: none beats another
        ([(3.0, 3.0), (2.0, 2.0), (1.0, 1.0)], [False, False, True]),  # one beats all
        ([(1.0, 2.0), (1.0, 1.0), (1.0, 3.0)], [False, True, False]),  # equal cost: the least loss
        ([(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)], [True, False, False]),  # equal loss: the least cost
        ([(2.0, 2.0), (1.0, 3.0), (2.0, 2.0), (2.0, 2.5)], [True, True, True, False]),  # equal points share their fate
        ([(4.0, 0.5), (1.0, 4.0), (2.0, 4.5), (3.0, 1.0), (3.5, 1.0)], [True, True, False, True, False]),
    ],
)
def test_closed_forms(points: list[tuple[float, float]], front: list[bool]) -> None:
    assert pareto_front(points) == front


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_definition(seed: int) -> None:
    """Whole numbers, so that many are equal in one number or both."""
    points = [(float(a), float(b)) for a, b in np.random.default_rng(seed).integers(0, 12, (60, 2))]
    beaten = [
        any(c <= a and d <= b and (c, d) != (a, b) for c, d in points)  # no worse in both, better in one
        for a, b in points
    ]
    assert pareto_front(points) == [not one for one in beaten]
    assert any(beaten) and not all(beaten)


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_odd_numbers_are_refused(odd: float) -> None:
    with pytest.raises(DataError, match="a Pareto front needs finite numbers"):
        pareto_front([(1.0, 2.0), (odd, 1.0)])
