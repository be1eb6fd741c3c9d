"""Weights in planes: the engine's bits are those of q8_0 blocks with the same codes, and it reads fewer bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.unit.test_package import decoder, encoder, random_tensors, write

from smallwright.compress.blocks import pack_blocks
from smallwright.compress.quantize import plan_formats, quantize
from smallwright.compress.span_rows import decode_spans, unpack_spans
from smallwright.errors import EngineError, PackageError
from smallwright.package.read import read_info
from smallwright.run import load
from smallwright.run.prepare import prepare
from smallwright.spec import FeedForwardSpec, ModelSpec
from smallwright.spec.formats import PLANE_FORMATS
from smallwright.spec.tensors import list_tensors

ISAS = ("ref", "avx2", "avx512", "amx", "neon", "neon_i8mm")
LENGTHS = (1, 2, 3, 7, 20)


def widened(spec: ModelSpec) -> ModelSpec:
    """Rows of a span and a half, of an odd number of blocks, and panels with rows missing."""
    layers = tuple(replace(layer, feedforward=replace(layer.feedforward, width=416)) for layer in spec.layers)
    return replace(spec, width=192, layers=layers)


def sparse_tensors(spec: ModelSpec, dropped: float) -> dict[str, np.ndarray]:
    """Random weights of which a share is 0; of one row all, of one none."""
    tensors, random = random_tensors(spec), np.random.default_rng(1)
    for tensor in list_tensors(spec):
        if tensor.matrix:
            zero = random.random(tensor.shape) < dropped
            zero[0], zero[1] = True, False
            tensors[tensor.name][zero] = 0
    return tensors


def as_bytes(rows: np.ndarray, format: str, columns: int) -> np.ndarray:
    """q8_0 blocks with the same codes and scales, which are the same weights to any reader."""
    codes, scales, _ = unpack_spans(format, rows, columns)
    of_block = np.repeat(scales, 4, axis=1)[:, : columns // 32, None]
    return pack_blocks("q8_0", codes.reshape(len(codes), -1, 32), of_block).reshape(len(codes), -1)


def all_matrices(spec: ModelSpec, format: str) -> dict[str, str]:
    """One format for every matrix, tables and heads too, which a plan would keep dense or finer."""
    return {tensor.name: format if tensor.matrix else "f32" for tensor in list_tensors(spec)}


def write_both(folder: Path, spec: ModelSpec, kind: str, format: str, dropped: float = 0.5) -> tuple[Path, Path]:
    """A package in planes, and one in q8_0 with the same codes."""
    tensors = sparse_tensors(spec, dropped) if format == "q4_sparse" else random_tensors(spec)
    formats = all_matrices(spec, format)
    coded = {tensor.name: quantize(tensors[tensor.name], format) for tensor in list_tensors(spec) if tensor.matrix}
    planes = write(folder / "planes.gguf", spec, kind, tensors=tensors, formats=formats, rows=coded).path
    widths = {tensor.name: tensor.shape[-1] for tensor in list_tensors(spec) if tensor.matrix}
    eight = {name: as_bytes(coded[name], format, columns) for name, columns in widths.items()}
    plain = all_matrices(spec, "q8_0")
    return planes, write(folder / "bytes.gguf", spec, kind, tensors=tensors, formats=plain, rows=eight).path


def answers(path: Path, threads: int = 1, **options: Any) -> list[np.ndarray]:
    """Logits of texts of several lengths, alone and together."""
    with load(path, threads, **options) as package:
        rng = np.random.default_rng(3)
        texts = [rng.integers(0, 430, length).tolist() for length in LENGTHS]
        if package.labels:
            return [package.classify_tokens(texts), *(package.classify_tokens([text]) for text in texts)]
        return [package.logits(text) for text in texts]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("format", PLANE_FORMATS)
def test_a_decoder_has_the_bits_of_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, isa: str
) -> None:
    monkeypatch.setenv("SMALLWRIGHT_ISA", isa)
    planes, plain = write_both(tmp_path, widened(decoder()), "gpt2", format)
    try:
        expected = answers(plain)
    except EngineError as error:
        pytest.skip(f"{isa} does not run here: {error.kind}")
    for found in (answers(planes), answers(planes, 3), answers(planes, in_place=True)):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("format", PLANE_FORMATS)
def test_an_encoder_too(tmp_path: Path, format: str) -> None:
    planes, plain = write_both(tmp_path, widened(encoder()), "bert_uncased", format)
    for one, other in zip(answers(planes, 2), answers(plain), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("format", PLANE_FORMATS)
def test_tiles_beside_a_package(tmp_path: Path, format: str) -> None:
    planes, _ = write_both(tmp_path, widened(decoder()), "gpt2", format)
    expected = answers(planes)
    prepare(planes)
    with load(planes, 1) as mapped:
        assert mapped.description["tiles"] is True
    for one, other in zip(answers(planes), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dropped", [0.0, 0.3, 0.9, 1.0])
def test_any_share_of_dropped_weights(tmp_path: Path, dropped: float) -> None:
    planes, plain = write_both(tmp_path, widened(decoder()), "gpt2", "q4_sparse", dropped)
    for one, other in zip(answers(planes), answers(plain), strict=True):
        np.testing.assert_array_equal(one, other)


def read_bytes(path: Path) -> tuple[int, int]:
    """Bytes of weights in memory, and those that a token reads."""
    with load(path, 1) as package:
        package.logits([1, 2, 3])
        assert set(package.description["tensor_types"]) == {
            "f32",
            path.parent.name if path.stem == "planes" else "q8_0",
        }
        before = package.counters()["weight_bytes_read"]
        package.logits([1])
        return package.description["packed_bytes"], package.counters()["weight_bytes_read"] - before


def test_the_counters_confirm_the_saving(tmp_path: Path) -> None:
    spec = replace(widened(decoder()), width=256)
    spec = replace(spec, layers=tuple(replace(x, feedforward=FeedForwardSpec(512)) for x in spec.layers))
    weights = sum(int(np.prod(tensor.shape)) for tensor in list_tensors(spec) if tensor.matrix)
    bits = {"q3_span": 3.125, "q2_span": 2.125, "q4_sparse": 1.125 + 4 * 0.5}
    for format, expected in bits.items():
        folder = tmp_path / format
        folder.mkdir()
        planes, plain = write_both(folder, spec, "gpt2", format)
        memory, read = read_bytes(planes)
        assert read == memory == pytest.approx(weights * expected / 8, rel=0.08)  # sparse runs lie in pairs
        assert read < 0.45 * read_bytes(plain)[1]
        assert planes.stat().st_size < plain.stat().st_size - 0.5 * weights
        info = read_info(planes)
        assert info["parameters"] == read_info(plain)["parameters"]
        assert info["bytes_by_format"][format] == pytest.approx(weights * expected / 8, rel=0.04)


def test_a_row_means_what_its_planes_say(tmp_path: Path) -> None:
    """The table of a classifier is read from the file, not multiplied: here against NumPy, by token rows."""
    spec = widened(encoder())
    for format in PLANE_FORMATS:
        tensors = sparse_tensors(spec, 0.5) if format == "q4_sparse" else random_tensors(spec)
        rows = quantize(tensors["embedding.tokens.weight"], format)
        meant = decode_spans(format, rows, spec.width)
        plain = {**plan_formats(spec, "f32"), "embedding.tokens.weight": format}
        coded = write(tmp_path / "a.gguf", spec, "bert_uncased", tensors=tensors, formats=plain)
        exact = {**tensors, "embedding.tokens.weight": meant}
        floats = write(tmp_path / "b.gguf", spec, "bert_uncased", tensors=exact, formats=plan_formats(spec, "f32"))
        for one, other in zip(answers(coded.path), answers(floats.path), strict=True):
            np.testing.assert_array_equal(one, other)


def _rewrite(path: Path, to: Path, change: dict[str, np.ndarray | None]) -> Path:
    """The same package with some tensors replaced or left out."""
    reader, writer = gguf.GGUFReader(path), gguf.GGUFWriter(str(to), "llama")
    writer.add_custom_alignment(64)
    for key, field in reader.fields.items():
        if not key.startswith(("GGUF.", "general.architecture", "general.alignment")):
            kind = field.types[0]
            if kind == gguf.GGUFValueType.ARRAY:
                writer.add_array(key, field.contents())
            else:
                writer.add_key_value(key, field.contents(), kind)
    for tensor in reader.tensors:
        values = change.get(tensor.name, tensor.data)
        if values is not None:
            raw = tensor.tensor_type if values is tensor.data else None
            writer.add_tensor(tensor.name, values, raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return to


@pytest.mark.parametrize(
    ("format", "plane", "values", "kind"),
    [
        ("q3_span", "scales", None, "missing_tensor"),
        ("q3_span", "scales", np.zeros((192, 4), np.float32), "bad_type"),
        ("q3_span", "scales", np.zeros((192, 3), np.float16), "bad_shape"),
        ("q2_span", "codes", np.zeros((192, 40), np.int8), "bad_shape"),
        ("q4_sparse", "mask", None, "bad_shape"),  # its codes are then neither of 2 nor of 3 bits
        ("q4_sparse", "mask", np.zeros((192, 52), np.int8), "bad_shape"),  # more codes than weights that are kept
        ("q4_sparse", "codes", np.zeros(7, np.int8), "bad_shape"),
    ],
)
def test_planes_that_do_not_belong_together_are_refused(
    tmp_path: Path, format: str, plane: str, values: np.ndarray | None, kind: str
) -> None:
    planes, _ = write_both(tmp_path, widened(decoder()), "gpt2", format)
    name = f"blk.0.ffn_down.weight.{plane}"
    assert name in {tensor.name for tensor in gguf.GGUFReader(planes).tensors}
    broken = _rewrite(planes, tmp_path / "broken.gguf", {name: values})
    with pytest.raises(PackageError) as caught:
        load(broken, 1)
    assert caught.value.kind == kind
    assert "blk.0.ffn_down.weight" in str(caught.value)
    load(_rewrite(planes, tmp_path / "same.gguf", {}), 1).close()
