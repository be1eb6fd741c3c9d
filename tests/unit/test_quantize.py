"""Rounding to the container's blocks: equal to the gguf package, refusals that name the place."""

from __future__ import annotations

import gguf
import numpy as np
import pytest

from smallwright.compress.quantize import dequantize, plan_formats, quantize
from smallwright.errors import ModelSpecError
from smallwright.spec.formats import BLOCK_FORMATS
from smallwright.spec.model import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec
from smallwright.spec.tensors import list_tensors


def _spec(width: int = 64, **heads: HeadSpec) -> ModelSpec:
    layer = LayerSpec(AttentionSpec(heads=2, key_value_heads=1, head_width=32, bias=True), FeedForwardSpec(width=96))
    return ModelSpec(width, 16, True, EmbeddingSpec(40), (layer,), heads or {"lm": HeadSpec("language_model")})


def _matrix(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    array = generator.standard_normal((7, 96)).astype(np.float32) * np.float32(10.0) ** generator.integers(
        -6, 4, (7, 1)
    )
    array[1] = 0
    array[2, :32] = 1e-9  # the scale vanishes in half precision
    array[3, 5] = array[3, 6] = 7.5  # equal magnitudes: the first one sets the sign
    array[3, 7] = -7.5
    array[4, :4] = [0.5, -0.5, 1.5, -1.5]
    return array.astype(np.float32)


@pytest.mark.parametrize("name", BLOCK_FORMATS)
@pytest.mark.parametrize("seed", range(5))
def test_equals_the_gguf_package(name: str, seed: int) -> None:
    array = _matrix(seed)
    kind = gguf.GGMLQuantizationType(BLOCK_FORMATS[name].ggml_type)
    theirs = gguf.quants.quantize(array, kind).view(np.uint8)
    ours = quantize(array, name)
    assert ours.shape == (7, BLOCK_FORMATS[name].row_bytes(96))
    np.testing.assert_array_equal(ours, theirs)
    again = gguf.quants.dequantize(theirs, kind)
    assert dequantize(ours, name, 96).tobytes() == np.ascontiguousarray(again).tobytes()


@pytest.mark.parametrize("name", ["q8_0", "q5_0", "q4_0"])
def test_every_stored_byte_means_what_gguf_says(name: str) -> None:
    generator = np.random.default_rng(3)
    rows = generator.integers(0, 256, (50, BLOCK_FORMATS[name].block_bytes * 3), dtype=np.uint8)
    scales = generator.standard_normal((50, 3)).astype("<f2").view(np.uint8).reshape(50, 3, 2)
    rows.reshape(50, 3, -1)[:, :, :2] = scales
    theirs = gguf.quants.dequantize(rows, gguf.GGMLQuantizationType(BLOCK_FORMATS[name].ggml_type))
    assert dequantize(rows, name, 96).tobytes() == np.ascontiguousarray(theirs).tobytes()


@pytest.mark.parametrize(("name", "steps"), [("q8_0", 127), ("q5_0", 16), ("q4_0", 8)])
def test_error_is_within_one_step(name: str, steps: int) -> None:
    array = np.random.default_rng(0).standard_normal((20, 64)).astype(np.float32)
    error = np.abs(dequantize(quantize(array, name), name, 64) - array).reshape(20, 2, 32).max(axis=-1)
    largest = np.abs(array).reshape(20, 2, 32).max(axis=-1)
    # half a step of rounding (a whole one at q4_0's clipped end), and half precision's 2^-11 of the scale
    bound = largest / steps * (0.5 if name == "q8_0" else 1.0) + largest * 2.0**-11
    assert (error <= bound).all()


def test_denormal_blocks_round_to_zero() -> None:
    array = np.full((1, 32), 1e-42, dtype=np.float32)
    for name in ("q8_0", "q4_0"):
        assert not dequantize(quantize(array, name), name, 32).any()


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_refuses_what_is_not_finite(value: float, shown: str) -> None:
    array = np.ones((3, 32), dtype=np.float32)
    array[2, 4] = value
    with pytest.raises(ModelSpecError, match=rf"Got {shown} in layers\.0\.mixer\.q\.weight at \[2, 4\]"):
        quantize(array, "q8_0", name="layers.0.mixer.q.weight")


def test_refuses_scales_beyond_half_precision() -> None:
    array = np.ones((1, 32), dtype=np.float32)
    array[0, 3] = 7e4
    with pytest.raises(ModelSpecError, match=r"at most 65504. Got 70000.0 in w at \[0, 3\]. Use f32."):
        quantize(array, "f16", name="w")
    assert dequantize(quantize(array, "q8_0"), "q8_0", 32)[0, 3] == pytest.approx(7e4, rel=1e-3)
    array[0, 3] = 65504.0 * 9
    with pytest.raises(ModelSpecError, match="half precision"):
        quantize(array, "q4_0", name="w")


def test_plan_keeps_vectors_in_f32_and_a_classifier_gentle() -> None:
    head = HeadSpec("classifier", pooling="mean", labels=("a", "b"))
    spec = _spec(intent=head)
    plan = plan_formats(spec, "q4_0")
    assert list(plan) == [tensor.name for tensor in list_tensors(spec)]
    for tensor in list_tensors(spec):
        if not tensor.matrix:
            assert plan[tensor.name] == "f32"
    assert plan["heads.intent.output.weight"] == "q8_0"
    assert plan["embedding.tokens.weight"] == plan["layers.0.mixer.q.weight"] == "q4_0"
    chosen = plan_formats(spec, "q4_0", embedding="q8_0", head="f16")
    assert (chosen["embedding.tokens.weight"], chosen["heads.intent.output.weight"]) == ("q8_0", "f16")
    assert plan_formats(_spec(), "q4_0")["heads.lm.output.weight"] == "q4_0"


def test_plan_refuses_widths_that_do_not_divide() -> None:
    layer = LayerSpec(AttentionSpec(heads=2, key_value_heads=1, head_width=32), FeedForwardSpec(width=100))
    spec = ModelSpec(64, 16, True, EmbeddingSpec(40), (layer,), {"lm": HeadSpec("language_model", tied=True)})
    message = r"multiple of 32 wide. Got 100 in layers.0.feedforward.down.weight. Use a width of 128, or f16."
    with pytest.raises(ModelSpecError, match=message):
        plan_formats(spec, "q8_0")
    assert plan_formats(spec, "f16")["layers.0.feedforward.down.weight"] == "f16"


def test_refuses_unknown_formats() -> None:
    with pytest.raises(
        ModelSpecError, match=r"must be one of f32, f16, q8_0, q5_0, q4_0, q3_span, q2_span, q4_sparse. Got 'q5_k'"
    ):
        plan_formats(_spec(), "q5_k")
