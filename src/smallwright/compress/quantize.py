"""Fewer bits by rounding: float32 rows to the container's blocks and back.

Enters: (R, C) float32 matrices and a format's name. Leaves: (R, bytes of a row) uint8, and a plan of formats a model.
Not here: calibrated methods, and the writing of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from smallwright.compress.blocks import pack_blocks
from smallwright.compress.span_rounding import round_spans
from smallwright.compress.span_rows import decode_spans
from smallwright.compress.spans import round_in_spans
from smallwright.errors import ModelSpecError
from smallwright.spec.formats import FORMATS, PLANE_FORMATS, SPANNED, Format, PlaneFormat
from smallwright.spec.model import ModelSpec
from smallwright.spec.tensors import list_tensors

Rows: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

F16_MAX = 65504.0  # of a scale
_ROWS_AT_ONCE = 2048
_COARSE = ("q4_0", *PLANE_FORMATS)  # too coarse for a classifier's output matrix
_STEPS = {"q8_0": 127, "q5_0": 16, "q4_0": 8}  # codes from 0 to that of the largest value


def quantize(array: Floats, format: str, *, span: int = 0, name: str = "array") -> Rows:
    """Round each row of a matrix to a block format.

    Args:
        array: (R, C) or (C,) float32, finite; C a multiple of the format's block.
        format: a key of ``spec.formats.FORMATS``.
        span: inputs of a row whose scales agree (``spec.formats.SCALE_SPAN``; a row's last ones may be fewer), so that
            the engine sums them as whole numbers; 0: every block has a scale of its own. Changes formats of
            ``spec.formats.SPANNED`` only.
        name: what messages call the matrix.
    Returns:
        (R, bytes of a row) or (bytes of a row,) uint8, as the container stores it.
    Raises:
        ModelSpecError: unknown format, C not divisible, NaN or infinity, or a value too large for half precision.
    Source: without spans GGML's reference rounding. q8_0: scale max|x| / 127, halves away from zero. q4_0: scale
        x_m / -8 where x_m is the first value of largest magnitude, sign kept; q5_0: x_m / -16. Spans:
        ``compress/spans.py``; our own formats: ``compress/span_rounding.py``.
    """
    row = _format(format)
    values = np.ascontiguousarray(array, dtype=np.float32)
    _check_divisible(row, values.shape[-1], name)
    _check_finite(values, name)
    if row.name == "f32":
        return values.view(np.uint8).reshape(*values.shape[:-1], -1)
    if row.name == "f16":
        _check_half(np.abs(values), values, name)
        return values.astype("<f2").view(np.uint8).reshape(*values.shape[:-1], -1)
    if isinstance(row, PlaneFormat):
        return _by_parts(values, row, lambda part: round_spans(part, row.name, name))
    if span and row.name in SPANNED:
        return _by_parts(values, row, lambda part: round_in_spans(part, row.name, span, name))
    blocks = values.reshape(-1, row.block)
    _check_half(np.abs(blocks).max(axis=-1, initial=0.0) / _STEPS[row.name], values, name)
    return _ROUND[row.name](blocks).reshape(*values.shape[:-1], -1)


def dequantize(rows: Rows, format: str, columns: int) -> Floats:
    """The float32 matrix (R, columns) that stored rows (R, bytes) mean, bit for bit as GGML reads them."""
    row = _format(format)
    packed = np.ascontiguousarray(rows, dtype=np.uint8)
    if packed.shape[-1] != row.row_bytes(columns):
        raise ModelSpecError(
            f"a row of {columns} values in {format} takes {row.row_bytes(columns)} bytes. Got {packed.shape[-1]}."
        )
    if row.name == "f32":
        return packed.view("<f4").reshape(packed.shape[0], columns).astype(np.float32)
    if row.name == "f16":
        return packed.view("<f2").reshape(packed.shape[0], columns).astype(np.float32)
    meant = np.empty((packed.shape[0], columns), np.float32)
    for part in _parts(len(packed)):
        if isinstance(row, PlaneFormat):
            meant[part] = decode_spans(row.name, packed[part], columns)
        else:
            meant[part] = _UNROUND[row.name](packed[part].reshape(-1, row.block_bytes)).reshape(-1, columns)
    return meant


def plan_formats(
    spec: ModelSpec, default: str, embedding: str | None = None, head: str | None = None
) -> dict[str, str]:
    """Decide the format of every tensor of a model.

    Norms, biases, positions and token types stay f32. A classifier's output matrix decides between near neighbours and
    is tiny, so it is q8_0 where ``default`` has 4 bits or fewer, unless ``head`` says otherwise. Of matrices outside
    the layers nothing is dropped: where ``default`` is sparse, they are q4_0.

    Args:
        spec: the model.
        default: format of the matrices.
        embedding: format of the tables of tokens and token pairs, None: ``default``.
        head: format of the heads' output matrices, None: as said above.
    Returns:
        {tensor name: format} for every tensor of ``list_tensors(spec)``.
    Raises:
        ModelSpecError: a format is unknown, or a matrix's rows do not divide into blocks.
    """
    dense = "q4_0" if default in PLANE_FORMATS and PLANE_FORMATS[default].sparse else default
    outputs = {f"heads.{name}.output.weight": part.kind for name, part in spec.heads.items()}
    plan: dict[str, str] = {}
    for tensor in list_tensors(spec):
        choice = default
        if not tensor.matrix:
            choice = "f32"
        elif tensor.name.startswith("embedding."):
            choice = embedding or dense
        elif tensor.name in outputs:
            gentle = "q8_0" if default in _COARSE and outputs[tensor.name] == "classifier" else dense
            choice = head or gentle
        elif not tensor.name.startswith("layers."):
            choice = dense
        _check_divisible(_format(choice), tensor.shape[-1], tensor.name)
        plan[tensor.name] = choice
    return plan


def count_bytes(spec: ModelSpec, formats: Mapping[str, str], sparsity: float = 0.0) -> int:
    """Bytes of all tensors in their formats; the vocabulary and the keys of a package come on top.

    ``sparsity``: share of the weights that is dropped where the format is sparse.
    """
    total = 0
    for tensor in list_tensors(spec):
        row = FORMATS[formats[tensor.name]]
        total += prod(tensor.shape[:-1]) * row.row_bytes(tensor.shape[-1])
        if isinstance(row, PlaneFormat) and row.sparse:
            total -= int(prod(tensor.shape) * sparsity) * row.code_bits // 8
    return total


def _parts(count: int) -> Iterator[slice]:
    """Some rows at a time: what is made on the way to a table's codes is many times as large as they are."""
    return (slice(begin, begin + _ROWS_AT_ONCE) for begin in range(0, count, _ROWS_AT_ONCE))


def _by_parts(values: Floats, row: Format, code: Callable[[Floats], Rows]) -> Rows:
    """Rows of any matrix, coded some at a time; no row depends on another."""
    wide = values.reshape(-1, values.shape[-1])
    rows = np.empty((len(wide), row.row_bytes(wide.shape[1])), np.uint8)
    for part in _parts(len(wide)):
        rows[part] = code(wide[part])
    return rows.reshape(*values.shape[:-1], -1)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise ModelSpecError(f"a weight format must be one of {', '.join(FORMATS)}. Got {name!r}. Use one of these.")
    return FORMATS[name]


def _check_divisible(row: Format, columns: int, name: str) -> None:
    if columns % row.block:
        raise ModelSpecError(
            f"rows stored as {row.name} must be a multiple of {row.block} wide. Got {columns} in {name}. "
            f"Use a width of {-(-columns // row.block) * row.block}, or f16."
        )


def _check_finite(values: Floats, name: str) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        place = tuple(int(index) for index in np.argwhere(~finite)[0])
        raise ModelSpecError(
            f"weights must be finite. Got {float(values[place])} in {name} at {list(place)}. "
            "Train again with a lower learning rate or gradient clipping."
        )


def _check_half(scales: Floats, values: Floats, name: str) -> None:
    if scales.size and float(scales.max()) > F16_MAX:
        place = np.unravel_index(int(np.abs(values).argmax()), values.shape)
        raise ModelSpecError(
            f"weights and scales stored in half precision must be at most {F16_MAX:.0f}. "
            f"Got {float(values[place])} in {name} at {[int(index) for index in place]}. Use f32."
        )


def _inverse(scale: Floats) -> Floats:
    """1 / scale, and 0 where the scale is 0 or so small that the quotient overflows (such blocks round to 0)."""
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.float32(1) / scale
    return np.where(np.isfinite(inverse), inverse, np.float32(0))


def _round_q8_0(blocks: Floats) -> Rows:
    scale = np.abs(blocks).max(axis=-1, keepdims=True) / np.float32(127)
    scaled = blocks * _inverse(scale)
    magnitude = np.abs(scaled)
    whole = np.floor(magnitude)
    rounded = np.sign(scaled) * (whole + np.floor(2 * (magnitude - whole)))  # halves away from zero
    return pack_blocks("q8_0", rounded, scale)


def _round_q4_0(blocks: Floats) -> Rows:
    return _round_to_largest(blocks, "q4_0")


def _round_q5_0(blocks: Floats) -> Rows:
    return _round_to_largest(blocks, "q5_0")


def _round_to_largest(blocks: Floats, format: str) -> Rows:
    steps = _STEPS[format]
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=-1, keepdims=True), axis=-1)
    scale = largest / np.float32(-steps)  # so that the value of largest magnitude has exactly the one spare code
    codes = np.trunc(blocks * _inverse(scale) + np.float32(steps + 0.5)).astype(np.uint8).clip(0, 2 * steps - 1)
    return pack_blocks(format, codes.astype(np.int8) - np.int8(steps), scale)


def _unround_q8_0(blocks: Rows) -> Floats:
    scale = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    return scale * np.ascontiguousarray(blocks[:, 2:]).view(np.int8).astype(np.float32)


def _unround_q4_0(blocks: Rows) -> Floats:
    scale = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    codes = np.concatenate([blocks[:, 2:] & np.uint8(15), blocks[:, 2:] >> np.uint8(4)], axis=-1)
    return scale * (codes.astype(np.float32) - np.float32(8))


def _unround_q5_0(blocks: Rows) -> Floats:
    scale = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    low = np.concatenate([blocks[:, 6:] & np.uint8(15), blocks[:, 6:] >> np.uint8(4)], axis=-1)
    fifth = np.unpackbits(np.ascontiguousarray(blocks[:, 2:6]), axis=-1, bitorder="little")
    return scale * ((low | (fifth << np.uint8(4))).astype(np.float32) - np.float32(16))


_ROUND: dict[str, Callable[[Floats], Rows]] = {"q8_0": _round_q8_0, "q5_0": _round_q5_0, "q4_0": _round_q4_0}
_UNROUND: dict[str, Callable[[Rows], Floats]] = {"q8_0": _unround_q8_0, "q5_0": _unround_q5_0, "q4_0": _unround_q4_0}
