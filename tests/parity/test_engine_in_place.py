"""A model whose weights stay in the file answers with the same bits, and takes less memory."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from tests.parity.family_packages import FAMILIES, TYPES, encode, type_of, write_family
from tests.parity.tiny_packages import decoder_spec, encoder_spec, finish, random_tensors, write_own

from smallwright.errors import EngineError
from smallwright.run import Package, load
from smallwright.spec import AttentionSpec, EmbeddingSpec, FeedForwardSpec, LayerSpec
from smallwright.spec.tensors import list_tensors

ROOT = Path(__file__).resolve().parents[2]
LENGTHS = (1, 5, 17, 33)


def _texts(vocabulary: int) -> list[list[int]]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, vocabulary, length).tolist() for length in LENGTHS]


def write_encoder(path: Path, name: str) -> None:
    """A classifier whose matrices have 256 columns: room for a block of every type."""
    layer = LayerSpec(AttentionSpec(4, 4, 64, bias=True, output_bias=True), FeedForwardSpec(256, "gelu", True, "plain"))
    spec = encoder_spec(width=256, layers=(layer,))
    writer = gguf.GGUFWriter(str(path), "smallwright")
    writer.add_string("smallwright.model", spec.to_json())
    tensors, rng = random_tensors(spec), np.random.default_rng(5)
    for tensor in list_tensors(spec):
        values = tensors[tensor.name]
        if tensor.matrix:
            writer.add_tensor(tensor.package_name, encode(values, name, rng)[0], raw_dtype=type_of(name))
        else:
            writer.add_tensor(tensor.package_name, values)
    finish(writer)


def _both(path: Path, threads: int) -> tuple[Package, Package]:
    packed, in_place = load(path, threads), load(path, threads, in_place=True)
    assert packed.description["packed_bytes"] > 0
    assert in_place.description.pop("packed_bytes") == 0
    assert {key: packed.description[key] for key in in_place.description} == in_place.description
    return packed, in_place


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", TYPES)
def test_classes_have_the_same_bits(tmp_path: Path, name: str, threads: int) -> None:
    write_encoder(tmp_path / "model.gguf", name)
    packed, in_place = _both(tmp_path / "model.gguf", threads)
    texts = _texts(90)
    expected = packed.classify_tokens(texts)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(in_place.classify_tokens(texts), expected)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", TYPES)
def test_next_tokens_have_the_same_bits(tmp_path: Path, name: str, tied: bool) -> None:
    """Tied, the rows of the head are read as token rows too: both must mean the same numbers."""
    write_family(tmp_path / "model.gguf", replace(FAMILIES["qwen3"], layers=2, tied=tied), {"": name})
    packed, in_place = _both(tmp_path / "model.gguf", 2)
    for text in _texts(packed.vocabulary):
        expected = packed.logits(text)
        assert np.isfinite(expected).all()
        np.testing.assert_array_equal(in_place.logits(text), expected)
    assert in_place.generate("hello", 8, temperature=1.0) == packed.generate("hello", 8, temperature=1.0)


@pytest.mark.parametrize("isa", ["ref", "avx2", "avx512", "amx", "neon"])
def test_every_set_of_kernels_works_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isa: str) -> None:
    write_own(tmp_path / "model.gguf", decoder_spec(), "q4_0")
    texts = _texts(101)
    with load(tmp_path / "model.gguf", 1) as package:
        expected = [package.logits(text) for text in texts]
    monkeypatch.setenv("SMALLWRIGHT_ISA", isa)
    try:
        package = load(tmp_path / "model.gguf", 2, in_place=True)
    except EngineError:
        pytest.skip("this machine has no such kernels")
    for text, logits in zip(texts, expected, strict=True):
        np.testing.assert_array_equal(package.logits(text), logits)


_CHILD = """
import sys
from tests.engine_under_test import use_engine_under_test
use_engine_under_test()
from smallwright.run import load
package = load(sys.argv[1], threads=1, in_place=sys.argv[2] == "in place")
status = open("/proc/self/status").read().split()
print(int(status[status.index("VmRSS:") + 1]) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process its memory there")
def test_less_memory_is_taken(tmp_path: Path) -> None:
    layer = LayerSpec(AttentionSpec(8, 8, 64), FeedForwardSpec(2048))
    spec = decoder_spec(width=512, embedding=EmbeddingSpec(vocabulary=2000), layers=(layer,) * 4)
    path = tmp_path / "model.gguf"
    write_own(path, spec, "q8_0")
    taken = {}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    for mode in ("packed", "in place"):
        command = [sys.executable, "-c", _CHILD, str(path), mode]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        taken[mode] = int(done.stdout)
    with load(path, 1) as package:
        packed_bytes = package.description["packed_bytes"]
    assert packed_bytes > 15e6
    assert taken["packed"] - taken["in place"] > 0.7 * packed_bytes, taken


def test_in_place_is_yes_or_no(tmp_path: Path) -> None:
    write_own(tmp_path / "model.gguf", decoder_spec())
    with pytest.raises(EngineError, match=r"in_place must be True or False\. Got 2"):
        load(tmp_path / "model.gguf", in_place=2)  # type: ignore[arg-type]
