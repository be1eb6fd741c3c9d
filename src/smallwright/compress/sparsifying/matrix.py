"""One matrix into a sparse one: by magnitude, Wanda or SparseGPT, and what its outputs lose by that.

Enters: weights, moments of their inputs, a share to drop. Leaves: sparse weights, and facts.
Not here: which matrix when (model.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallwright.compress.quantizing.calibration import Moments
from smallwright.compress.quantizing.gptq import Damped, invert_hessian, output_error
from smallwright.compress.quantizing.grid import Doubles
from smallwright.compress.sparsifying.patterns import Mask, Pattern, drop_lowest
from smallwright.compress.sparsifying.sparsegpt import solve_sparse

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SparsifyOptions:
    """How weights are dropped. ``using``: magnitude, wanda or sparsegpt; ``damping``: sparsegpt's; ``pattern``: N:M;
    ``correct_bias``: the mean of what the matrix puts out is kept by its bias."""

    using: str = "sparsegpt"
    pattern: Pattern | None = None
    damping: float = 0.01
    correct_bias: bool = False


def drop_by_magnitude(weights: NDArray[np.floating], sparsity: float, pattern: Pattern | None = None) -> Mask:
    """(R, C), true where a weight is among the smallest of its matrix (of its N:M group)."""
    return drop_lowest(np.abs(weights), sparsity, pattern, by_row=False)


def drop_by_wanda(
    weights: NDArray[np.floating], norms: Doubles, sparsity: float, pattern: Pattern | None = None
) -> Mask:
    """(R, C), true where |w| times its input's size is among the smallest of its row (of its N:M group).

    Args:
        weights: (R, C).
        norms: (C,) L2 norms of the inputs over the calibration tokens.
        sparsity, pattern: see ``drop_lowest``.
    Source: Sun et al., Wanda, arXiv:2306.11695, equation 1 and section 3.
    """
    return drop_lowest(np.abs(weights) * norms, sparsity, pattern, by_row=True)


class Sparsifier:
    """What is known of the inputs of one or more matrices, and how these are made sparse by that.

    Raises:
        ModelSpecError: SparseGPT's Hessian is not finite, or cannot be inverted with damping.
    """

    def __init__(self, moments: Moments, options: SparsifyOptions) -> None:
        self.moments, self.options = moments, options
        self._upper: Doubles | None = None
        self.damped: Damped | None = None
        if options.using == "sparsegpt":
            self._upper, self.damped = invert_hessian(moments.second, options.damping)

    @property
    def norms(self) -> Doubles:
        """(C,) L2 norms of the inputs over the calibration tokens."""
        return np.sqrt(np.diag(self.moments.second))

    def sparsify(self, weights: Floats, sparsity: float) -> Floats:
        """The sparse matrix (R, C) float32 of a matrix (R, C); ``sparsity``: share to drop, see ``drop_lowest``."""
        pattern = self.options.pattern
        if self._upper is not None:
            return solve_sparse(weights, self._upper, sparsity, pattern).astype(np.float32)
        if self.options.using == "wanda":
            dropped = drop_by_wanda(weights, self.norms, sparsity, pattern)
        else:
            dropped = drop_by_magnitude(weights, sparsity, pattern)
        return np.where(dropped, np.float32(0), weights)

    def describe(self, weights: Floats, sparse: Floats, sparsity: float) -> dict[str, Any]:
        """What became of a matrix: ``weights``, how many it has; ``kept``; ``sparsity``, the share of zeros.

        ``error``: the outputs' squared error over their squared size; ``magnitude_error``: the same where the smallest
        weights are dropped instead. With SparseGPT also what damping its Hessian took.
        """
        kept = int(np.count_nonzero(sparse))
        dropped = drop_by_magnitude(weights, sparsity, self.options.pattern)
        facts: dict[str, Any] = {
            "weights": weights.size,
            "kept": kept,
            "sparsity": 1 - kept / weights.size,
            "error": self._lose(weights, sparse),
            "magnitude_error": self._lose(weights, np.where(dropped, np.float32(0), weights)),
        }
        if self.damped is not None:
            facts |= {"damping": self.damped.used, "rank": self.damped.rank, "inputs": self.damped.size}
        return facts

    def _lose(self, weights: Floats, sparse: Floats) -> float:
        wide = weights.astype(np.float64)
        whole = float(output_error(wide, self.moments.second).sum())
        return float(output_error(wide - sparse, self.moments.second).sum()) / max(whole, np.finfo(np.float64).tiny)
