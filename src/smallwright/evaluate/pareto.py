"""Which of several ways are worth having: those that nothing beats in both of two quantities.

Enters: two numbers a way, less being better in both. Leaves: for each, whether it is on the Pareto front.
Not here: what the numbers are (exploration.py), the picture (report/plots.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from smallwright.errors import DataError


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Find the points that no other one dominates.

    A point dominates another one if it is no worse in both numbers and better in one. Equal points do not dominate each
    other: they are on the front together, or not.

    Args:
        points: (N, 2) finite numbers, less is better in both.
    Returns:
        (N,) whether each is on the front, in the order given.
    Raises:
        DataError: a number is not finite.
    Source: Kung, Luccio and Preparata, On finding the maxima of a set of vectors, J. ACM 22 (1975), in two dimensions.
    """
    if not all(math.isfinite(value) for point in points for value in point):
        raise DataError("a Pareto front needs finite numbers. Got others. Leave out what was not measured.")
    front = [False] * len(points)
    least = math.inf  # of the second number, among the points that come before in the first
    best: tuple[float, float] | None = None
    for index in sorted(range(len(points)), key=lambda index: points[index]):
        point = points[index]
        if point[1] < least or point == best:
            front[index] = True
            least, best = point[1], point
    return front
