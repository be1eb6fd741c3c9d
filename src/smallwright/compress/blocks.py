"""Codes and scales into the container's blocks.

Enters: whole numbers and the scale of each 32 of them. Leaves: the bytes of ordinary q8_0, q5_0 and q4_0 blocks.
Not here: choosing either of them (quantize.py, spans.py, quantizing/).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pack_blocks(format: str, codes: ArrayLike, scales: ArrayLike) -> NDArray[np.uint8]:
    """Blocks as GGML lays them out: the scale in half precision, then the codes.

    Args:
        format: ``q8_0``, ``q5_0`` or ``q4_0``.
        codes: (..., 32) whole numbers, -128..127 for q8_0, -16..15 for q5_0, -8..7 for q4_0.
        scales: (..., 1), rounded to half precision here.
    Returns:
        (..., bytes of a block) uint8.
    """
    halves = np.ascontiguousarray(np.asarray(scales).astype("<f2")).view(np.uint8)
    whole = np.ascontiguousarray(np.asarray(codes).astype(np.int8))
    if format == "q8_0":
        return np.concatenate([halves, whole.view(np.uint8)], axis=-1)
    shifted = (whole + np.int8(16 if format == "q5_0" else 8)).view(np.uint8)
    low = shifted & np.uint8(15)
    nibbles = low[..., :16] | (low[..., 16:] << np.uint8(4))
    if format == "q4_0":
        return np.concatenate([halves, nibbles], axis=-1)
    fifth = np.packbits(shifted >> np.uint8(4), axis=-1, bitorder="little")
    return np.concatenate([halves, fifth, nibbles], axis=-1)
