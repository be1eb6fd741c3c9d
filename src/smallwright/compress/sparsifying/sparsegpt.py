"""SparseGPT: inputs are passed in order; what is dropped is made good by the inputs that are still to come.

Enters: a linear layer's weights, the factor of its inverse Hessian (quantizing/gptq.py). Leaves: sparse weights.
Not here: where the Hessian comes from (quantizing/calibration.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smallwright.compress.quantizing.grid import Doubles
from smallwright.compress.sparsifying.patterns import Pattern, drop_lowest

BLOCK = 128  # inputs among which the weights to drop are chosen together


def solve_sparse(weights: NDArray[np.floating], upper: Doubles, sparsity: float, pattern: Pattern | None) -> Doubles:
    """Drop weights and change the others so that the outputs stay near.

    Args:
        weights: (R, C), finite.
        upper: (C, C) upper triangular U with U^T U the inverse of the damped Hessian.
        sparsity: share to drop in every block of ``BLOCK`` inputs; not read where there is a pattern.
        pattern: its ``of`` divides C; None: the lowest of each block, all rows together.
    Returns:
        (R, C) float64, dropped weights 0.
    Source: Frantar and Alistarh, SparseGPT, arXiv:2301.00774, algorithm 1: the cost of dropping weight j is
        w_j^2 / U_jj^2, with w_j as the inputs before it have left it. Patterns: section 3.4, chosen group by group as
        the sweep reaches them. Every block drops its share rounded down.
    """
    left = np.array(weights, dtype=np.float64)
    columns, block = left.shape[1], BLOCK if pattern is None else max(1, BLOCK // pattern.of) * pattern.of
    diagonal = np.diag(upper)
    dropped = np.zeros(left.shape, np.bool_)
    for begin in range(0, columns, block):
        end = min(begin + block, columns)
        if pattern is None:
            scores = (left[:, begin:end] / diagonal[begin:end]) ** 2
            dropped[:, begin:end] = drop_lowest(scores, sparsity, None, by_row=False)
        errors = np.empty((len(left), end - begin))
        for at in range(begin, end):
            if pattern is not None and at % pattern.of == 0:
                group = slice(at, at + pattern.of)
                dropped[:, group] = drop_lowest((left[:, group] / diagonal[group]) ** 2, 0.0, pattern, by_row=True)
            error = np.where(dropped[:, at], left[:, at], 0.0) / upper[at, at]
            left[:, at + 1 : end] -= np.outer(error, upper[at, at + 1 : end])
            errors[:, at - begin] = error
        left[:, end:] -= errors @ upper[begin:end, end:]
    left[dropped] = 0.0
    return left
