"""Scales that agree in spans: ordinary blocks, no worse than GGML's own, whole multiples, fewer bytes in the engine."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from tests.unit.test_package import decoder, write

from smallwright import run
from smallwright.compress.quantize import dequantize, quantize
from smallwright.errors import EngineError, ModelSpecError, PackageError
from smallwright.spec.formats import FORMATS, MOST_SHARES, SCALE_SPAN

KINDS = {name: gguf.GGMLQuantizationType(FORMATS[name].ggml_type) for name in ("q8_0", "q4_0")}


def _matrix(columns: int, seed: int = 0) -> np.ndarray:
    """Rows of all sizes, a row of zeros, a row whose scales vanish in half precision, a row of two sizes."""
    generator = np.random.default_rng(seed)
    array = generator.standard_normal((12, columns)) * 10.0 ** generator.integers(-3, 3, (12, 1))
    array[1] = 0
    array[2] = generator.standard_normal(columns) * 1e-8
    array[3, : columns // 2] *= 1e-3
    array[4] = np.abs(array[4])
    return array.astype(np.float32)


def _error(format: str, array: np.ndarray, span: int) -> float:
    stored = quantize(array, format, span=span)
    return float(np.square(dequantize(stored, format, array.shape[-1]) - array).mean())


def _scales(stored: np.ndarray, format: str) -> np.ndarray:
    """(R, blocks) of stored rows."""
    blocks = stored.reshape(len(stored), -1, FORMATS[format].block_bytes)
    return np.ascontiguousarray(blocks[:, :, :2]).view("<f2")[..., 0].astype(np.float64)


@pytest.mark.parametrize("format", KINDS)
@pytest.mark.parametrize("columns", [32, 96, 128, 288, 1024])
def test_any_reader_of_the_container_sees_the_same_weights(format: str, columns: int) -> None:
    array = _matrix(columns)
    stored = quantize(array, format, span=SCALE_SPAN)
    assert stored.shape == (12, FORMATS[format].row_bytes(columns))
    theirs = gguf.quants.dequantize(stored, KINDS[format]).reshape(array.shape)
    np.testing.assert_array_equal(dequantize(stored, format, columns), theirs)
    steps = 127 if format == "q8_0" else 5  # 4 bits may clip the largest value where that makes the others better
    blocks = np.pad(array, ((0, 0), (0, -columns % SCALE_SPAN))).reshape(12, -1, SCALE_SPAN)
    largest = np.repeat(np.abs(blocks).max(axis=-1), SCALE_SPAN, axis=-1)[:, :columns]
    np.testing.assert_array_less(np.abs(theirs - array), largest / steps * 1.01 + 127 * 2.0**-25)


@pytest.mark.parametrize("columns", [96, 1024])
def test_scales_of_a_span_agree(columns: int) -> None:
    array = _matrix(columns)
    eight, four = (_scales(quantize(array, name, span=SCALE_SPAN), name) for name in ("q8_0", "q4_0"))
    for begin in range(0, columns // 32, SCALE_SPAN // 32):
        span = slice(begin, begin + SCALE_SPAN // 32)
        assert (eight[:, span] == eight[:, begin : begin + 1]).all()
        largest = np.abs(four[:, span]).max(axis=1)
        unit = np.ldexp(1.0, np.frexp(largest)[1] - 4).clip(2.0**-24)  # 8 to 15 units are the largest
        shares = four[:, span] / unit[:, None]
        np.testing.assert_array_equal(shares, np.rint(shares))
        assert np.abs(shares).max() <= MOST_SHARES


def test_four_bits_lose_no_more_than_ggml_s_rounding() -> None:
    for seed in range(3):
        normal = np.random.default_rng(seed).standard_normal((64, 512)).astype(np.float32)
        assert _error("q4_0", normal, SCALE_SPAN) < _error("q4_0", normal, 0)
        heavy = np.random.default_rng(seed).standard_t(4, (64, 512)).astype(np.float32)
        assert _error("q4_0", heavy, SCALE_SPAN) < _error("q4_0", heavy, 0)


def test_the_same_weights_round_to_the_same_bytes_in_any_shape() -> None:
    array = _matrix(256)
    whole = quantize(array, "q4_0", span=SCALE_SPAN)
    for row in range(len(array)):
        np.testing.assert_array_equal(quantize(array[row], "q4_0", span=SCALE_SPAN), whole[row])


def test_a_scale_beyond_half_precision_is_refused() -> None:
    array = np.full((2, 128), 6e5, np.float32)
    with pytest.raises(ModelSpecError, match=r"scales of at most 65504\. Got 75000\.0 in w\."):
        quantize(array, "q4_0", span=SCALE_SPAN, name="w")


@pytest.mark.parametrize("in_place", [False, True])
def test_the_engine_reads_fewer_bytes_for_the_same_answers(tmp_path: Path, in_place: bool) -> None:
    """Switched off in the file, the engine reads a scale for every block again."""
    spec = decoder(width=256)
    found = {}
    for span in (0, SCALE_SPAN):
        info = write(tmp_path / f"{span}.gguf", spec, "gpt2", "q4_0", scale_span=span)
        with run.load(info.path, threads=1, in_place=in_place) as package:
            logits = np.asarray(package.logits([1, 2, 3, 4, 5]))
            found[span] = logits, package.counters()["weight_bytes_read"]
    assert found[SCALE_SPAN][1] < found[0][1]
    centred = [logits - logits.mean() for logits, _ in found.values()]
    assert np.linalg.norm(centred[0] - centred[1]) < 0.5 * np.linalg.norm(centred[0])


def _patch(path: Path, change: bytes, to: bytes) -> None:
    data = path.read_bytes()
    assert data.count(change) == 1
    path.write_bytes(data.replace(change, to))


@pytest.mark.parametrize("in_place", [False, True])
def test_a_file_that_claims_what_is_not_so_is_refused(tmp_path: Path, in_place: bool) -> None:
    key = b"smallwright.scale_span\x04\x00\x00\x00"
    info = write(tmp_path / "x.gguf", decoder(), "gpt2", "q4_0")
    _patch(info.path, key + (128).to_bytes(4, "little"), key + (64).to_bytes(4, "little"))
    with pytest.raises((EngineError, PackageError), match=r"smallwright\.scale_span must be 128\. Got 64\."):
        run.load(info.path, in_place=in_place)
    info = write(tmp_path / "y.gguf", decoder(), "gpt2", "q4_0")
    tensor = next(tensor for tensor in gguf.GGUFReader(info.path).tensors if tensor.name == "blk.0.attn_q.weight")
    with info.path.open("r+b") as file:
        file.seek(int(tensor.data_offset))
        file.write(np.array([np.pi], "<f2").tobytes())
    with pytest.raises((EngineError, PackageError), match=r"smallwright\.scale_span .* blk\.0\.attn_q\.weight"):
        run.load(info.path, in_place=in_place)
