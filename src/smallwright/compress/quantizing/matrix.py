"""One matrix into the container's rows: rounded, or coded by GPTQ where that keeps the outputs better.

Enters: weights, a format, the moments of the inputs. Leaves: the rows as stored, what they mean, and what it took.
Not here: which matrix when (model.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallwright.compress.quantize import dequantize, quantize
from smallwright.compress.quantizing.calibration import Moments
from smallwright.compress.quantizing.gptq import Solver, output_error
from smallwright.compress.quantizing.grid import GRIDS, Grid
from smallwright.compress.span_rows import stored_bytes
from smallwright.errors import ModelSpecError
from smallwright.spec.formats import PLANE_FORMATS, has_zero

_ROWS_AT_ONCE = 1024  # of a table with many: memory stays that of some rows


@dataclass(frozen=True)
class QuantizeOptions:
    """How matrices are coded.

    ``using``: round, gptq or awq. ``span``: inputs whose scales agree, 0: each block has its own. ``order``,
    ``damping``: GPTQ's. ``correct_bias``: keep every layer's mean output by its bias. ``keep_zeros``: a weight of 0
    inside layers was dropped (sparsifying/) and stays 0.
    """

    using: str = "round"
    span: int = 0
    order: str = "natural"
    damping: float = 0.01
    correct_bias: bool = False
    keep_zeros: bool = False

    def drops(self, name: str) -> bool:
        """Whether weights of that matrix may have been dropped: only those inside layers are."""
        return self.keep_zeros and name.startswith("layers.")

    @property
    def calibrated(self) -> bool:
        """Whether texts are needed."""
        return self.using != "round" or self.correct_bias


@dataclass(frozen=True)
class Stored:
    """A matrix as the package holds it.

    ``rows``: (R, bytes of a row) uint8. ``weights``: (R, C) float32, what they mean. ``facts``: for the report.
    """

    rows: NDArray[np.uint8]
    weights: NDArray[np.float32]
    facts: dict[str, Any]


def store(
    weights: NDArray[np.float32], format: str, moments: Moments | None, options: QuantizeOptions, name: str
) -> Stored:
    """Code a matrix.

    Args:
        weights: (R, C) float32.
        format: of the container.
        moments: of the inputs; None: rounded, whatever the options say.
        options: ``awq`` is plain rounding here: its factors are in the weights already.
        name: for messages.
    Returns:
        Facts: ``bytes`` that the rows take in a package; ``error``, the outputs' squared error over their squared size;
        with GPTQ also ``rounding_error``, the same of rounding, never less, and what damping its Hessian took.
    Raises:
        ModelSpecError: see ``quantize`` and ``gptq.Solver``; or the format has no 0 for weights that were dropped.
    """
    rows = quantize(weights, format, span=options.span, name=name)
    meant = dequantize(rows, format, weights.shape[1])
    columns, sparse = weights.shape[1], format in PLANE_FORMATS and PLANE_FORMATS[format].sparse
    kept = weights != 0 if sparse or options.drops(name) else None
    if kept is not None and not has_zero(format):
        raise ModelSpecError(f"dropped weights need a format that holds 0. Got {format} in {name}. Use q4_sparse.")
    facts: dict[str, Any] = {"format": format}
    facts["bytes"] = stored_bytes(format, rows, columns) if format in PLANE_FORMATS else rows.nbytes
    if moments is None:
        return Stored(rows, meant, facts)
    solver = None
    if options.using == "gptq" and format in GRIDS:
        solver = Solver(moments.second, order=options.order, damping=options.damping)
    grid, sums = Grid(format, options.span), np.zeros(3)
    for begin in range(0, len(weights), _ROWS_AT_ONCE):
        part = slice(begin, begin + _ROWS_AT_ONCE)
        wide = weights[part].astype(np.float64)
        errors = output_error(wide - meant[part], moments.second)
        sums += output_error(wide, moments.second).sum(), errors.sum(), 0
        if solver is not None:
            mask = None if kept is None else kept[part]
            coded = solver.code(wide, grid, mask)
            theirs = output_error(wide - coded.weights, moments.second)
            nearer = (theirs < errors)[:, None]  # rows do not depend on each other: each takes the better code
            rows[part] = np.where(nearer, grid.pack(coded.codes, coded.scales, mask), rows[part])
            meant[part] = np.where(nearer, coded.weights, meant[part])
            errors = np.minimum(theirs, errors)
        sums[2] += errors.sum()
    _, rounding, error = sums / max(sums[0], np.finfo(np.float64).tiny)
    facts["error"] = float(error)
    if solver is not None:
        damped = solver.damped
        facts |= {"rounding_error": float(rounding), "damping": damped.used, "rank": damped.rank}
        facts["inputs"] = damped.size
    return Stored(rows, meant, facts)
