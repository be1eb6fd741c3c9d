"""Ordinary GGUF files of the llama, qwen2, qwen3 and bert families: the engine agrees with transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tests.parity.tiny_packages import write_native

from smallwright.run import load

SIZES = {
    "vocab_size": 89,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "initializer_range": 0.3,
}


def _decoder(family: str, **changes: Any) -> Any:
    torch.manual_seed(3)
    config = getattr(transformers, f"{family}Config")(**{**SIZES, **changes})
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    _shake(model)
    return model


def _shake(model: Any) -> None:
    """Norms and biases start at 1 and 0, where a swapped one would not show."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) / 5)


@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("Llama", {"tie_word_embeddings": False, "rope_theta": 5000.0}),
        ("Llama", {"tie_word_embeddings": True, "num_key_value_heads": 1}),
        ("Qwen2", {"tie_word_embeddings": True}),
        ("Qwen3", {"tie_word_embeddings": False, "head_dim": 16}),
    ],
)
def test_decoder_logits_equal_transformers(tmp_path: Path, family: str, changes: dict[str, Any], arrays: bool) -> None:
    model = _decoder(family, **changes)
    path = tmp_path / "model.gguf"
    write_native(path, model, arrays=arrays)
    tokens = np.random.default_rng(1).integers(0, 89, 40)
    with torch.no_grad():
        expected = model(torch.from_numpy(tokens)[None]).logits[0].numpy()
    with load(path, threads=1, kv_bits=32) as package:
        assert package.task == "generate"
        assert package.context == 64
        np.testing.assert_allclose(package.logits(tokens.tolist()), expected, rtol=0, atol=1e-4)


def test_bert_logits_equal_transformers(tmp_path: Path) -> None:
    torch.manual_seed(4)
    sizes = {name: value for name, value in SIZES.items() if name not in ("num_key_value_heads", "rms_norm_eps")}
    config = transformers.BertConfig(**sizes, num_labels=4)
    model = transformers.BertForSequenceClassification(config).eval()
    _shake(model)
    path = tmp_path / "model.gguf"
    write_native(path, model)
    rng = np.random.default_rng(2)
    texts = [rng.integers(0, 89, length).tolist() for length in (1, 7, 33, 64)]
    with load(path, threads=1) as package:
        assert package.task == "classify"
        assert package.labels == ("LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3")
        logits = package.classify_tokens(texts)
    for row, tokens in zip(logits, texts, strict=True):
        with torch.no_grad():
            expected = model(torch.tensor([tokens])).logits[0].numpy()
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-4)
