"""Codes and scales into the container's blocks.

Enters: whole numbers and the scale of each 32 of them. Leaves: the bytes of ordinary q8_0 and q4_0 blocks.
Not here: choosing either of them (quantize.py, spans.py, quantizing/).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pack_blocks(format: str, codes: ArrayLike, scales: ArrayLike) -> NDArray[np.uint8]:
    """Blocks as GGML lays them out: the scale in half precision, then the codes.

    Args:
        format: ``q8_0`` or ``q4_0``.
        codes: (..., 32) whole numbers, -128..127 for q8_0, -8..7 for q4_0.
        scales: (..., 1), rounded to half precision here.
    Returns:
        (..., bytes of a block) uint8.
    """
    halves = np.ascontiguousarray(np.asarray(scales).astype("<f2")).view(np.uint8)
    whole = np.ascontiguousarray(np.asarray(codes).astype(np.int8))
    if format == "q8_0":
        return np.concatenate([halves, whole.view(np.uint8)], axis=-1)
    shifted = (whole + np.int8(8)).view(np.uint8)
    return np.concatenate([halves, shifted[..., :16] | (shifted[..., 16:] << np.uint8(4))], axis=-1)
