"""Rounding to our own formats: a scale for every 128 inputs of a row, chosen so that the squared error is least.

Enters: float32 rows. Leaves: coded rows (span_rows.py).
Not here: scales and codes that look at calibration texts (quantizing/), and what a sparse format drops (sparsifying/):
here a weight of 0 is a dropped one.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from smallwright.compress.span_rows import pack_spans
from smallwright.errors import ModelSpecError
from smallwright.spec.formats import PLANE_FORMATS, SCALE_SPAN, PlaneFormat

Rows: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

_F16_MAX = 65504.0
_CHUNK_SPANS = 1024  # rounded together: what a cache holds
# Where the largest value of a span may lie, in steps of its scale: from all within the codes to a good part cut off. Of
# 128 normal values the best are about 4.4 (3 bits) and 5.2 (2 bits, odd codes).
REACHES = {
    "q3_span": np.linspace(3.0, 6.0, 13),
    "q2_span": np.linspace(2.5, 7.0, 13),
    "q4_sparse": np.linspace(6.5, 9.5, 10),
}


def round_spans(values: Floats, format: str, name: str = "array") -> Rows:
    """Round rows to one of our formats.

    Args:
        values: (R, C) float32, finite; C a multiple of 32.
        format: a key of ``spec.formats.PLANE_FORMATS``.
        name: what messages call the matrix.
    Returns:
        (R, bytes of a row) uint8.
    Raises:
        ModelSpecError: a scale would be too large for half precision.
    Source: every span tries scales from the largest value over 6 codes to it over 3 (and so on), of both signs where
        the codes lie unevenly around 0, then the least-squares scale of the best one's codes; the best is kept.
    """
    row = PLANE_FORMATS[format]
    count, columns = values.shape
    spans = np.pad(values, ((0, 0), (0, -columns % SCALE_SPAN))).reshape(-1, SCALE_SPAN).astype(np.float32)
    largest = float(np.abs(spans).max(initial=0.0)) / float(REACHES[format].min())
    if largest > _F16_MAX:
        raise ModelSpecError(
            f"weights stored as {format} must have scales of at most {_F16_MAX:.0f}. Got {largest} in {name}. Use f32."
        )
    codes, scales = np.empty(spans.shape, np.int8), np.empty(len(spans), np.float32)
    for begin in range(0, len(spans), _CHUNK_SPANS):
        part = slice(begin, begin + _CHUNK_SPANS)
        codes[part], scales[part] = choose_scale(spans[part], row)
    whole = codes.reshape(count, -1)[:, :columns]
    return pack_spans(format, whole, scales.reshape(count, -1), values != 0 if row.sparse else None)


def nearest_codes(spans: Floats, scale: Floats, row: PlaneFormat) -> Floats:
    """The format's codes nearest to ``spans`` (..., n) at ``scale`` (..., 1), as floats; any where it is 0."""
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
    return (np.rint((spans * inverse - row.lowest) / row.step) * row.step + row.lowest).clip(row.lowest, row.highest)


def choose_scale(spans: Floats, row: PlaneFormat) -> tuple[NDArray[np.int8], Floats]:
    """Codes (S, n) and half-precision scales (S,) of spans (S, n) with the least squared error that was found."""
    top = np.abs(spans).max(axis=-1, keepdims=True)
    side = np.where(spans.max(axis=-1, keepdims=True) == top, np.float32(-1), np.float32(1))
    signs = (side, -side) if row.lowest + row.highest else (np.ones_like(side),)
    best, codes, least = np.zeros_like(top), np.zeros_like(spans), np.full_like(top, np.inf)

    def keep_better(scale: Floats) -> None:
        nonlocal best, codes, least
        half = scale.astype(np.float16).astype(np.float32)
        found = nearest_codes(spans, half, row)
        error = np.square(found * half - spans).sum(axis=-1, keepdims=True)
        better = error < least
        best, least = np.where(better, half, best), np.where(better, error, least)
        codes = np.where(better, found, codes)

    for sign in signs:
        for reach in REACHES[row.name]:
            keep_better(sign * top / np.float32(reach))
    squares = np.square(codes).sum(axis=-1, keepdims=True)
    product = (codes * spans).sum(axis=-1, keepdims=True)
    keep_better(np.divide(product, squares, out=np.zeros_like(top), where=squares != 0))
    return codes.astype(np.int8), best[:, 0]
