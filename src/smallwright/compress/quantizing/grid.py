"""The numbers that a block format stores, as a calibrated method sees them: scales of a group, codes, rows of bytes.

Enters: weights and what an error of each input costs. Leaves: scales, codes, and the container's rows.
Not here: rounding without calibration (compress/quantize.py, spans.py), and the order in which inputs are coded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallwright.compress.blocks import pack_blocks
from smallwright.compress.span_rounding import REACHES
from smallwright.compress.span_rows import pack_spans
from smallwright.compress.spans import power_of_two
from smallwright.spec.formats import MOST_SHARES, PLANE_FORMATS, SCALE_SPAN, SPANNED

BLOCK = 32
# Formats whose codes a calibrated method may choose; the others are rounded.
GRIDS = ("q8_0", "q5_0", "q4_0", "q3_span", "q2_span", "q4_sparse")
_CODES = {"q8_0": (-127, 127), "q5_0": (-16, 15), "q4_0": (-8, 7)}
_CODES |= {row.name: (row.lowest, row.highest) for row in PLANE_FORMATS.values()}
_REACHES = np.linspace(0.8, 1.375, 24)  # where scales are free: codes that a block's largest value may have, by -lowest

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """One format's grid.

    ``span``: inputs whose scales agree (``spec.formats.SCALE_SPAN``), or 0: 32 by themselves, as always in q5_0. Our
    own formats have one scale for ``SCALE_SPAN`` inputs, whatever it says.
    """

    format: str
    span: int

    @property
    def group(self) -> int:
        """Inputs whose scales are chosen together."""
        if self.format in PLANE_FORMATS:
            return SCALE_SPAN
        return self.span if self.span and self.format in SPANNED else BLOCK

    @property
    def codes(self) -> tuple[int, int, int]:
        """The lowest code, the highest, and what lies between neighbours."""
        row = PLANE_FORMATS.get(self.format)
        return (*_CODES[self.format], 1 if row is None else row.step)

    def choose_scales(self, weights: Doubles, importance: Doubles) -> Doubles:
        """The scales with which rounding errors cost least, each of them exact in half precision.

        Args:
            weights: (R, n), inputs of one group; n a multiple of 32, at most ``group``.
            importance: (n,), at least 0: what a squared error of that input costs.
        Returns:
            (R, n / 32): where one is 0, so are all codes of its block.
        Source: q4_0 in spans: the best of all whole multiples of one power of two (``compress/spans.py``, which tries
            fewer of them and weighs all errors alike). q8_0: as there, max|x| / 127. Our own formats: the scales that
            ``compress/span_rounding.py`` tries, and the least-squares one of the best one's codes.
        """
        blocks = weights.reshape(len(weights), -1, BLOCK)
        top = np.abs(blocks).max(axis=-1)
        if self.format == "q8_0":
            shared = np.broadcast_to(top.max(axis=1, keepdims=True), top.shape) if self.group > BLOCK else top
            return _half(shared / 127)
        if self.format in PLANE_FORMATS:
            return self._choose_one(weights, importance)
        costs = importance.reshape(1, -1, BLOCK)
        side = np.where(blocks.max(axis=-1) == top, -1.0, 1.0)  # the sign with which the largest value has code -8
        if self.group > BLOCK:
            unit = power_of_two((top.max(axis=1, keepdims=True) / 8).astype(np.float32)).astype(np.float64)
            tried = [sign * share * unit * np.ones_like(top) for share in range(1, MOST_SHARES + 1) for sign in (1, -1)]
        else:
            lowest = _CODES[self.format][0]
            tried = [_half(sign * side * top / (-lowest * reach)) for reach in _REACHES for sign in (1, -1)]
        least, best = np.sum(costs * blocks**2, axis=-1), np.zeros_like(top)
        for scales in tried:
            error = (self.round(blocks, scales[..., None]) * scales[..., None] - blocks) ** 2
            cost = np.sum(costs * error, axis=-1)
            best, least = np.where(cost < least, scales, best), np.minimum(cost, least)
        return best

    def _choose_one(self, weights: Doubles, importance: Doubles) -> Doubles:
        """One scale for all inputs of a group, of either sign."""
        top = np.abs(weights).max(axis=1, keepdims=True)
        side = np.where(weights.max(axis=1, keepdims=True) == top, -1.0, 1.0)
        least, best = np.sum(importance * weights**2, axis=1, keepdims=True), np.zeros_like(top)
        for scales in (_half(sign * top / reach) for reach in REACHES[self.format] for sign in (side, -side)):
            best, least = self._keep_better(weights, importance, scales, best, least)
        codes = self.round(weights, best)
        squares = np.sum(importance * codes**2, axis=1, keepdims=True)
        product = np.sum(importance * codes * weights, axis=1, keepdims=True)
        fitted = _half(np.divide(product, squares, out=np.zeros_like(top), where=squares > 0))
        best, _ = self._keep_better(weights, importance, fitted, best, least)
        return np.repeat(best, weights.shape[1] // BLOCK, axis=1)

    def _keep_better(
        self, weights: Doubles, importance: Doubles, scales: Doubles, best: Doubles, least: Doubles
    ) -> tuple[Doubles, Doubles]:
        error = (self.round(weights, scales) * scales - weights) ** 2
        cost = np.sum(importance * error, axis=1, keepdims=True)
        return np.where(cost < least, scales, best), np.minimum(cost, least)

    def round(self, weights: Doubles, scales: Doubles) -> Doubles:
        """The nearest codes of ``weights`` under ``scales`` (shapes that broadcast), ties to even steps; those nearest
        to 0 where the scale is 0."""
        lowest, highest, step = self.codes
        first = lowest % step  # odd codes
        ratio = np.where(scales == 0, 0.0, weights / np.where(scales == 0, 1.0, scales))
        return (np.rint((ratio - first) / step) * step + first).clip(lowest, highest)

    def pack(self, codes: Doubles, scales: Doubles, kept: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
        """Rows of bytes of codes (R, C) with scales (R, C / 32); ``kept``: (R, C), which a sparse format stores."""
        if self.format in PLANE_FORMATS:
            spans = scales[:, :: SCALE_SPAN // BLOCK].astype(np.float32)
            mask = kept if PLANE_FORMATS[self.format].sparse else None
            return pack_spans(self.format, codes.astype(np.int8), spans, mask)
        return pack_blocks(self.format, codes.reshape(len(codes), -1, BLOCK), scales[..., None]).reshape(len(codes), -1)


def _half(scales: Doubles) -> Doubles:
    return scales.astype(np.float16).astype(np.float64)
