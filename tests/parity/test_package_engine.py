"""What torch computes and what the engine computes from the package: every family, every format, every tokenizer.

Weights are random; the reference runs on the dequantised weights, so that only arithmetic differs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.tokenizers_made import KINDS, SENTENCES, make
from tests.unit.test_package import decoder, encoder, write

from smallwright.compress.quantize import dequantize, plan_formats, quantize
from smallwright.model.transformer import Transformer, seeded
from smallwright.package.architectures import choose_architecture
from smallwright.spec.formats import SCALE_SPAN
from smallwright.spec.model import EmbeddingSpec, HeadSpec, ModelSpec, NormSpec
from smallwright.tokenizer.describe import describe
from smallwright.tokenizer.encode import encode_texts

run = pytest.importorskip("smallwright.run", reason="the engine is not built")

UNTIED = {"lm": HeadSpec("language_model")}
CLASSES = {"intent": HeadSpec("classifier", pooling="last", labels=("a", "b", "c"))}
LEARNED = {"embedding": EmbeddingSpec(440, positions=24), "rotary_base": None}


def _uneven(spec: ModelSpec) -> ModelSpec:
    first, second = spec.layers
    return replace(spec, layers=(first, replace(second, feedforward=replace(second.feedforward, width=160))))


DECODERS = {
    "llama": decoder(heads=UNTIED),
    "llama with narrow heads and biases": decoder(mixer={"head_width": 16, "bias": True, "output_bias": True}),
    "qwen2": decoder(mixer={"bias": True}),
    "qwen3": decoder(mixer={"qk_norm": True, "head_width": 16}),
    "own, widths differ": _uneven(decoder()),
    "own, layer norm, learned positions": decoder(norm=NormSpec("layer"), **LEARNED),
}
CLASSIFIERS = {
    "bert": encoder(),
    "bert, mean": encoder(pooling="mean", pooler=False),
    "own, bert with the last token": encoder(pooling="last"),
    "own, causal": decoder(heads=CLASSES),
    "own, pairs": decoder(
        causal=False,
        embedding=EmbeddingSpec(440, bigrams=320),
        heads={"intent": replace(CLASSES["intent"], pooling="mean_before_norm")},
    ),
    "own, bidirectional rotary": decoder(causal=False, heads={"intent": replace(CLASSES["intent"], pooling="mean")}),
}
SPECS = DECODERS | CLASSIFIERS


def random_model(spec: ModelSpec) -> Transformer:
    with seeded(7):
        model = Transformer(spec).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 1:
                    parameter.add_(0.1 * torch.randn_like(parameter))
                else:
                    parameter.mul_(4)
    return model


def _tolerance(format: str, spec: ModelSpec, logits: np.ndarray) -> float:
    """float32 sums differ by their order. Blocked formats also round activations x to int8 in steps of max|x| / 127.

    That error has a standard deviation of max|x| / (127 sqrt(12)), so of crest / (127 sqrt(12)) relative to rms(x), and
    a product keeps the ratio. Four products follow each other in a layer (v, output, up, down) and one in the head;
    their errors are independent. Crest 4 for the 128 values that share a step; six standard deviations.
    """
    if format in ("f32", "f16"):
        return 1e-4
    products = 4 * len(spec.layers) + 1
    return 6 * 4 / (127 * 12**0.5) * products**0.5 * float(logits.std())


@pytest.mark.parametrize("format", ["f32", "f16", "q8_0", "q4_0"])
@pytest.mark.parametrize("name", SPECS)
def test_logits_are_those_of_torch(tmp_path: Path, name: str, format: str) -> None:
    spec = SPECS[name]
    assert choose_architecture(spec) == ("smallwright" if name.startswith("own") else name.split(",")[0].split(" ")[0])
    tensors = {key: value.detach().numpy() for key, value in random_model(spec).state_dict().items()}
    plan = plan_formats(spec, format)
    stored = {key: np.atleast_2d(quantize(value, plan[key], span=SCALE_SPAN)) for key, value in tensors.items()}
    rounded = {
        key: torch.from_numpy(dequantize(rows, plan[key], tensors[key].shape[-1])) for key, rows in stored.items()
    }
    shaped = {key: value.reshape(tensors[key].shape) for key, value in rounded.items()}
    reference = Transformer.from_tensors(spec, shaped).eval()
    kind = "bert_uncased" if "bert" in name else "qwen2"
    info = write(tmp_path / "x.gguf", spec, kind, tensors=tensors, formats=plan)
    head = next(iter(spec.heads))
    sequences = encode_texts(make(kind), SENTENCES, max_tokens=24)
    with torch.no_grad():
        expected = [reference(torch.from_numpy(one.astype(np.int64))[None], head=head)[0].numpy() for one in sequences]
    with run.load(info.path, threads=1, kv_bits=32) as package:
        assert package.labels == spec.labels
        if spec.labels:
            got = list(package.classify_tokens(sequences))
            np.testing.assert_array_equal(package.classify_logits(SENTENCES), got)
        else:
            got = [package.logits(one) for one in sequences]
    tolerance = _tolerance(format, spec, np.concatenate([one.ravel() for one in expected]))
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)
        ordered = np.sort(np.atleast_2d(theirs), axis=-1)
        clear = ordered[:, -1] - ordered[:, -2] > 2 * tolerance
        same = np.atleast_2d(ours).argmax(axis=-1) == np.atleast_2d(theirs).argmax(axis=-1)
        assert same[clear].all()


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_those_of_the_tokenizers_library(tmp_path_factory: pytest.TempPathFactory, kind: str) -> None:
    path = tmp_path_factory.mktemp("tokens") / "x.gguf"
    write(path, encoder() if kind.startswith("bert") else decoder(), kind)
    tokenizer = make(kind)
    spec = describe(tokenizer).spec
    odd = ("a <think> b<|endoftext|>", "x[SEP]y [MASK]", "\u0085\u00a0\u3000e\u0301\ufb01")
    special = st.sampled_from([*SENTENCES, *odd])
    with run.load(path, threads=1) as package:

        @given(st.one_of(st.text(max_size=50), st.lists(special, max_size=3).map("".join)))
        @settings(max_examples=200, deadline=None)
        def same(text: str) -> None:
            tokens = tokenizer.encode(text).ids
            assert package.tokenize(text) == tokens
            if spec.model == "bpe":
                assert package.detokenize(tokens) == tokenizer.decode(tokens)

        same()


def test_long_texts_are_cut_as_in_training(tmp_path: Path) -> None:
    info = write(tmp_path / "x.gguf", encoder(), "bert_uncased")
    text = " ".join(SENTENCES)
    (cut,) = encode_texts(make("bert_uncased"), [text], max_tokens=24)
    with run.load(info.path, threads=1) as package:
        prediction = package.classify(text)
        assert prediction.truncated
        np.testing.assert_array_equal(package.classify_logits([text]), package.classify_tokens([cut]))
        assert not package.classify("short").truncated


def test_temperature_divides_the_logits(tmp_path: Path) -> None:
    info = write(tmp_path / "x.gguf", encoder(), "bert_uncased", temperature=2.5)
    with run.load(info.path, threads=1) as package:
        assert package.temperature == 2.5
        logits = package.classify_logits(["turn on the lights"])[0] / 2.5
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(package.classify("turn on the lights").values, expected, rtol=1e-5)
