"""Encoders whose activations are rounded to bf16 instead of 8-bit codes: nearer to float32, and as stable."""

from __future__ import annotations

import ctypes
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.parity.family_packages import TYPES
from tests.parity.test_engine_in_place import write_encoder
from tests.parity.tiny_packages import LABELS, decoder_spec, encoder_spec, torch_reference, write_own

from smallwright.errors import EngineError
from smallwright.run import Package, _engine, load
from smallwright.spec import HeadSpec

ROUNDING = _engine._kernels.rounding()
LENGTHS = (1, 5, 48, 17, 16, 2, 33, 12, 31, 7, 47, 15)
needs_rounding = pytest.mark.skipif(not ROUNDING, reason="this processor multiplies no bf16 (AMX)")


def _texts(vocabulary: int) -> list[list[int]]:
    rng = np.random.default_rng(7)
    return [rng.integers(0, vocabulary, length).tolist() for length in LENGTHS]


def _each_alone(package: Package, texts: list[list[int]]) -> NDArray[np.float32]:
    return np.concatenate([package.classify_tokens([text]) for text in texts])


@needs_rounding
@pytest.mark.parametrize("name", TYPES)
def test_logits_do_not_depend_on_company(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.gguf"
    write_encoder(path, name)
    texts = _texts(90)
    with load(path, threads=1, activation_bits=16) as package:
        expected = _each_alone(package, texts)
    assert np.isfinite(expected).all()
    for threads in (1, 2, 3):
        for in_place in (False, True):
            with load(path, threads=threads, activation_bits=16, in_place=in_place) as package:
                np.testing.assert_array_equal(_each_alone(package, texts), expected)
                np.testing.assert_array_equal(package.classify_tokens(texts), expected)
                np.testing.assert_array_equal(package.classify_tokens(texts[::-1])[::-1], expected)


@needs_rounding
def test_a_causal_classifier_reads_whole_texts_too(tmp_path: Path) -> None:
    head = HeadSpec("classifier", pooling="last", labels=LABELS)
    write_own(tmp_path / "model.gguf", decoder_spec(heads={"intent": head}), "q8_0")
    texts = _texts(90)
    with load(tmp_path / "model.gguf", 2, activation_bits=16) as package, load(tmp_path / "model.gguf", 2) as exact:
        together = package.classify_tokens(texts)
        np.testing.assert_array_equal(_each_alone(package, texts), together)
        difference = together - exact.classify_tokens(texts)
        assert 0 < np.abs(difference).max() < 0.1 * np.abs(together).max()


@needs_rounding
@pytest.mark.parametrize("block", ["q8_0", "q4_0"])
def test_sixteen_bits_are_nearer_to_float32_than_eight(tmp_path: Path, block: str) -> None:
    spec, path = encoder_spec(), tmp_path / "model.gguf"
    reference = torch_reference(spec, write_own(path, spec, block))
    texts = np.random.default_rng(8).integers(0, 97, (20, 24))
    with torch.no_grad():
        expected = reference.classify(torch.from_numpy(texts)).numpy()
    errors = {}
    for bits in (8, 16):
        with load(path, threads=1, activation_bits=bits) as package:
            difference = package.classify_tokens(texts.tolist()) - expected
            errors[bits] = float(np.sqrt((difference**2).mean() / (expected**2).mean()))
    assert errors[16] < 0.02
    assert errors[16] < errors[8] / 1.5, errors


@needs_rounding
def test_float_weights_are_not_rounded(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, encoder_spec(), "f16")
    with load(path, 1) as plain, load(path, 1, activation_bits=16) as rounded:
        np.testing.assert_array_equal(plain.classify_tokens(_texts(90)), rounded.classify_tokens(_texts(90)))


@needs_rounding
def test_what_is_not_a_number_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, encoder_spec(), "q8_0")
    weight = next(tensor for tensor in gguf.GGUFReader(path, "r+").tensors if tensor.name == "blk.0.attn_q.weight")
    weight.data.reshape(-1)[:2] = (0x00, 0x7E)  # the scale of the first block
    weight.data.flush()
    with load(path, 1, activation_bits=16) as package, pytest.raises(EngineError, match="Got NaN"):
        package.classify_tokens(_texts(90))


@needs_rounding
def test_a_model_that_continues_texts_has_no_sixteen_bits(tmp_path: Path) -> None:
    write_own(tmp_path / "model.gguf", decoder_spec(), "q8_0")
    with pytest.raises(EngineError, match="whole texts"):
        load(tmp_path / "model.gguf", activation_bits=16)


@pytest.mark.parametrize("isa", [isa for isa in _engine._kernels.available() if isa not in ROUNDING])
def test_other_processors_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isa: str) -> None:
    write_own(tmp_path / "model.gguf", encoder_spec(), "q8_0")
    monkeypatch.setenv("SMALLWRIGHT_ISA", isa)
    with pytest.raises(EngineError, match="AMX") as refused:
        load(tmp_path / "model.gguf", activation_bits=16)
    assert refused.value.kind == "unsupported_isa"


@pytest.mark.parametrize("bits", [0, 7, 32, "16"])
def test_there_are_eight_or_sixteen(tmp_path: Path, bits: int) -> None:
    write_own(tmp_path / "model.gguf", encoder_spec(), "q8_0")
    with pytest.raises(EngineError, match="activation_bits must be"):
        load(tmp_path / "model.gguf", activation_bits=bits)


class _Options(ctypes.Structure):
    """sw_session_options of smallwright.h."""

    _fields_ = [(name, ctypes.c_int32) for name in ("threads", "kv_bits", "activation_bits")]


def test_the_c_interface_takes_the_same_options(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, decoder_spec(), "q8_0")
    library = ctypes.CDLL(_engine.__file__)
    library.sw_last_error_kind.restype = ctypes.c_char_p
    model, session = ctypes.c_void_p(), ctypes.c_void_p()
    assert library.sw_model_open(str(path).encode(), ctypes.byref(model)) == 0
    for options in (None, _Options(), _Options(2, 16, 8)):
        asked = None if options is None else ctypes.byref(options)
        assert library.sw_session_open_with(model, asked, ctypes.byref(session)) == 0
        library.sw_session_close(session)
    for options in (_Options(0, 0, 16), _Options(0, 7, 0), _Options(-1, 0, 0)):
        assert library.sw_session_open_with(model, ctypes.byref(options), ctypes.byref(session)) == 1
        assert library.sw_last_error_kind() == b"bad_argument"
    library.sw_model_close(model)
