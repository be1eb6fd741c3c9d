"""Coding a table takes the memory of some rows beside its codes, and no row's bytes depend on the others."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from smallwright.compress.quantize import dequantize, quantize
from smallwright.spec.formats import FORMATS, SCALE_SPAN

CODED = [name for name, row in FORMATS.items() if row.bits_per_weight < 16]


@pytest.mark.parametrize("name", CODED)
def test_rows_are_coded_alike_in_any_company(name: str) -> None:
    table = np.random.default_rng(0).normal(size=(4500, 64)).astype(np.float32)
    rows = quantize(table, name, span=SCALE_SPAN)
    some = slice(2030, 2070)  # on both sides of where parts meet
    assert np.array_equal(rows[some], quantize(table[some], name, span=SCALE_SPAN))
    meant = dequantize(rows, name, 64)
    assert np.array_equal(meant[some], dequantize(rows[some], name, 64))
    assert meant.shape == table.shape and np.abs(meant - table).max() < np.abs(table).max()


@pytest.mark.parametrize("name", ["q8_0", "q4_0", "q3_span", "q2_span"])
def test_a_table_takes_little_beside_its_codes(name: str) -> None:
    table = np.random.default_rng(0).normal(size=(60_000, 128)).astype(np.float32)
    rows, coding = _peak(lambda: quantize(table, name, span=SCALE_SPAN))
    assert coding - rows.nbytes < table.nbytes / 2
    meant, reading = _peak(lambda: dequantize(rows, name, 128))
    assert reading - meant.nbytes < table.nbytes / 4


def _peak(make: Callable[[], np.ndarray]) -> tuple[np.ndarray, int]:
    tracemalloc.start()
    try:
        made = make()
        return made, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
