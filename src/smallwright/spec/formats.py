"""How weights are stored: the block formats of the container that the writer packs and the engine multiplies.

Enters: nothing. Leaves: a table of formats with their sizes and the container's type numbers.
Not here: rounding (compress/quantize.py) and products (the engine's kernels).

Source: GGML's block layouts. ``q8_0``: an f16 scale, then 32 int8. ``q4_0``: an f16 scale, then 16 bytes whose low
nibbles are values 0..15 and high nibbles values 16..31 of the block, each stored with 8 added. ``q5_0``: an f16 scale,
the 32 fifth bits, then 16 bytes of nibbles as in q4_0, each value stored with 16 added. The engine keeps q5_0 in memory
as q8_0: it makes files smaller, not memory.
"""

from __future__ import annotations

from dataclasses import dataclass


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


SPANNED = ("q8_0", "q4_0")  # formats whose scales may agree
SCALE_SPAN = 128  # inputs of a row whose scales may agree, so that the engine sums their products as whole numbers
MOST_SHARES = 15  # a q4_0 scale of a span is at most so many times the span's power of two: code * share fits a byte

FORMATS: dict[str, BlockFormat] = {
    row.name: row
    for row in (
        BlockFormat("f32", ggml_type=0, block=1, block_bytes=4),
        BlockFormat("f16", ggml_type=1, block=1, block_bytes=2),
        BlockFormat("q8_0", ggml_type=8, block=32, block_bytes=34),
        BlockFormat("q5_0", ggml_type=6, block=32, block_bytes=22),
        BlockFormat("q4_0", ggml_type=2, block=32, block_bytes=18),
    )
}
