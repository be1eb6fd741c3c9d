"""llama.cpp opens our packages unchanged, and answers as torch does. Skipped where llama.cpp is not installed."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.parity.llama_cpp import LlamaCpp, open_library
from tests.parity.test_package_engine import random_model
from tests.properties.tokenizers_made import SENTENCES, make
from tests.unit.test_package import decoder, encoder, write

from smallwright.spec.model import HeadSpec, ModelSpec
from smallwright.tokenizer.encode import encode_texts

CASES = [
    (decoder(), "llama3", "llama"),
    (decoder(heads={"lm": HeadSpec("language_model")}), "gpt2", "llama"),
    (decoder(mixer={"head_width": 16, "bias": True, "output_bias": True}), "smollm", "llama"),
    (decoder(mixer={"bias": True}), "qwen2", "qwen2"),
    (decoder(mixer={"qk_norm": True, "head_width": 16}), "qwen2", "qwen3"),
    (encoder(), "bert_uncased", "bert"),
    (encoder(pooler=False), "bert_cased", "bert"),
    (encoder(pooling="mean", pooler=False), "bert_uncased", "bert"),
]


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return open_library()


@pytest.mark.parametrize("format", ["f32", "q8_0"])
@pytest.mark.parametrize(("spec", "kind", "family"), CASES)
def test_answers_as_torch_does(
    tmp_path: Path, library: ctypes.CDLL, spec: ModelSpec, kind: str, family: str, format: str
) -> None:
    model, tokenizer = random_model(spec), make(kind)
    tensors = {key: value.detach().numpy() for key, value in model.state_dict().items()}
    info = write(tmp_path / "x.gguf", spec, kind, format, tensors=tensors)
    # f32: its GELU is a table in half precision of the tanh form. q8_0: weights and activations are rounded.
    tolerance = (1e-3 if family == "bert" else 1e-5) if format == "f32" else 0.15
    with LlamaCpp(library, info.path, classifies=bool(spec.labels)) as theirs:
        assert not spec.labels or theirs.labels() == spec.labels
        for text, tokens in zip(SENTENCES, encode_texts(tokenizer, SENTENCES, max_tokens=24), strict=True):
            assert theirs.tokenize(text) == tokenizer.encode(text).ids
            with torch.no_grad():
                expected = model(torch.from_numpy(tokens.astype(np.int64))[None], head=next(iter(spec.heads)))[0]
            np.testing.assert_allclose(theirs.logits(tokens.tolist()), expected.numpy(), rtol=0, atol=tolerance)
