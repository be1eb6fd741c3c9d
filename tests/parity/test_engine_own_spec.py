"""Packages with a ModelSpec: the engine agrees with the torch reference over the weights as the file means them."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.parity.tiny_packages import LABELS, decoder_spec, encoder_spec, torch_reference, write_own

from smallwright.errors import EngineError, PackageError
from smallwright.run import load
from smallwright.spec import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec, NormSpec


def _relu_decoder() -> ModelSpec:
    layers = tuple(
        LayerSpec(
            AttentionSpec(2, 1, 24, bias=True, output_bias=True), FeedForwardSpec(width, "relu", bias=True, kind=kind)
        )
        for width, kind in ((52, "gated"), (33, "plain"), (64, "plain"))
    )
    return decoder_spec(
        width=40,
        embedding=EmbeddingSpec(vocabulary=77, positions=310, norm=True),
        rotary_base=None,
        layers=layers,
        norm=NormSpec("layer", 1e-5, "pre"),
        heads={"text": HeadSpec("language_model", tied=False)},
    )


def _post_norm_decoder() -> ModelSpec:
    return decoder_spec(norm=NormSpec("rms", 1e-6, "post"), rotary_base=500.0)


def _pre_norm_encoder() -> ModelSpec:
    layer = LayerSpec(AttentionSpec(3, 3, 18, qk_norm=True), FeedForwardSpec(70, "silu"))
    return encoder_spec(
        width=36,
        embedding=EmbeddingSpec(vocabulary=97),
        rotary_base=1000.0,
        norm=NormSpec("rms", 1e-5, "pre"),
        layers=(layer, layer, layer),
        heads={"intent": HeadSpec("classifier", pooling="mean", pooler=False, output_bias=False, labels=LABELS)},
    )


def _pair_encoder() -> ModelSpec:
    """What the presets are when a recipe asks for pairs. 61 rows for 97 * 98 pairs: most rows are shared."""
    return replace(
        _pre_norm_encoder(),
        embedding=EmbeddingSpec(vocabulary=97, bigrams=61),
        heads={"intent": HeadSpec("classifier", pooling="mean_before_norm", labels=LABELS)},
    )


def _pair_bert() -> ModelSpec:
    """Pairs beside learned positions and norms behind the layers, in a table with room for most."""
    return encoder_spec(embedding=EmbeddingSpec(97, positions=48, token_types=2, norm=True, bigrams=5000))


DECODERS = {"grouped": decoder_spec, "relu": _relu_decoder, "post": _post_norm_decoder}
ENCODERS = {
    "bert": encoder_spec,
    "pre": _pre_norm_encoder,
    "pairs": _pair_encoder,
    "pairs, post": _pair_bert,
    "last": lambda: encoder_spec(heads={"intent": HeadSpec("classifier", pooling="last", labels=LABELS)}),
}


@pytest.mark.parametrize("block", ["f32", "f16"])
@pytest.mark.parametrize("name", DECODERS)
def test_decoder_logits_equal_torch(tmp_path: Path, name: str, block: str) -> None:
    spec, path = DECODERS[name](), tmp_path / "model.gguf"
    reference = torch_reference(spec, write_own(path, spec, block))
    tokens = np.random.default_rng(5).integers(0, spec.embedding.vocabulary, 120)
    with torch.no_grad():
        expected = reference.logits(torch.from_numpy(tokens)[None])[0].numpy()
    with load(path, threads=1, kv_bits=32) as package:
        logits = package.logits(tokens.tolist())
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize("block", ["f32", "f16"])
@pytest.mark.parametrize("name", ENCODERS)
def test_encoder_logits_equal_torch(tmp_path: Path, name: str, block: str) -> None:
    spec, path = ENCODERS[name](), tmp_path / "model.gguf"
    reference = torch_reference(spec, write_own(path, spec, block))
    rng = np.random.default_rng(6)
    texts = [rng.integers(0, spec.embedding.vocabulary, length).tolist() for length in (1, 3, 16, 17, 48)]
    with load(path, threads=1) as package:
        logits = package.classify_tokens(texts)
    for row, tokens in zip(logits, texts, strict=True):
        with torch.no_grad():
            expected = reference.classify(torch.tensor([tokens]))[0].numpy()
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("block", "error"), [("q8_0", 0.03), ("q4_0", 0.03)])
def test_quantized_logits_are_near_those_of_the_same_weights(tmp_path: Path, block: str, error: float) -> None:
    """The weights are the same; only the activations are rounded to 8 bits."""
    spec, path = encoder_spec(), tmp_path / "model.gguf"
    reference = torch_reference(spec, write_own(path, spec, block))
    texts = np.random.default_rng(8).integers(0, 97, (20, 24))
    with torch.no_grad():
        expected = reference.classify(torch.from_numpy(texts)).numpy()
    with load(path, threads=1) as package:
        logits = package.classify_tokens(texts.tolist())
    assert np.sqrt(np.mean((logits - expected) ** 2)) < error * np.sqrt(np.mean(expected**2))


@pytest.mark.parametrize(("bits", "most"), [(16, 0.002), (8, 0.02)])
def test_smaller_states_are_near_single_precision(tmp_path: Path, bits: int, most: float) -> None:
    """Rounding to f16 is 2^-12 of a number, codes of 8 bits 1/254 of the largest: errors that average over the keys."""
    path = tmp_path / "model.gguf"
    write_own(path, decoder_spec(), "f32")
    tokens = np.random.default_rng(9).integers(0, 101, 60).tolist()
    with load(path, threads=1, kv_bits=bits) as small, load(path, threads=1, kv_bits=32) as single:
        expected = single.logits(tokens)
        difference = small.logits(tokens) - expected
    assert 0 < np.sqrt(np.mean(difference**2)) < most * np.sqrt(np.mean(expected**2))


def test_the_task_names_the_head(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    spec = encoder_spec()
    write_own(path, spec, task='{"kind": "classify", "head": "intent"}')
    with load(path) as package:
        assert package.labels == LABELS
    write_own(path, spec, task='{"kind": "classify", "head": "mood"}')
    with pytest.raises(PackageError, match="must name a head") as caught:
        load(path)
    assert caught.value.kind == "bad_model"


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, encoder_spec())
    with load(path, threads=1) as package:
        cases = [
            (lambda: package.classify_tokens([[]]), "empty_input", "at least one token"),
            (lambda: package.classify_tokens([[1] * 49]), "too_long", "at most 48 tokens"),
            (lambda: package.classify_tokens([[1, 97]]), "bad_token", "from 0 to 96"),
            (lambda: package.logits([1]), "wrong_task", "generates text"),
            (lambda: package.generate("a"), "wrong_task", "generates text"),
            (lambda: package.classify(["a"]), "no_tokenizer", "tokenizer.ggml.model"),
        ]
        for call, kind, words in cases:
            with pytest.raises(EngineError, match=words) as caught:
                call()
            assert caught.value.kind == kind
        assert package.classify_tokens([]).shape == (0, 5)
    with pytest.raises(EngineError, match="closed package"):
        package.classify_tokens([[1]])
    for arguments, words in (({"threads": -1}, "threads"), ({"threads": 257}, "threads"), ({"kv_bits": 4}, "kv_bits")):
        with pytest.raises(EngineError, match=words):
            load(path, **arguments)
    foreign = ("avx2", "this is not an x86-64 CPU") if platform.machine() == "aarch64" else ("neon", "not an ARM CPU")
    for isa, reason in (("sse9", "unknown name"), ("AVX2", "unknown name"), foreign):
        monkeypatch.setenv("SMALLWRIGHT_ISA", isa)
        with pytest.raises(EngineError, match=f"Got {isa}: .*{reason}") as caught:
            load(path)
        assert caught.value.kind == "unsupported_isa"


def test_context_is_never_exceeded(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, decoder_spec())
    with load(path, threads=1) as package:
        assert package.logits([1] * 300).shape == (300, 101)
        with pytest.raises(EngineError, match="at most 300 tokens") as caught:
            package.logits([1] * 301)
        assert caught.value.kind == "context_full"


def test_not_a_number_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    for block in ("f32", "q8_0"):
        write_own(path, encoder_spec(), block)
        blob = bytearray(path.read_bytes())
        from gguf import GGUFReader

        tensor = next(t for t in GGUFReader(path).tensors if t.name == "cls.weight")
        start = int(tensor.data_offset)
        # f32: a NaN; q8_0: the f16 scale of the first block is a NaN
        blob[start : start + 4] = b"\x00\x00\xc0\x7f" if block == "f32" else b"\x00\x7e" + blob[start + 2 : start + 4]
        path.write_bytes(blob)
        with load(path, threads=1) as package, pytest.raises(EngineError, match="must be numbers") as caught:
            package.classify_tokens([[1, 2, 3]])
        assert caught.value.kind == "nan_logits"


def test_counters_say_how_many_pairs_were_read(tmp_path: Path) -> None:
    texts = [[5, 5, 7], [7], [1, 2, 3, 4]]
    for spec, rows in ((_pair_encoder(), 8), (_pre_norm_encoder(), 0)):
        path = tmp_path / f"{rows}.gguf"
        write_own(path, spec, "f32")
        with load(path, threads=1) as package:
            package.classify_tokens(texts)
            assert package.counters()["pair_rows"] == rows
