"""Rows of our own formats: scales, masks and codes to bytes and back, and to the tensors that a package stores.

Enters: whole numbers, a scale for every 128 of them, and which are kept. Leaves: coded rows, or their planes.
Not here: choosing codes and scales (spans.py, quantizing/), and what to drop (sparsifying/).

A coded row is its scales (f16), then, in q4_sparse, a bit for each weight (kept: 1; bit k % 8 of byte k // 8), then its
codes. Of every 32 codes:
- q2_span: 8 bytes; bits 2 s and 2 s + 1 of byte b hold (code + 3) / 2 of input 16 (b // 4) + 4 s + b % 4;
- q3_span: 12 bytes; bits 0 to 2 and 3 to 5 of byte b hold code + 4 of inputs 8 (b // 4) + b % 4 and 4 more. Of the last
  eight inputs, 24 + k, bits 6 and 7 of byte k hold the upper two bits, bit 6 + k // 4 of byte 8 + k % 4 the lowest one;
- q4_sparse: 16 bytes; code k in two's complement, an even k in the low nibble of byte k // 2. In a package only the
  nibbles of kept weights follow one another, and each row begins on a byte.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from smallwright.errors import ModelSpecError
from smallwright.spec.formats import PLANE_FORMATS, SCALE_SPAN, spans_of

Rows: TypeAlias = NDArray[np.uint8]
Codes: TypeAlias = NDArray[np.int8]
Floats: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

_SHIFTS = np.arange(0, 8, 2, dtype=np.uint8)[:, None]  # of the four codes of a byte


def pack_spans(format: str, codes: Codes, scales: Floats, kept: Mask | None = None) -> Rows:
    """Code rows in one of our formats.

    Args:
        format: a key of ``spec.formats.PLANE_FORMATS``.
        codes: (R, C) whole numbers of the format; C a multiple of 32.
        scales: (R, spans of C); rounded to half precision here, so give halves where the codes were chosen for them.
        kept: (R, C), which weights are not dropped; of q4_sparse only. Codes of dropped ones are ignored.
    Returns:
        (R, bytes of a row) uint8.
    Raises:
        ModelSpecError: a code that the format does not have, or a mask where the format has none, or the reverse.
    """
    row = PLANE_FORMATS[format]
    whole = np.asarray(codes).astype(np.int8)
    if (kept is not None) != row.sparse:
        raise ModelSpecError(f"weights are dropped in sparse formats only, and always there. Got {format}.")
    if kept is not None:
        whole = np.where(kept, whole, np.int8(0))
    if not np.isin(whole, np.arange(row.lowest, row.highest + 1, row.step)).all():
        raise ModelSpecError(f"codes of {format} go from {row.lowest} to {row.highest} by {row.step}. Got others.")
    halves = np.ascontiguousarray(np.asarray(scales, np.float32).astype("<f2")).view(np.uint8)
    if kept is not None:
        nibbles = whole.view(np.uint8) & np.uint8(15)
        mask = np.packbits(kept, axis=-1, bitorder="little")
        return np.concatenate([halves, mask, nibbles[:, ::2] | nibbles[:, 1::2] << np.uint8(4)], axis=-1)
    raised = ((whole.astype(np.int16) - row.lowest) // row.step).astype(np.uint8)
    groups = raised.reshape(len(whole), -1, 8, 4)  # (R, blocks, group, input of the group)
    stored = _join_twos(groups) if row.code_bits == 2 else _join_threes(groups)
    return np.concatenate([halves, stored.reshape(len(whole), -1)], axis=-1)


def _join_twos(groups: Rows) -> Rows:
    return np.bitwise_or.reduce(groups.reshape(*groups.shape[:2], 2, 4, 4) << _SHIFTS, axis=-2)


def _join_threes(groups: Rows) -> Rows:
    stored = groups[..., 0:6:2, :] | groups[..., 1:6:2, :] << np.uint8(3)
    stored[..., :2, :] |= groups[..., 6:, :] >> np.uint8(1) << np.uint8(6)
    lowest = groups[..., 6:, :] & np.uint8(1)
    stored[..., 2, :] |= lowest[..., 0, :] << np.uint8(6) | lowest[..., 1, :] << np.uint8(7)
    return stored


def _split_twos(stored: Rows) -> Rows:
    halves = stored.reshape(*stored.shape[:2], 2, 1, 4)
    return (halves >> _SHIFTS & np.uint8(3)).reshape(*stored.shape[:2], 8, 4)


def _split_threes(stored: Rows) -> Rows:
    lines = stored.reshape(*stored.shape[:2], 3, 4)
    groups = np.empty((*stored.shape[:2], 8, 4), np.uint8)
    groups[..., 0:6:2, :] = lines & np.uint8(7)
    groups[..., 1:6:2, :] = lines >> np.uint8(3) & np.uint8(7)
    lowest = np.stack([lines[..., 2, :] >> np.uint8(6) & np.uint8(1), lines[..., 2, :] >> np.uint8(7)], axis=-2)
    groups[..., 6:, :] = lines[..., :2, :] >> np.uint8(6) << np.uint8(1) | lowest
    return groups


def unpack_spans(format: str, rows: Rows, columns: int) -> tuple[Codes, Floats, Mask | None]:
    """What ``pack_spans`` was given: codes (R, columns), scales (R, spans) float32, the mask of a sparse format."""
    row = PLANE_FORMATS[format]
    at = 2 * spans_of(columns)
    scales = np.ascontiguousarray(rows[:, :at]).view("<f2").astype(np.float32)
    if row.sparse:
        kept = np.unpackbits(np.ascontiguousarray(rows[:, at : at + columns // 8]), axis=-1, bitorder="little")
        bytes_ = rows[:, at + columns // 8 :]
        nibbles = np.stack([bytes_ & np.uint8(15), bytes_ >> np.uint8(4)], axis=-1).reshape(len(rows), columns)
        return ((nibbles ^ np.uint8(8)).astype(np.int8) - np.int8(8)), scales, kept.astype(np.bool_)
    stored = rows[:, at:].reshape(len(rows), -1, 4 * row.code_bits)
    raised = _split_twos(stored) if row.code_bits == 2 else _split_threes(stored)
    codes = raised.astype(np.int8) * np.int8(row.step) + np.int8(row.lowest)
    return codes.reshape(len(rows), columns), scales, None


def decode_spans(format: str, rows: Rows, columns: int) -> Floats:
    """The float32 matrix (R, columns) that coded rows mean: each code times the scale of its span, 0 where dropped."""
    codes, scales, _ = unpack_spans(format, rows, columns)
    wide = np.repeat(scales, SCALE_SPAN, axis=-1)[:, :columns]
    return codes.astype(np.float32) * wide


def split_planes(format: str, rows: Rows, columns: int) -> dict[str, NDArray[np.generic]]:
    """The tensors that a package stores for coded rows: "scales" (R, spans) f16, "codes" int8 and, sparse, "mask".

    Codes are (R, bytes of a row) of a dense format, a flat run of bytes of a sparse one (a zero where all is dropped).
    """
    row = PLANE_FORMATS[format]
    at = 2 * spans_of(columns)
    planes: dict[str, NDArray[np.generic]] = {"scales": np.ascontiguousarray(rows[:, :at]).view("<f2")}
    if not row.sparse:
        planes["codes"] = np.ascontiguousarray(rows[:, at:]).view(np.int8)
        return planes
    mask = np.ascontiguousarray(rows[:, at : at + columns // 8])
    planes["mask"] = mask.view(np.int8)
    planes["codes"] = _leave_out(rows, mask, columns)
    return planes


def stored_bytes(format: str, rows: Rows, columns: int) -> int:
    """Bytes that coded rows take in a package, alignment apart."""
    row = PLANE_FORMATS[format]
    if not row.sparse:
        return int(rows.size)
    at = 2 * spans_of(columns)
    kept = np.unpackbits(np.ascontiguousarray(rows[:, at : at + columns // 8]), axis=-1).sum(axis=-1, dtype=np.int64)
    return len(rows) * (at + columns // 8) + max(1, int(((kept + 1) // 2).sum()))


def _leave_out(rows: Rows, mask: Rows, columns: int) -> NDArray[np.int8]:
    """The nibbles of kept weights, row after row, each row from a byte on."""
    at = 2 * spans_of(columns) + columns // 8
    pieces = []
    for row, bits in zip(rows, mask, strict=True):
        nibbles = np.stack([row[at:] & np.uint8(15), row[at:] >> np.uint8(4)], axis=-1).reshape(-1)
        kept = nibbles[np.unpackbits(bits, bitorder="little").astype(np.bool_)]
        even = np.pad(kept, (0, len(kept) % 2))
        pieces.append(even[::2] | even[1::2] << np.uint8(4))
    flat = np.concatenate(pieces) if pieces else np.empty(0, np.uint8)
    return (flat if flat.size else np.zeros(1, np.uint8)).view(np.int8)
