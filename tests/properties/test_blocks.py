"""What every block of a file means, against the ``gguf`` package, bit for bit, for random bytes too."""

from __future__ import annotations

from typing import Any

import gguf
import numpy as np
import pytest
from gguf.constants import GGML_QUANT_SIZES
from numpy.typing import NDArray

from smallwright.errors import EngineError
from smallwright.run import _engine

KERNELS = _engine._kernels
QUANTIZED = ("q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k", "iq4_nl")
PLAIN = ("f32", "f16", "bf16")
MINIMA = {"q4_1", "q5_1", "q4_k", "q5_k"}
CODES = {
    "q8_0": (-128, 127),
    "q4_0": (-8, 7),
    "q4_1": (0, 15),
    "q5_0": (-16, 15),
    "q5_1": (0, 31),
    "q4_k": (0, 15),
    "q5_k": (0, 31),
    "q6_k": (-32, 31),
    "iq4_nl": (-127, 113),
}


def _type(name: str) -> Any:
    return getattr(gguf.GGMLQuantizationType, name.upper())


def _random(name: str, rows: int, blocks: int, seed: int) -> tuple[NDArray[np.uint8], int]:
    """Bytes of whole blocks, each as likely as any other: scales that are subnormal, infinite or NaN included."""
    columns, size = GGML_QUANT_SIZES[_type(name)]
    raw = np.random.default_rng(seed).integers(0, 256, (rows, blocks * size), dtype=np.uint8)
    return raw, columns * blocks


def _dequantize(name: str, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    with np.errstate(all="ignore"):
        values = {"f32": np.float32, "f16": np.float16}.get(name)
        if values is not None:
            return raw.view(values).astype(np.float32)
        return np.asarray(gguf.quants.dequantize(raw, _type(name)), np.float32)


@pytest.mark.parametrize("name", [*QUANTIZED, *PLAIN])
@pytest.mark.parametrize(("rows", "blocks"), [(1, 1), (3, 2), (17, 5), (400, 3)])
def test_rows_equal_the_gguf_package(name: str, rows: int, blocks: int) -> None:
    raw, columns = _random(name, rows, blocks, seed=rows)
    found = np.asarray(KERNELS.read_rows(name, raw.reshape(-1), rows, columns))
    np.testing.assert_array_equal(found, _dequantize(name, raw))


@pytest.mark.parametrize("name", QUANTIZED)
def test_blocks_are_codes_scales_and_a_minimum(name: str) -> None:
    raw, columns = _random(name, 50, 4, seed=1)
    found = np.asarray(KERNELS.read_blocks(name, raw.reshape(-1), 50, columns))
    codes, scales, minimum = found[:, :32], found[:, 32:34], found[:, 34:]
    assert (codes.min(), codes.max()) == CODES[name]
    assert name in MINIMA or not minimum.any()
    if name != "q6_k":
        np.testing.assert_array_equal(scales[:, 0], scales[:, 1])
    with np.errstate(all="ignore"):
        values = codes * np.repeat(scales, 16, axis=1) + minimum
    np.testing.assert_array_equal(values.reshape(50, columns), _dequantize(name, raw))


@pytest.mark.parametrize("name", ["f16", "bf16"])
def test_every_16_bit_number(name: str) -> None:
    raw = np.arange(2**16, dtype=np.uint16).view(np.uint8)
    found = np.asarray(KERNELS.read_rows(name, raw, 256, 256))
    np.testing.assert_array_equal(found, _dequantize(name, raw.reshape(256, -1)))


@pytest.mark.parametrize("name", [*QUANTIZED, *PLAIN])
def test_packed_matrices_mean_the_same(name: str) -> None:
    columns, size = GGML_QUANT_SIZES[_type(name)]
    rng = np.random.default_rng(2)
    columns = max(columns, 32)
    if name in PLAIN:
        raw = np.asarray(gguf.quants.quantize(rng.standard_normal((35, columns)).astype(np.float32), _type(name)))
        raw = raw.view(np.uint8)
    else:
        raw = rng.integers(0, 256, (35, size), dtype=np.uint8)
        at = [size - 2] if name == "q6_k" else [0, 2] if name in MINIMA else [0]
        for place in at:  # scales that are numbers
            raw[:, place : place + 2] = rng.uniform(0.01, 1, (35, 1)).astype(np.float16).view(np.uint8)
    meant = _dequantize(name, raw)
    in_place = KERNELS.Packed(name, raw.reshape(-1), 35, columns, True)
    packed = KERNELS.Packed(name, raw.reshape(-1), 35, columns)
    # Panels keep a block's scale and minimum as f16: of the K types, whose own are products, each is rounded once.
    rounding = 2.0**-11 * 2 * np.abs(meant).max() if name.endswith("_k") else 0.0
    for row in (0, 15, 16, 34):
        np.testing.assert_array_equal(in_place.read_row(row)[0], packed.read_row(row)[0])
        np.testing.assert_allclose(packed.read_row(row)[0], meant[row], rtol=0, atol=rounding)


@pytest.mark.parametrize("name", QUANTIZED)
def test_half_a_block_is_refused(name: str) -> None:
    columns, size = GGML_QUANT_SIZES[_type(name)]
    with pytest.raises(EngineError, match="divisible"):
        KERNELS.read_rows(name, np.zeros(2 * size, np.uint8), 1, columns + columns // 2)
