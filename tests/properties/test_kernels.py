"""Every kernel against numpy and the ``gguf`` package, and every instruction set against every other, bit by bit."""

from __future__ import annotations

from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erf

from smallwright.compress.quantize import quantize
from smallwright.errors import EngineError
from smallwright.run import _engine
from smallwright.spec.formats import SCALE_SPAN

KERNELS = _engine._kernels
ISAS = KERNELS.available()
# A type of file for every format of panels.
TYPES = {
    "f32": gguf.GGMLQuantizationType.F32,
    "f16": gguf.GGMLQuantizationType.F16,
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "q5_1": gguf.GGMLQuantizationType.Q5_1,
    "q4_0": gguf.GGMLQuantizationType.Q4_0,
    "q4_1": gguf.GGMLQuantizationType.Q4_1,
}
# The same two with scales that agree in spans.
SPANS = {f"{block}, spans": block for block in ("q8_0", "q4_0")}
Floats = NDArray[np.float32]


def _floats(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _pack(block: str, values: Floats, in_place: bool = False) -> tuple[Any, Floats]:
    name = SPANS.get(block, block)
    data = quantize(values, name, span=SCALE_SPAN) if block in SPANS else gguf.quantize(values, TYPES[name])
    meant = gguf.dequantize(data, TYPES[name]).reshape(values.shape).astype(np.float32)
    flat = np.ascontiguousarray(data).view(np.uint8).reshape(-1)
    return KERNELS.Packed(name, flat, *values.shape, in_place, block in SPANS), meant


def _everywhere(call: Any) -> Any:
    """The result of ``call(isa)``, after checking that every instruction set gives the same bits."""
    results = [np.asarray(call(isa)) for isa in ISAS]
    for isa, result in zip(ISAS, results, strict=True):
        assert result.tobytes() == results[0].tobytes(), isa
    return results[0]


def _rounded(x: Floats, spans: bool = False) -> NDArray[np.float64]:
    """Activations as the quantised products see them."""
    if spans:
        return np.stack([_rounded_in_spans(row) for row in x])
    codes, scales, offsets, halves = KERNELS.quantize("ref", x.reshape(-1))
    blocks = np.array(codes).reshape(-1, 32)
    np.testing.assert_array_equal(offsets, -8 * blocks.sum(1))
    np.testing.assert_array_equal(halves, -8 * blocks[:, :16].sum(1))
    return (blocks * np.array(scales)[:, None]).reshape(x.shape)


def _rounded_in_spans(row: Floats) -> NDArray[np.float64]:
    """One row with a scale for every 128 values, and what is left of them at its end."""
    codes, scales, offsets, halves = KERNELS.quantize("ref", row, True)
    for isa in ISAS:
        assert KERNELS.quantize(isa, row, True) == (codes, scales, offsets, halves)
    blocks = np.array(codes, np.float64).reshape(-1, 32)
    np.testing.assert_array_equal(offsets, -8 * blocks.sum(1))
    for begin in range(0, len(row), SCALE_SPAN):
        span = row[begin : begin + SCALE_SPAN]
        mine = slice(begin // 32, (begin + SCALE_SPAN) // 32)
        np.testing.assert_array_equal(halves[mine], np.full(len(halves[mine]), sum(offsets[mine])))  # of the whole span
        own = scales[mine]
        np.testing.assert_array_equal(own, np.full(len(own), np.abs(span).max() / np.float32(127)))
    return np.asarray((blocks * np.array(scales)[:, None]).reshape(-1))


@pytest.mark.parametrize("block", [*TYPES, *SPANS])
def test_product_equals_numpy(block: str) -> None:
    for rows, cols, n in [
        (1, 32, 1),
        (16, 64, 2),
        (17, 32, 3),
        (40, 96, 7),
        (64, 416, 12),
        (257, 64, 13),
        (70, 1024, 6),
        (33, 288, 37),
    ]:
        w, meant = _pack(block, _floats(rows, cols, seed=rows))
        x = _floats(n, cols, seed=n)
        y = _everywhere(lambda isa, w=w, x=x: KERNELS.product(isa, w, x))
        seen = _rounded(x, block in SPANS) if block.startswith("q") else x.astype(np.float64)
        expected = seen @ meant.T.astype(np.float64)
        # float32 sums in order: each step rounds once, against the sum of the magnitudes
        bound = 2**-23 * (cols + 4) * (np.abs(seen) @ np.abs(meant.T.astype(np.float64)))
        assert np.all(np.abs(y - expected) <= bound)


def _bfloat(x: Floats) -> Floats:
    """To 8 significant bits, nearest even."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def _instruction(x: Floats, w: Floats) -> Floats:
    """What TDPBF16PS is documented to do, 32 inputs at a time: even and odd ones summed apart, each step rounded once.
    (A product of two bf16 is exact in float32, and so is its sum with a float32 of about its size in float64.)"""
    total = np.zeros((len(x), len(w)), np.float32)
    for block in range(0, x.shape[1], 32):
        parts = np.zeros((2, *total.shape), np.float32)
        for k in range(block, block + 32):
            exact = parts[k % 2].astype(np.float64) + np.outer(x[:, k].astype(np.float64), w[:, k].astype(np.float64))
            parts[k % 2] = exact.astype(np.float32)
        total += parts[0] + parts[1]
    return total


@pytest.mark.parametrize("isa", KERNELS.rounding())
@pytest.mark.parametrize("block", [*(name for name in TYPES if name.startswith("q")), *SPANS])
def test_products_of_rounded_rows_are_those_of_the_instruction(block: str, isa: str) -> None:
    for rows, cols, n in [
        (1, 32, 1),
        (16, 64, 2),
        (17, 32, 15),
        (33, 96, 16),
        (64, 416, 17),
        (150, 64, 33),
        (47, 288, 70),
    ]:
        w, meant = _pack(block, _floats(rows, cols, seed=rows))
        x, bias, held = _floats(n, cols, seed=n), _floats(rows, seed=2), _floats(n, rows, seed=3)
        y = np.asarray(KERNELS.product(isa, w, x, None, None, True))
        np.testing.assert_array_equal(y, _instruction(_bfloat(x), _bfloat(meant)))
        np.testing.assert_array_equal(KERNELS.product(isa, w, x, bias, None, True), y + bias)
        np.testing.assert_array_equal(KERNELS.product(isa, w, x, bias, held, True), held + (y + bias))
        for t in range(0, n, 7):
            np.testing.assert_array_equal(KERNELS.product(isa, w, x[t : t + 1], None, None, True)[0], y[t])


@pytest.mark.parametrize("block", SPANS)
def test_weights_in_spans_are_the_same_in_place(block: str) -> None:
    values, x = _floats(37, 416, seed=1), _floats(21, 416, seed=2)
    (packed, meant), (in_place, _) = _pack(block, values), _pack(block, values, in_place=True)
    for isa in ISAS:
        np.testing.assert_array_equal(KERNELS.product(isa, packed, x), KERNELS.product(isa, in_place, x))
    for row in (0, 15, 16, 36):
        np.testing.assert_array_equal(packed.read_row(row)[0], meant[row])
        np.testing.assert_array_equal(in_place.read_row(row)[0], meant[row])


def _halves(*scales: float) -> NDArray[np.uint8]:
    """A row of q4_0 with these scales and any codes."""
    row = np.random.default_rng(0).integers(0, 256, (len(scales), 18), dtype=np.uint8)
    row[:, :2] = np.array(scales, "<f2").view(np.uint8).reshape(-1, 2)
    return row.reshape(-1)


TINY = 2.0**-24  # the smallest half


@pytest.mark.parametrize(
    "scales",
    [
        (15 * 2.0**-7, -(2.0**-7), 0.0, 8 * 2.0**-7),
        (0.0, 0.0, 0.0, 0.0),
        (15 * TINY, -TINY, 0.0, 2 * TINY),
        (8 * TINY * 2**10, 3 * TINY * 2**10, 0.0, 0.0),
        (1024 * TINY, 128 * TINY),
        (61440.0, -4096.0, 4096.0),
    ],
)
def test_shares_of_any_power_of_two(scales: tuple[float, ...]) -> None:
    row = _halves(*scales)
    packed = KERNELS.Packed("q4_0", row, 1, 32 * len(scales), False, True)
    meant = gguf.dequantize(row.reshape(1, -1), TYPES["q4_0"]).reshape(-1)
    np.testing.assert_array_equal(packed.read_row(0)[0], meant)


@pytest.mark.parametrize(
    "scales",
    [(1.0, 16.5), (17.0,), (1.0, 16.0, 1.0), (np.inf,), (np.nan, 1.0), (17 * TINY,), (8.0, 0.5)],
)
def test_scales_that_do_not_agree_are_refused(scales: tuple[float, ...]) -> None:
    for in_place in (False, True):
        with pytest.raises(EngineError, match="agree in spans"):
            KERNELS.Packed("q4_0", _halves(*scales), 1, 32 * len(scales), in_place, True)
    with pytest.raises(EngineError, match="agree in spans"):
        KERNELS.Packed("q8_0", np.arange(68, dtype=np.uint8), 1, 64, False, True)


def test_only_quantised_weights_are_multiplied_by_rounded_rows() -> None:
    w, _ = _pack("f32", _floats(16, 32))
    for isa in ISAS:
        with pytest.raises(EngineError, match="only some instruction sets round rows"):
            KERNELS.product(isa, w, _floats(2, 32), None, None, True)


@pytest.mark.parametrize("block", ["q4_k", "q5_k", "q6_k", "iq4_nl", "q5_0"])
@pytest.mark.parametrize("n", [1, 3, 21])
def test_products_of_the_other_types_equal_numpy(block: str, n: int) -> None:
    kind = gguf.GGMLQuantizationType[block.upper()]
    columns, size = gguf.GGML_QUANT_SIZES[kind]
    rng = np.random.default_rng(n)
    raw = rng.integers(0, 256, (19, 1024 // columns, size), dtype=np.uint8)
    for at in [size - 2] if block == "q6_k" else [0, 2] if block in ("q4_k", "q5_k") else [0]:
        raw[..., at : at + 2] = rng.uniform(0.01, 1, (*raw.shape[:2], 1)).astype(np.float16).view(np.uint8)
    meant = gguf.dequantize(raw.reshape(19, -1), kind).reshape(19, 1024).astype(np.float64)
    x = _floats(n, 1024, seed=n)
    packed, in_place = (KERNELS.Packed(block, raw.reshape(-1), 19, 1024, place) for place in (False, True))
    y = _everywhere(lambda isa: KERNELS.product(isa, packed, x))
    assert _everywhere(lambda isa: KERNELS.product(isa, in_place, x)).tobytes() == y.tobytes()
    seen = _rounded(x)
    size_of_sums = np.abs(seen) @ np.abs(meant.T)
    if block.endswith("_k"):  # their scales and minimums are rounded to f16; a weight is a difference of the two
        size_of_sums = size_of_sums * 2**11 + 2**11 * np.abs(seen).sum(1, keepdims=True) * np.abs(meant).max()
    assert np.all(np.abs(y - seen @ meant.T) <= 2**-23 * 1028 * size_of_sums)


@pytest.mark.parametrize("block", ["f32", "f16"])
def test_float_products_of_every_width(block: str) -> None:
    for cols in range(1, 258):
        w, meant = _pack(block, _floats(1 + cols % 35, cols, seed=cols))
        x = _floats(1 + cols % 8, cols, seed=cols + 1)
        y = _everywhere(lambda isa, w=w, x=x: KERNELS.product(isa, w, x))
        np.testing.assert_allclose(y, x.astype(np.float64) @ meant.T, rtol=0, atol=2e-5 * np.sqrt(cols))


@pytest.mark.parametrize("block", TYPES)
def test_products_of_every_height(block: str) -> None:
    x = _floats(5, 32)
    for rows in range(1, 258):
        w, _ = _pack(block, _floats(rows, 32, seed=rows))
        y = _everywhere(lambda isa, w=w: KERNELS.product(isa, w, x))
        for t in range(5):  # the tile must not matter
            alone = KERNELS.product(ISAS[rows % len(ISAS)], w, x[t : t + 1])
            assert alone.tobytes() == y[t].tobytes()


@pytest.mark.parametrize("block", TYPES)
def test_bias_and_sum(block: str) -> None:
    w, _ = _pack(block, _floats(37, 64))
    x, bias, held = _floats(9, 64), _floats(37, seed=1), _floats(9, 37, seed=2)
    plain = KERNELS.product("ref", w, x)
    with_bias = _everywhere(lambda isa: KERNELS.product(isa, w, x, bias))
    np.testing.assert_array_equal(with_bias, plain + bias)
    np.testing.assert_array_equal(_everywhere(lambda isa: KERNELS.product(isa, w, x, bias, held)), held + with_bias)


@pytest.mark.parametrize("block", ["q8_0", "q4_0"])
def test_extreme_codes_do_not_saturate(block: str) -> None:
    """The largest codes against the largest activations: 16-bit sums would overflow."""
    size = 34 if block == "q8_0" else 18
    for fill in (0x80, 0x7F, 0x00, 0xFF, 0x81):
        raw = np.full((16, 2, size), fill, np.uint8)
        raw[:, :, :2] = np.frombuffer(np.float16(1).tobytes(), np.uint8)
        meant = gguf.dequantize(raw.reshape(16, -1), TYPES[block]).reshape(16, 64)
        w = KERNELS.Packed(block, raw.reshape(-1), 16, 64)
        for sign in (1, -1):
            x = np.full((3, 64), sign * 127, np.float32)
            y = _everywhere(lambda isa, w=w, x=x: KERNELS.product(isa, w, x))
            np.testing.assert_array_equal(y, x @ meant.T)


@pytest.mark.parametrize("block", TYPES)
def test_rows_read_back_exactly(block: str) -> None:
    w, meant = _pack(block, _floats(35, 64))
    for row in (0, 15, 16, 34):
        np.testing.assert_array_equal(w.read_row(row)[0], meant[row])


def test_quantize_rounds_to_nearest_even() -> None:
    x = np.zeros(96, np.float32)
    x[:6] = [127, 0.5, 1.5, 2.5, -0.5, -1.5]
    x[64] = 1e-38  # too small for a scale: a block of zeros
    codes, scales, _, _ = KERNELS.quantize("ref", x)
    assert codes[:6] == [127, 0, 2, 2, 0, -2]
    assert scales == [1.0, 0.0, 0.0]
    assert not any(codes[6:])
    for size in range(32, 257, 32):
        values = _floats(size, seed=size) * np.float32(10.0 ** (size % 7 - 3))
        results = [KERNELS.quantize(isa, values) for isa in ISAS]
        assert all(result == results[0] for result in results)
        codes, scales, _, _ = results[0]
        error = np.abs(values - np.array(codes) * np.repeat(scales, 32))
        assert np.all(error <= np.repeat(scales, 32) * 0.5001)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_the_result(bad: float) -> None:
    w, _ = _pack("q8_0", _floats(16, 64))
    x = _floats(2, 64)
    x[1, 40] = bad
    for isa in ISAS:
        y = KERNELS.product(isa, w, x)
        assert np.all(np.isfinite(y[0])) and np.all(np.isnan(y[1]))


REFERENCES = {
    "exp": np.exp,
    "tanh": np.tanh,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_functions_are_accurate(name: str) -> None:
    x = np.concatenate([np.linspace(-86, 88, 50_001), np.linspace(-5, 5, 50_001), [0.0, -0.0, 1e-30]]).astype(
        np.float32
    )
    y = _everywhere(lambda isa: KERNELS.map(isa, name, x))[0].astype(np.float64)
    expected = REFERENCES[name](x.astype(np.float64))
    tolerance = 2.5e-7 * np.abs(expected)
    if name == "gelu":  # the tail below -5.66 is 0
        tolerance = tolerance + 1e-7 * np.abs(x)
    if name == "gelu_tanh":  # 1 + tanh cancels below 0: absolute there, as in every float32 implementation
        tolerance = tolerance + 4e-7 * np.abs(x)
    assert np.all(np.abs(y - expected) <= tolerance + 1e-37)


@pytest.mark.parametrize("name", [*REFERENCES, "half", "softmax"])
def test_functions_of_every_length_agree(name: str) -> None:
    for size in range(1, 258):
        x = _floats(size, seed=size) * 4
        y = _everywhere(lambda isa, x=x: KERNELS.map(isa, name, x))
        if name in REFERENCES:  # a tail is computed as the middle is
            assert KERNELS.map("ref", name, x[-1:])[0, 0] == y[0, -1]


def test_functions_at_the_edges() -> None:
    edges = np.array([np.inf, -np.inf, np.nan, 89, -104, 3e38, -3e38], np.float32)
    expected = {
        "exp": [np.inf, 0, np.nan, np.inf, 0, np.inf, 0],
        "tanh": [1, -1, np.nan, 1, -1, 1, -1],
        "relu": [np.inf, 0, np.nan, 89, 0, 3e38, 0],
        "gelu": [np.inf, np.nan, np.nan, 89, 0, 3e38, 0],
    }
    for name, values in expected.items():
        y = _everywhere(lambda isa, name=name: KERNELS.map(isa, name, edges))
        np.testing.assert_array_equal(y[0], np.array(values, np.float32))


def test_half_saturates_and_rounds_as_numpy() -> None:
    x = np.concatenate(
        [_floats(1000) * s for s in (1e-8, 1e-6, 1e-4, 1, 1e3, 1e5)] + [np.float32([65519, 65520, -1e9, 0])]
    )
    y = _everywhere(lambda isa: KERNELS.map(isa, "half", x))[0]
    np.testing.assert_array_equal(y, np.clip(x, -65504, 65504).astype(np.float16).astype(np.float32))


def test_softmax_equals_numpy() -> None:
    for size in (1, 15, 16, 17, 200):
        x = _floats(size, seed=size) * 6
        y = _everywhere(lambda isa, x=x: KERNELS.map(isa, "softmax", x))[0]
        expected = np.exp(x.astype(np.float64) - x.max())
        np.testing.assert_allclose(y, expected / expected.sum(), rtol=2e-6)


def test_norms_equal_numpy() -> None:
    for size in range(1, 258):
        x, weight, bias = _floats(size, seed=size) + 3, _floats(size, seed=1), _floats(size, seed=2)
        d = x.astype(np.float64)
        rms = _everywhere(lambda isa, x=x, w=weight: KERNELS.norm(isa, x, w, None, 1e-5))
        np.testing.assert_allclose(rms[0], d / np.sqrt((d**2).mean() + 1e-5) * weight, rtol=2e-6, atol=1e-7)
        layer = _everywhere(lambda isa, x=x, w=weight, b=bias: KERNELS.norm(isa, x, w, b, 1e-5))
        np.testing.assert_allclose(
            layer[0], (d - d.mean()) / np.sqrt(d.var() + 1e-5) * weight + bias, rtol=2e-5, atol=2e-5
        )


@pytest.mark.parametrize("pairs", [False, True])
def test_rotation_equals_complex_numbers(pairs: bool) -> None:
    for half in (1, 5, 16, 64):
        x, angle = _floats(2 * half), _floats(half, seed=1)
        y = _everywhere(lambda isa, x=x, a=angle: KERNELS.rotate(isa, x, np.cos(a), np.sin(a), pairs))[0]
        first, second = (x[::2], x[1::2]) if pairs else (x[:half], x[half:])
        turned = (first + 1j * second) * np.exp(1j * angle.astype(np.float64))
        found = y[::2] + 1j * y[1::2] if pairs else y[:half] + 1j * y[half:]
        np.testing.assert_allclose(found, turned, rtol=0, atol=1e-6)


def test_unknown_instruction_set_is_refused() -> None:
    with pytest.raises(EngineError, match="Got sse9: unknown name"):
        KERNELS.map("sse9", "exp", _floats(1))
