"""GPTQ: codes chosen input by input, each one's error made good by the inputs that are still to come.

Enters: a linear layer's weights, the second moments of its inputs, a grid. Leaves: codes and scales of that grid.
Not here: where the moments come from (calibration.py), and what becomes of the codes (model.py).

The grid's groups are kept in either order. ``natural``: scales are chosen group by group as the sweep reaches them, on
weights that have taken up the errors before. ``activation``: beforehand, so that inputs can be coded in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dtrtri

from smallwright.compress.quantizing.grid import BLOCK, Doubles, Grid
from smallwright.errors import ModelSpecError

_LAZY = 128  # columns whose errors reach the columns far behind them in one product
_MOST_DAMPING = 10.0


@dataclass(frozen=True)
class Damped:
    """What was added to make a Hessian invertible.

    ``asked`` and ``used``: shares of its mean diagonal (of 1 where that is 0); ``added``: what ``used`` comes to.
    ``rank``: of the Hessian as it was, of ``size``.
    """

    asked: float
    used: float
    added: float
    rank: int
    size: int

    @property
    def singular(self) -> bool:
        """Whether the inputs seen do not span all directions: there the damping alone decides."""
        return self.rank < self.size


@dataclass(frozen=True)
class Coded:
    """Whole numbers (R, C) and scales (R, C / 32) of a matrix, and the matrix that they mean."""

    codes: Doubles
    scales: Doubles

    @property
    def weights(self) -> Doubles:
        """(R, C): what any reader of the container multiplies."""
        return self.codes * np.repeat(self.scales, BLOCK, axis=1)


class Solver:
    """The inverse of one Hessian, by which any rows of a matrix are coded: they do not depend on each other.

    Codes keep the outputs: ``output_error(weights - coded.weights, hessian)`` is small.

    Args:
        hessian: (C, C) symmetric, X^T X of the inputs X, in any unit.
        order: ``natural``; or ``activation``: inputs of the largest second moment first, scales fixed beforehand.
        damping: share of the mean diagonal that is added to the diagonal, above 0; ten times as much, again and again,
            while the sum cannot be inverted.
    Raises:
        ModelSpecError: the Hessian is not finite or cannot be inverted at 10 times its mean diagonal.
    Source: Frantar et al., GPTQ, arXiv:2210.17323, algorithm 1; the order and the scales fixed beforehand as in its
        authors' code (act-order, static groups).
    """

    def __init__(self, hessian: Doubles, *, order: str = "natural", damping: float = 0.01) -> None:
        self._places = None
        if order == "activation":
            self._places = np.argsort(-np.diag(hessian), kind="stable")
            hessian = hessian[np.ix_(self._places, self._places)]
        self._upper, self.damped = invert_hessian(hessian, damping)
        self._importance = np.diag(hessian) + self.damped.added  # in the order of coding

    def code(self, weights: NDArray[np.floating], grid: Grid, kept: NDArray[np.bool_] | None = None) -> Coded:
        """Code rows (R, C) of finite weights on a grid.

        ``kept``: (R, C), which weights may have codes; the others are 0, and hand on what reaches them of earlier
        errors, as SparseGPT has it (arXiv:2301.00774, section 3.5). None: all.
        """
        wide = np.array(weights, dtype=np.float64)
        if self._places is None:
            return _sweep(wide, self._upper, grid, None, kept)
        importance, codes = np.empty_like(self._importance), np.empty_like(wide)
        importance[self._places] = self._importance
        scales = _choose_beforehand(wide, importance, grid)
        codes[:, self._places] = _sweep(
            wide[:, self._places],
            self._upper,
            grid,
            scales[:, self._places // BLOCK],
            None if kept is None else kept[:, self._places],
        ).codes
        return Coded(codes, scales)


def output_error(difference: Doubles, hessian: Doubles) -> Doubles:
    """(R,): the squared error of each output, summed over the inputs seen: the diagonal of D H D^T."""
    return np.einsum("rc,rc->r", difference @ hessian, difference)


def invert_hessian(hessian: Doubles, damping: float) -> tuple[Doubles, Damped]:
    """The upper triangular U with U^T U the inverse of the damped Hessian; see ``Solver``."""
    if not np.isfinite(hessian).all():
        raise ModelSpecError(
            "second moments of a layer's inputs must be finite. Got others. Train again with a lower learning rate."
        )
    size, mean = len(hessian), float(np.mean(np.diag(hessian))) or 1.0
    rank, used = int(np.linalg.matrix_rank(hessian, hermitian=True)), damping
    while used <= _MOST_DAMPING:
        # The inverse's factor without the inverse: with the order of inputs turned round, H = L L^T gives it as L^-1
        # turned round again. Both are made where the turned Hessian lies; to LAPACK its transpose, which is itself.
        factor, failed = dpotrf(_turn(hessian, used * mean).T, lower=1, overwrite_a=1)
        if failed == 0:
            factor, failed = dtrtri(factor, lower=1, overwrite_c=1)
            if failed == 0 and np.isfinite(factor).all():
                return factor[::-1, ::-1], Damped(damping, used, used * mean, rank, size)
        used *= 10
    raise ModelSpecError(
        f"a layer's Hessian must be invertible with damping. Got a singular one at {_MOST_DAMPING:g} times its mean "
        "diagonal. Use using: round, or more calibration texts."
    )


def _turn(hessian: Doubles, added: float) -> Doubles:
    turned = hessian[::-1, ::-1].copy()
    np.fill_diagonal(turned, np.diag(turned) + added)
    return turned


def _choose_beforehand(weights: Doubles, importance: Doubles, grid: Grid) -> Doubles:
    groups = range(0, weights.shape[1], grid.group)
    parts = [grid.choose_scales(weights[:, at : at + grid.group], importance[at : at + grid.group]) for at in groups]
    return np.concatenate(parts, axis=1)


def _sweep(
    weights: Doubles, upper: Doubles, grid: Grid, columns: Doubles | None, kept: NDArray[np.bool_] | None
) -> Coded:
    """Code the columns in order. ``columns``: (R, C) scales given beforehand; ``weights`` is used up."""
    size = weights.shape[1]
    codes, scales = np.empty_like(weights), np.empty((len(weights), -(-size // BLOCK)))
    for begin in range(0, size, _LAZY):
        end = min(begin + _LAZY, size)
        errors = np.empty((len(weights), end - begin))
        for at in range(begin, end):
            if columns is None and at % grid.group == 0:
                last = min(at + grid.group, size)
                importance = 1.0 / np.diag(upper)[at:last] ** 2  # of an error that later inputs make good as they can
                group = weights[:, at:last] if kept is None else np.where(kept[:, at:last], weights[:, at:last], 0.0)
                found = grid.choose_scales(group, importance)
                scales[:, at // BLOCK : at // BLOCK + found.shape[1]] = found
            scale = scales[:, at // BLOCK] if columns is None else columns[:, at]
            codes[:, at] = grid.round(weights[:, at], scale)
            if kept is not None:
                codes[~kept[:, at], at] = 0.0
            error = (weights[:, at] - codes[:, at] * scale) / upper[at, at]
            weights[:, at + 1 : end] -= np.outer(error, upper[at, at + 1 : end])
            errors[:, at - begin] = error
        weights[:, end:] -= errors @ upper[begin:end, end:]
    return Coded(codes, scales)
