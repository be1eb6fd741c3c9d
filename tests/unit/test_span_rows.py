"""Our own formats: rows to bytes and back, what a package stores of them, and rounding."""

from __future__ import annotations

import numpy as np
import pytest

from smallwright.compress.quantize import dequantize, quantize
from smallwright.compress.span_rounding import round_spans
from smallwright.compress.span_rows import decode_spans, pack_spans, split_planes, stored_bytes, unpack_spans
from smallwright.errors import ModelSpecError
from smallwright.spec.formats import PLANE_FORMATS, SCALE_SPAN, spans_of

COLUMNS = (32, 128, 160, 384)


def draw(format: str, columns: int, rows: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    random = np.random.default_rng(columns)
    row = PLANE_FORMATS[format]
    codes = random.choice(np.arange(row.lowest, row.highest + 1, row.step), (rows, columns)).astype(np.int8)
    scales = random.normal(size=(rows, spans_of(columns))).astype(np.float16).astype(np.float32)
    kept = random.random((rows, columns)) < 0.4 if row.sparse else None
    return codes, scales, kept


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("format", PLANE_FORMATS)
def test_rows_give_back_what_they_were_made_of(format: str, columns: int) -> None:
    codes, scales, kept = draw(format, columns)
    rows = pack_spans(format, codes, scales, kept)
    assert rows.shape == (5, PLANE_FORMATS[format].row_bytes(columns))
    found, found_scales, found_kept = unpack_spans(format, rows, columns)
    if kept is not None:
        assert found_kept is not None and (found_kept == kept).all()
        codes = np.where(kept, codes, 0)
    assert (found == codes).all() and (found_scales == scales).all()
    wide = np.repeat(scales, SCALE_SPAN, axis=1)[:, :columns]
    assert (dequantize(rows, format, columns) == codes * wide).all()


def test_a_code_lies_where_the_format_says() -> None:
    codes = np.full((1, 32), -3, np.int8)
    codes[0, 21] = 3  # input 16 * 1 + 4 * 1 + 1
    assert pack_spans("q2_span", codes, np.ones((1, 1), np.float32))[0, 2:].tolist() == [0, 0, 0, 0, 0, 0b1100, 0, 0]
    codes = np.full((1, 32), -4, np.int8)
    codes[0, [21, 25, 30]] = 2  # stored as 6: in bits 3 to 5 of byte 9, in bits 6 and 7 (upper) of bytes 1 and 6
    codes[0, 28] = -3  # stored as 1: bit 7 of byte 8
    stored = pack_spans("q3_span", codes, np.ones((1, 1), np.float32))[0, 2:].tolist()
    assert stored == [0, 0b11000000, 0, 0, 0, 0, 0b11000000, 0, 0b10000000, 0b110000, 0, 0]
    kept = np.zeros((1, 32), bool)
    kept[0, [3, 9, 30]] = True
    codes = np.full((1, 32), -2, np.int8)
    planes = split_planes("q4_sparse", pack_spans("q4_sparse", codes, np.ones((1, 1), np.float32), kept), 32)
    assert planes["mask"].tolist() == [[8, 2, 0, 64]]
    assert planes["codes"].view(np.uint8).tolist() == [0xEE, 0x0E]


@pytest.mark.parametrize("columns", COLUMNS)
def test_a_sparse_matrix_stores_kept_codes_only(columns: int) -> None:
    codes, scales, kept = draw("q4_sparse", columns)
    assert kept is not None
    rows = pack_spans("q4_sparse", codes, scales, kept)
    planes = split_planes("q4_sparse", rows, columns)
    assert planes["codes"].nbytes == sum(-(-int(row.sum()) // 2) for row in kept)
    assert sum(plane.nbytes for plane in planes.values()) == stored_bytes("q4_sparse", rows, columns)
    nothing = pack_spans("q4_sparse", codes, scales, np.zeros_like(kept))
    assert split_planes("q4_sparse", nothing, columns)["codes"].tolist() == [0]


@pytest.mark.parametrize("format", PLANE_FORMATS)
def test_rounding_is_no_worse_than_that_to_the_largest_value(format: str) -> None:
    values = np.random.default_rng(0).normal(size=(16, 300 // 32 * 32)).astype(np.float32)
    row = PLANE_FORMATS[format]
    rows = round_spans(values, format)
    columns = values.shape[1]
    error = np.square(decode_spans(format, rows, columns) - values).sum()
    spans = np.pad(values, ((0, 0), (0, -columns % SCALE_SPAN))).reshape(16, -1, SCALE_SPAN)
    scale = np.abs(spans).max(axis=-1, keepdims=True) / row.highest
    plain = ((np.rint((spans / scale - row.lowest) / row.step)) * row.step + row.lowest).clip(row.lowest, row.highest)
    assert error < np.square(plain * scale - spans).sum()
    assert (quantize(values, format) == rows).all()


def test_values_of_a_grid_come_back_exactly() -> None:
    for format in PLANE_FORMATS:
        codes, scales, kept = draw(format, 256)
        codes[:, ::SCALE_SPAN] = PLANE_FORMATS[format].lowest
        if kept is not None:
            kept[:, ::SCALE_SPAN] = True
        meant = decode_spans(format, pack_spans(format, codes, scales, kept), 256)
        again = round_spans(meant, format)
        assert np.allclose(decode_spans(format, again, 256), meant, rtol=2e-3, atol=0)


def test_zero_rows_and_wrong_codes() -> None:
    for format in ("q3_span", "q4_sparse"):
        assert not decode_spans(format, round_spans(np.zeros((2, 64), np.float32), format), 64).any()
    scales = np.ones((1, 1), np.float32)
    with pytest.raises(ModelSpecError, match="codes of q2_span go from -3 to 3 by 2"):
        pack_spans("q2_span", np.zeros((1, 32), np.int8), scales)
    with pytest.raises(ModelSpecError, match="dropped in sparse formats only"):
        pack_spans("q4_sparse", np.zeros((1, 32), np.int8), scales)
    with pytest.raises(ModelSpecError, match="at most 65504"):
        round_spans(np.full((1, 32), 1e9, np.float32), "q3_span")
