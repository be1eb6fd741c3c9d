"""The package's bytes: keys as llama.cpp spells them, tensors as they were, the same file twice, nothing by halves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.tokenizers_made import KINDS, SENTENCES, make
from tokenizers import Tokenizer

from smallwright.compress.quantize import dequantize, plan_formats
from smallwright.errors import ModelSpecError, PackageError
from smallwright.package.architectures import choose_architecture, list_keys
from smallwright.package.read import export_tokenizer, read_info
from smallwright.package.write import PackageInfo, write_package
from smallwright.spec.model import (
    AttentionSpec,
    EmbeddingSpec,
    FeedForwardSpec,
    HeadSpec,
    LayerSpec,
    ModelSpec,
    NormSpec,
)
from smallwright.spec.package import KEY_FORMAT, KEY_MODEL, KEY_ROTARY_INTERLEAVED, KEY_TEMPERATURE
from smallwright.spec.tensors import list_tensors
from smallwright.tokenizer.describe import describe

LM = {"lm": HeadSpec("language_model", tied=True)}
GENERATE = {"kind": "generate", "head": "lm"}
CLASSIFY = {"kind": "classify", "head": "intent"}


def decoder(vocabulary: int = 440, *, mixer: dict[str, Any] | None = None, **more: Any) -> ModelSpec:
    attention = AttentionSpec(**{"heads": 2, "key_value_heads": 1, "head_width": 32, **(mixer or {})})
    layer = LayerSpec(attention, FeedForwardSpec(96))
    values = {
        "width": 64,
        "context": 24,
        "causal": True,
        "embedding": EmbeddingSpec(vocabulary),
        "layers": (layer,) * 2,
    }
    return ModelSpec(**{**values, "heads": LM, **more})


def encoder(vocabulary: int = 440, *, pooling: str = "first", pooler: bool = True, **more: Any) -> ModelSpec:
    attention = AttentionSpec(heads=2, key_value_heads=2, head_width=32, bias=True, output_bias=True)
    layer = LayerSpec(attention, FeedForwardSpec(96, activation="gelu", bias=True, kind="plain"))
    head = HeadSpec("classifier", pooling=pooling, pooler=pooler, labels=("on", "off", "größer"))
    embedding = EmbeddingSpec(vocabulary, positions=24, token_types=2, norm=True)
    values = {"width": 64, "context": 24, "causal": False, "embedding": embedding, "layers": (layer,) * 2}
    norm = NormSpec("layer", 1e-12, "post")
    return ModelSpec(**{**values, "heads": {"intent": head}, "norm": norm, "rotary_base": None, **more})


def random_tensors(spec: ModelSpec, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        tensor.name: (generator.standard_normal(tensor.shape) * 0.1).astype(np.float32) for tensor in list_tensors(spec)
    }


def write(path: Path, model: ModelSpec, kind: str = "gpt2", format: str = "f32", **more: Any) -> PackageInfo:
    spec = more.get("spec", model)
    values: dict[str, Any] = {
        "spec": spec,
        "tensors": random_tensors(spec),
        "formats": plan_formats(spec, format),
        "tokenizer": make(kind),
        "task": CLASSIFY if spec.labels else GENERATE,
        "name": "tiny",
        "provenance": {"seed": 1, "recipe": "größe"},
    }
    return write_package(path, **{**values, **more})


def value(path: Path, key: str) -> Any:
    field = gguf.GGUFReader(path).get_field(key)
    return None if field is None else field.contents()


def _with_layer(spec: ModelSpec, **feedforward: Any) -> ModelSpec:
    first, *rest = spec.layers
    return replace(spec, layers=(replace(first, feedforward=replace(first.feedforward, **feedforward)), *rest))


@pytest.mark.parametrize(
    ("spec", "architecture"),
    [
        (decoder(), "llama"),
        (decoder(mixer={"head_width": 16}), "llama"),
        (decoder(mixer={"bias": True}), "qwen2"),
        (decoder(mixer={"bias": True, "head_width": 16}), "llama"),
        (decoder(mixer={"bias": True, "output_bias": True}), "llama"),
        (decoder(mixer={"qk_norm": True}), "qwen3"),
        (decoder(mixer={"qk_norm": True, "bias": True}), "smallwright"),
        (decoder(causal=False), "smallwright"),
        (decoder(heads={"intent": HeadSpec("classifier", labels=("a", "b"))}), "smallwright"),
        (decoder(norm=NormSpec("layer")), "smallwright"),
        (decoder(embedding=EmbeddingSpec(440, positions=24), rotary_base=None), "smallwright"),
        (_with_layer(decoder(), width=64), "smallwright"),
        (_with_layer(decoder(), activation="gelu"), "smallwright"),
        (encoder(), "bert"),
        (encoder(pooling="mean", pooler=False), "bert"),
        (encoder(pooling="last"), "smallwright"),
        (encoder(embedding=EmbeddingSpec(440, positions=24, norm=True)), "smallwright"),
        (_with_layer(encoder(), activation="gelu_tanh"), "smallwright"),
    ],
)
def test_architecture_follows_structure(spec: ModelSpec, architecture: str) -> None:
    assert choose_architecture(spec) == architecture


@pytest.mark.parametrize(
    "spec", [decoder(), decoder(mixer={"qk_norm": True, "head_width": 16}), encoder(pooling="mean")]
)
def test_native_keys_and_tensors_are_those_of_the_gguf_package(spec: ModelSpec, tmp_path: Path) -> None:
    architecture = choose_architecture(spec)
    known = {
        text.replace("{arch}", architecture)
        for group in vars(gguf.constants.Keys).values()
        if isinstance(group, type)
        for text in vars(group).values()
        if isinstance(text, str)
    }
    known.add("bert.classifier.pooling_type")  # newer than the gguf package
    assert set(list_keys(spec, architecture)) <= known
    write(tmp_path / "x.gguf", spec, "bert_uncased" if spec.labels else "gpt2")
    reader = gguf.GGUFReader(tmp_path / "x.gguf")
    newer = {f"tokenizer.ggml.{name}" for name in ("normalizer.lowercase", "normalizer.strip_accents", "cls_token_id")}
    ours = {key for key in reader.fields if not key.startswith(("smallwright.", "GGUF."))}
    assert ours - known - newer == set()
    number = next(number for number, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = {gguf.TENSOR_NAMES[tensor] for tensor in gguf.MODEL_TENSORS[number]}
    for tensor in reader.tensors:
        stem = tensor.name.removesuffix(".weight").removesuffix(".bias")
        assert stem.replace(".0.", ".{bid}.").replace(".1.", ".{bid}.") in names


def test_values_of_native_keys(tmp_path: Path) -> None:
    spec = decoder(mixer={"head_width": 16}, rotary_base=5e5)
    write(tmp_path / "x.gguf", spec)
    expected = {
        "general.architecture": "llama",
        "general.alignment": 64,
        "llama.context_length": 24,
        "llama.embedding_length": 64,
        "llama.block_count": 2,
        "llama.feed_forward_length": 96,
        "llama.attention.head_count": 2,
        "llama.attention.head_count_kv": 1,
        "llama.attention.key_length": 16,
        "llama.attention.value_length": 16,
        "llama.rope.dimension_count": 16,
        "llama.rope.freq_base": 5e5,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.eos_token_id": 421,
        "tokenizer.ggml.add_bos_token": False,
        KEY_FORMAT: 1,
        KEY_ROTARY_INTERLEAVED: True,
    }
    assert {key: value(tmp_path / "x.gguf", key) for key in expected} == expected
    assert value(tmp_path / "x.gguf", "llama.attention.layer_norm_rms_epsilon") == pytest.approx(1e-5)
    assert ModelSpec.from_json(value(tmp_path / "x.gguf", KEY_MODEL)) == spec
    info = write(tmp_path / "y.gguf", encoder(pooling="mean"), "bert_uncased", temperature=1.75)
    expected = {
        "bert.attention.causal": False,
        "bert.pooling_type": 4,
        "bert.classifier.pooling_type": 1,
        "bert.classifier.output_labels": ["on", "off", "größer"],
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.cls_token_id": 2,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.eos_token_id": None,
        KEY_ROTARY_INTERLEAVED: False,
        KEY_TEMPERATURE: 1.75,
    }
    assert {key: value(info.path, key) for key in expected} == expected


def test_wordpieces_are_spelled_as_llama_cpp_spells_them(tmp_path: Path) -> None:
    tokenizer = make("bert_uncased")
    write(tmp_path / "x.gguf", encoder(), "bert_uncased")
    tokens = value(tmp_path / "x.gguf", "tokenizer.ggml.tokens")
    types = value(tmp_path / "x.gguf", "tokenizer.ggml.token_type")
    assert len(tokens) == len(types) == 440
    assert tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = tokenizer.get_vocab()
    assert tokens[vocabulary["the"]] == "\u2581the"
    assert tokens[vocabulary["##e"]] == "e"
    assert (tokens[-1], types[-1], types[2], types[10]) == ("[PAD439]", 5, 3, 1)


@pytest.mark.parametrize("format", ["f32", "f16", "q8_0", "q4_0"])
@pytest.mark.parametrize("spec", [decoder(mixer={"bias": True}), decoder(causal=False), encoder()])
def test_tensors_come_back(tmp_path: Path, spec: ModelSpec, format: str) -> None:
    tensors, formats = random_tensors(spec), plan_formats(spec, format)
    info = write(tmp_path / "x.gguf", spec, "bert_uncased" if spec.labels else "gpt2", format)
    reader = gguf.GGUFReader(info.path)
    stored = {tensor.name: tensor for tensor in reader.tensors}
    assert [tensor.name for tensor in reader.tensors] == [tensor.package_name for tensor in list_tensors(spec)]
    # of 4 bits the largest value may be clipped
    bound = {"f32": 0.0, "f16": 2.0**-11, "q8_0": 0.5 / 127 + 2.0**-11, "q4_0": 1 / 5}
    for tensor in list_tensors(spec):
        there = stored[tensor.package_name]
        assert there.data_offset % 64 == 0
        assert there.shape.tolist() == list(reversed(tensor.shape))
        rows = np.asarray(there.data).view(np.uint8).reshape(int(np.prod(tensor.shape[:-1])), -1)
        again = dequantize(rows, formats[tensor.name], tensor.shape[-1]).reshape(tensor.shape)
        largest = np.abs(tensors[tensor.name]).max()
        assert np.abs(again - tensors[tensor.name]).max() <= bound[formats[tensor.name]] * largest


@pytest.mark.parametrize("heads", [(4, 2), (3, 1)])
def test_rotary_rows_are_permuted_as_llama_cpp_does(tmp_path: Path, heads: tuple[int, int]) -> None:
    def permute(weights: np.ndarray, count: int) -> np.ndarray:
        """llama.cpp's converter, written out."""
        split = weights.reshape(count, 2, weights.shape[0] // count // 2, *weights.shape[1:])
        return split.swapaxes(1, 2).reshape(weights.shape)

    spec = decoder(mixer={"heads": heads[0], "key_value_heads": heads[1], "bias": True, "output_bias": True})
    tensors = random_tensors(spec)
    write(tmp_path / "x.gguf", spec)
    stored = {tensor.name: np.asarray(tensor.data) for tensor in gguf.GGUFReader(tmp_path / "x.gguf").tensors}
    for part in ("weight", "bias"):
        for count, letter in zip(heads, "qk", strict=True):
            ours = permute(tensors[f"layers.1.mixer.{letter}.{part}"], count)
            np.testing.assert_array_equal(stored[f"blk.1.attn_{letter}.{part}"], ours)
        np.testing.assert_array_equal(stored[f"blk.1.attn_v.{part}"], tensors[f"layers.1.mixer.v.{part}"])


def test_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, encoder(), "bert_uncased", "q8_0") for name in ("a.gguf", "b.gguf"))
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest() == second.sha256
    assert first.size_bytes == first.path.stat().st_size
    third = write(tmp_path / "c.gguf", encoder(), "bert_uncased", "q8_0", provenance={"seed": 2})
    assert third.sha256 != first.sha256


def test_nothing_is_left_by_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = write(tmp_path / "x.gguf", decoder())
    tensors = random_tensors(decoder())
    tensors["norm.weight"][3] = np.nan
    with pytest.raises(ModelSpecError, match=r"Got nan in norm.weight at \[3\]"):
        write(tmp_path / "x.gguf", decoder(), tensors=tensors)

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensors_to_file", fail)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "x.gguf", decoder(), format="q8_0")
    assert [path.name for path in tmp_path.iterdir()] == ["x.gguf"]
    assert hashlib.sha256(good.path.read_bytes()).hexdigest() == good.sha256


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"task": {"kind": "classify", "head": "lm"}}, r"a task is a kind of \['classify', 'generate'\] and a head"),
        ({"task": {"kind": "generate", "head": "none"}}, r"for heads \{'lm': 'language_model'\}"),
        ({"task": {**GENERATE, "more": "x"}}, "a task is"),
        ({"temperature": 0.0}, r"temperature must be above 0. Got 0.0"),
        ({"temperature": float("nan")}, "Got nan"),
        ({"formats": {}}, "formats must be exactly those of the model"),
        ({"tensors": {}}, r"tensors must be exactly .* Missing: \['embedding.tokens.weight'"),
        ({"spec": decoder(100)}, "Got 100 rows and 422 tokens"),
        (
            {"tensors": {**random_tensors(decoder()), "norm.weight": np.ones(3, np.float32)}},
            r"shape \[64\]. Got float32 \[3\] in norm.weight",
        ),
        (
            {"tensors": {**random_tensors(decoder()), "norm.weight": np.ones(64)}},
            r"Got float64 \[64\] in norm.weight",
        ),
    ],
)
def test_refuses_what_does_not_fit(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(PackageError, match=message):
        write(tmp_path / "x.gguf", decoder(), **more)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_exported_tokenizer_encodes_as_before(tmp_path_factory: pytest.TempPathFactory, kind: str) -> None:
    old = make(kind)
    path = tmp_path_factory.mktemp("export") / "x.gguf"
    write(path, encoder() if kind.startswith("bert") else decoder(), kind)
    new = Tokenizer.from_str(export_tokenizer(path))
    assert describe(new).spec == describe(old).spec

    @given(st.one_of(st.text(max_size=40), st.sampled_from(SENTENCES), st.just("a <think> b [SEP] <|endoftext|>")))
    @settings(max_examples=150, deadline=None)
    def same(text: str) -> None:
        assert new.encode(text).ids == old.encode(text).ids
        tokens = old.encode(text).ids
        assert new.decode(tokens) == old.decode(tokens)

    same()


def test_reads_what_stands_in_a_package(tmp_path: Path) -> None:
    info = write(tmp_path / "x.gguf", encoder(), "bert_uncased", "q4_0", temperature=2.0)
    read = read_info(info.path)
    assert (read["architecture"], read["name"], read["size_bytes"]) == ("bert", "tiny", info.size_bytes)
    assert read["parameters"] == sum(int(np.prod(tensor.shape)) for tensor in list_tensors(encoder()))
    assert set(read["bytes_by_format"]) == {"f32", "q4_0", "q8_0"}
    assert (read["task"], read["temperature"]) == (CLASSIFY, 2.0)
    assert read["provenance"] == {"seed": 1, "recipe": "größe"}
    assert ModelSpec.from_json(json.dumps(read["model"])) == encoder()


def test_reading_what_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="a package must be there") as caught:
        read_info(tmp_path / "none.gguf")
    assert caught.value.kind == "missing_file"
    (tmp_path / "x.gguf").write_bytes(b"hello, this is not GGUF" * 4)
    with pytest.raises(PackageError, match="whole GGUF file"):
        read_info(tmp_path / "x.gguf")
    good = write(tmp_path / "y.gguf", decoder())
    (tmp_path / "z.gguf").write_bytes(good.path.read_bytes()[:3000])
    with pytest.raises(PackageError, match="whole GGUF file"):
        export_tokenizer(tmp_path / "z.gguf")
    writer = gguf.GGUFWriter(tmp_path / "plain.gguf", "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert read_info(tmp_path / "plain.gguf")["task"] is None
    with pytest.raises(PackageError, match=r"only packages carry smallwright.tokenizer"):
        export_tokenizer(tmp_path / "plain.gguf")
