"""Rounding whose scales agree in spans: ordinary q8_0 and q4_0 blocks that the engine can sum as whole numbers.

Enters: float32 rows. Leaves: the container's blocks, whose scales are, for every 128 inputs of a row, all the same
(q8_0) or whole multiples of one power of two (q4_0, at most 15 times). Any reader of GGUF multiplies them as ever.
Not here: independent scales (quantize.py), and what the engine makes of it (csrc/kernels/pack.cpp checks it).

Decision 014 says why, and what it costs: nothing in q4_0, where every block tries several scales and keeps the best.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from smallwright.compress.blocks import pack_blocks
from smallwright.errors import ModelSpecError
from smallwright.spec.formats import FORMATS, MOST_SHARES

Floats: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = NDArray[np.uint8]

_F16_MAX = 65504.0
_SMALLEST_HALF = 2.0**-24
_BLOCK = 32
_CHUNK_SPANS = 1024  # rounded together: what a cache holds
_TRIED = 5  # multiples below the one that keeps the largest value exactly; the best was never further down


def round_in_spans(values: Floats, format: str, span: int, name: str) -> Rows:
    """Round rows to q8_0 or q4_0 with scales that agree in spans.

    Args:
        values: (..., C) float32, finite; C a multiple of 32.
        format: ``q8_0`` or ``q4_0``.
        span: inputs that a scale, or a power of two, is shared by; a multiple of 32.
        name: what messages call the matrix.
    Returns:
        (..., bytes of a row) uint8.
    Raises:
        ModelSpecError: a scale is too large for half precision.
    Source: q4_0: for each block the multiple of the power of two that makes the sum of squared errors least, among
        those near max|x| / 8 (code -8 at the largest value) and max|x| / 7 (code 7). q8_0: max|x| / 127, rounded to
        half precision before the codes are chosen, ties to even.
    """
    columns, blocks_of_span = values.shape[-1], span // _BLOCK
    rows = values.reshape(-1, columns)
    missing = -columns % span
    padded = np.pad(rows, ((0, 0), (0, missing))) if missing else rows
    spans = padded.reshape(-1, blocks_of_span, _BLOCK)
    largest = float(np.abs(rows).max(initial=0.0)) / (127 if format == "q8_0" else 8)
    if largest > _F16_MAX:
        raise ModelSpecError(
            f"weights stored as {format} must have scales of at most {_F16_MAX:.0f}. Got {largest} in {name}. Use f32."
        )
    round_some = _round_q8_0 if format == "q8_0" else _round_q4_0
    parts = [round_some(spans[begin : begin + _CHUNK_SPANS]) for begin in range(0, len(spans), _CHUNK_SPANS)]
    block_bytes = FORMATS[format].block_bytes
    whole = np.concatenate(parts) if parts else np.empty((0, blocks_of_span, block_bytes), np.uint8)
    stored = whole.reshape(len(rows), -1, block_bytes)[:, : columns // _BLOCK]
    return np.ascontiguousarray(stored).reshape(*values.shape[:-1], -1)


def _round_q8_0(spans: Floats) -> Rows:
    """(S, blocks, 32) -> (S, blocks, 34)."""
    scale = (np.abs(spans).max(axis=(1, 2), keepdims=True) / np.float32(127)).astype(np.float16)
    codes = np.rint(np.divide(spans, scale, out=np.zeros_like(spans), where=scale != 0)).clip(-127, 127)
    return pack_blocks("q8_0", codes, np.broadcast_to(scale, (*spans.shape[:2], 1)))


def _round_q4_0(spans: Floats) -> Rows:
    """(S, blocks, 32) -> (S, blocks, 18)."""
    top = np.abs(spans).max(axis=-1, keepdims=True)  # (S, blocks, 1)
    unit = power_of_two(top.max(axis=1, keepdims=True) / np.float32(8))  # (S, 1, 1)
    side = np.where(
        spans.max(axis=-1, keepdims=True) == top, np.float32(-1), np.float32(1)
    )  # of code -8 at the largest
    best = np.zeros_like(spans)
    scale = np.zeros_like(top)
    least = np.square(spans).sum(axis=-1, keepdims=True)  # all codes 0
    for sign, reach in ((side, 8), (-side, 7)):
        nearest = np.ceil(top / (reach * unit))
        for down in range(_TRIED):
            share = sign * (nearest - down).clip(1, MOST_SHARES)
            factor = share * unit
            codes = np.rint(spans / factor).clip(-8, 7)
            error = np.square(codes * factor - spans).sum(axis=-1, keepdims=True)
            better = error < least
            least = np.where(better, error, least)
            scale = np.where(better, factor, scale)
            best = np.where(better, codes, best)
    return pack_blocks("q4_0", best, scale)


def power_of_two(scale: Floats) -> Floats:
    """The power of two of which ``scale`` is at least 8 and less than 16 (or the smallest that half precision has)."""
    _, exponent = np.frexp(scale)
    unit = np.ldexp(np.float32(1), exponent - 4)
    return np.maximum(unit, np.float32(_SMALLEST_HALF)).astype(np.float32)
