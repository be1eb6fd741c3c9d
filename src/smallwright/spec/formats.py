"""How weights are stored: the block formats of the container that the writer packs and the engine multiplies.

Enters: nothing. Leaves: a table of formats with their sizes and the container's type numbers.
Not here: rounding (compress/quantize.py) and products (the engine's kernels).

Source: GGML's block layouts. ``q8_0``: an f16 scale, then 32 int8. ``q4_0``: an f16 scale, then 16 bytes whose low
nibbles are values 0..15 and high nibbles values 16..31 of the block, each stored with 8 added. ``q5_0``: an f16 scale,
the 32 fifth bits, then 16 bytes of nibbles as in q4_0, each value stored with 16 added. The engine keeps q5_0 in memory
as q8_0: it makes files smaller, not memory.

Three formats are ours (docs/format.md, "Planes"): GGML has no types of so few bits whose blocks divide every width.
Their codes, scales and masks are tensors of their own, so that every reader of GGUF can list the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class BlockFormat:
    """One format: ``block`` values of a row share ``block_bytes`` bytes; ``ggml_type`` is the container's number."""

    name: str
    ggml_type: int
    block: int
    block_bytes: int

    @property
    def bits_per_weight(self) -> float:
        """Bits of storage a value, scales included."""
        return 8.0 * self.block_bytes / self.block

    def row_bytes(self, columns: int) -> int:
        """Bytes of one row of ``columns`` values; ``columns`` is a multiple of ``block``."""
        return columns // self.block * self.block_bytes


@dataclass(frozen=True)
class PlaneFormat:
    """One of our formats: codes of ``code_bits`` bits, one f16 scale for ``SCALE_SPAN`` inputs of a row.

    A ``sparse`` one has a bit for every weight, kept or not, and codes for the kept ones only.
    ``block`` divides widths.
    """

    name: str
    code_bits: int
    lowest: int  # codes are lowest, lowest + step, ... up to highest
    highest: int
    step: int = 1
    sparse: bool = False
    block: int = 32

    @property
    def bits_per_weight(self) -> float:
        """Bits of storage a value, scales included; of a sparse format where nothing is dropped."""
        return self.code_bits + self.sparse + 16 / SCALE_SPAN

    def row_bytes(self, columns: int) -> int:
        """Bytes of a coded row before what is dropped is left out: scales, then the mask, then codes."""
        return 2 * spans_of(columns) + columns // 8 * (self.code_bits + self.sparse)


Format: TypeAlias = BlockFormat | PlaneFormat

SPANNED = ("q8_0", "q4_0")  # block formats whose scales may agree
SCALE_SPAN = 128  # inputs of a row whose scales may agree, so that the engine sums their products as whole numbers
MOST_SHARES = 15  # a q4_0 scale of a span is at most so many times the span's power of two: code * share fits a byte


def spans_of(columns: int) -> int:
    """Spans of a row; the last one may have fewer inputs."""
    return -(-columns // SCALE_SPAN)


BLOCK_FORMATS: dict[str, BlockFormat] = {
    row.name: row
    for row in (
        BlockFormat("f32", ggml_type=0, block=1, block_bytes=4),
        BlockFormat("f16", ggml_type=1, block=1, block_bytes=2),
        BlockFormat("q8_0", ggml_type=8, block=32, block_bytes=34),
        BlockFormat("q5_0", ggml_type=6, block=32, block_bytes=22),
        BlockFormat("q4_0", ggml_type=2, block=32, block_bytes=18),
    )
}

PLANE_FORMATS: dict[str, PlaneFormat] = {
    row.name: row
    for row in (
        PlaneFormat("q3_span", code_bits=3, lowest=-4, highest=3),
        PlaneFormat("q2_span", code_bits=2, lowest=-3, highest=3, step=2),
        PlaneFormat("q4_sparse", code_bits=4, lowest=-8, highest=7, sparse=True),
    )
}

FORMATS: dict[str, Format] = {**BLOCK_FORMATS, **PLANE_FORMATS}


def has_zero(format: str) -> bool:
    """Whether a format can hold a weight of exactly 0, as one that was dropped must be."""
    row = FORMATS[format]
    return isinstance(row, BlockFormat) or row.lowest % row.step == 0
