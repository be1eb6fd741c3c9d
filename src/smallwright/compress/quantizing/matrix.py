"""One matrix into the container's rows: rounded, or coded by GPTQ where that keeps the outputs better.

Enters: weights, a format, the moments of the inputs. Leaves: the rows as stored, what they mean, and what it took.
Not here: which matrix when (model.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallwright.compress.quantize import F16_MAX, dequantize, quantize
from smallwright.compress.quantizing.calibration import Moments
from smallwright.compress.quantizing.gptq import Solver, output_error
from smallwright.compress.quantizing.grid import GRIDS, Grid
from smallwright.compress.span_rows import stored_bytes
from smallwright.errors import ModelSpecError
from smallwright.spec.formats import FORMATS, PLANE_FORMATS, has_zero

_ROWS_AT_ONCE = 128  # what is made on the way to codes is many times as large as they are


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
    """A matrix as the package holds it: ``rows`` (R, bytes of a row) uint8, ``facts`` for the report."""

    rows: NDArray[np.uint8]
    facts: dict[str, Any]


def store(
    weights: NDArray[np.float32],
    format: str,
    moments: Moments | None,
    options: QuantizeOptions,
    name: str,
    *,
    in_place: bool = False,
) -> Stored:
    """Code a matrix, some rows at a time: beside it only its codes are held, and what some rows need.

    Args:
        weights: (R, C) float32, contiguous; afterwards what the rows mean, or with ``in_place`` nothing.
        format: of the container.
        moments: of the inputs; None: rounded, whatever the options say.
        options: ``awq`` is plain rounding here: its factors are in the weights already.
        name: for messages.
        in_place: the rows are made in the weights' own memory, each where its weights begin: a view of it is returned.
    Returns:
        Facts: ``bytes`` that the rows take in a package; ``error``, the outputs' squared error over their squared size;
        with GPTQ also ``rounding_error``, the same of rounding, never less, and what damping its Hessian took.
    Raises:
        ModelSpecError: see ``quantize`` and ``gptq.Solver``; or the format has no 0 for weights that were dropped.
    """
    columns, spans = weights.shape[1], format in PLANE_FORMATS
    zeros = options.drops(name) or (spans and PLANE_FORMATS[format].sparse)
    if not max(weights.max(), -weights.min()) <= F16_MAX:  # nor if one is no number
        quantize(weights, format, span=options.span, name=name)  # says which, if one cannot be coded
    if zeros and not has_zero(format):
        raise ModelSpecError(f"dropped weights need a format that holds 0. Got {format} in {name}. Use q4_sparse.")
    solver = None
    if moments is not None and options.using == "gptq" and format in GRIDS:
        solver = Solver(moments.second, order=options.order, damping=options.damping)
    size = FORMATS[format].row_bytes(columns)
    rows = weights.view(np.uint8)[:, :size] if in_place else np.empty((len(weights), size), np.uint8)
    sums = np.zeros(3)
    for begin in range(0, len(weights), _ROWS_AT_ONCE):
        part = weights[begin : begin + _ROWS_AT_ONCE]
        coded, meant, errors = _code_rows(part, format, moments, solver, options, name, zeros)
        if not in_place:
            part[:] = meant
        rows[begin : begin + len(part)] = coded
        sums += errors
    facts: dict[str, Any] = {"format": format}
    facts["bytes"] = stored_bytes(format, rows, columns) if spans else rows.nbytes
    if moments is not None:
        _, rounding, error = sums / max(sums[0], np.finfo(np.float64).tiny)
        facts["error"] = float(error)
    if solver is not None:
        damped = solver.damped
        facts |= {"rounding_error": float(rounding), "damping": damped.used, "rank": damped.rank}
        facts["inputs"] = damped.size
    return Stored(rows, facts)


def _code_rows(
    weights: NDArray[np.float32],
    format: str,
    moments: Moments | None,
    solver: Solver | None,
    options: QuantizeOptions,
    name: str,
    zeros: bool,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float64]]:
    """Rows, what they mean, and sums: the outputs' squared size, their error by rounding, and as coded.

    Rows do not depend on each other: each takes the better code.
    """
    rows = quantize(weights, format, span=options.span, name=name)
    meant = dequantize(rows, format, weights.shape[1])
    if moments is None:
        return rows, meant, np.zeros(3)
    wide = weights.astype(np.float64)
    size = output_error(wide, moments.second).sum()
    rounding = errors = output_error(wide - meant, moments.second)
    if solver is not None:
        grid, mask = Grid(format, options.span), weights != 0 if zeros else None
        coded = solver.code(wide, grid, mask)
        found = coded.weights
        wide -= found
        theirs = output_error(wide, moments.second)
        nearer = (theirs < rounding)[:, None]
        rows = np.where(nearer, grid.pack(coded.codes, coded.scales, mask), rows)
        meant = np.where(nearer, found, meant).astype(np.float32)
        errors = np.minimum(theirs, rounding)
    return rows, meant, np.array([size, rounding.sum(), errors.sum()])
