"""Tiny random models as GGUF files, written with the ``gguf`` package alone, and who says what they should answer.

``write_own`` writes a ModelSpec (its oracle is the torch reference over the dequantised weights); ``write_native``
writes a transformers model the way llama.cpp's converter does (its oracle is transformers).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray

from smallwright.spec import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec, NormSpec
from smallwright.spec.tensors import list_tensors

TYPES = {
    "f32": gguf.GGMLQuantizationType.F32,
    "f16": gguf.GGMLQuantizationType.F16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "q4_0": gguf.GGMLQuantizationType.Q4_0,
}
LABELS = ("lights_on", "lights_off", "heat", "lock", "other")


def decoder_spec(**changes: Any) -> ModelSpec:
    """A small causal language model with grouped heads, layers of different widths and a tied head."""
    values: dict[str, Any] = {
        "width": 64,
        "context": 300,
        "causal": True,
        "embedding": EmbeddingSpec(vocabulary=101),
        "layers": (
            LayerSpec(AttentionSpec(4, 2, 32, bias=True, qk_norm=True), FeedForwardSpec(96)),
            LayerSpec(
                AttentionSpec(6, 1, 20, output_bias=True), FeedForwardSpec(160, "gelu_tanh", bias=True, kind="plain")
            ),
        ),
        "heads": {"text": HeadSpec("language_model", tied=True)},
    }
    # 6 heads of 20 are 120 wide: not a multiple of 32, so the output projection of that layer stays in floats
    return ModelSpec(**{**values, **changes})


def encoder_spec(**changes: Any) -> ModelSpec:
    """A small BERT with a pooler."""
    layer = LayerSpec(AttentionSpec(4, 4, 16, bias=True, output_bias=True), FeedForwardSpec(128, "gelu", True, "plain"))
    values: dict[str, Any] = {
        "width": 64,
        "context": 48,
        "causal": False,
        "embedding": EmbeddingSpec(vocabulary=97, positions=50, token_types=2, norm=True),
        "layers": (layer, layer),
        "heads": {"intent": HeadSpec("classifier", pooling="first", pooler=True, labels=LABELS)},
        "norm": NormSpec("layer", 1e-12, "post"),
        "rotary_base": None,
    }
    return ModelSpec(**{**values, **changes})


def random_tensors(spec: ModelSpec, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Weights by our names, large enough that every part matters."""
    rng = np.random.default_rng(seed)
    out = {}
    for tensor in list_tensors(spec):
        values = rng.standard_normal(tensor.shape).astype(np.float32)
        if tensor.matrix:
            values *= np.float32(1.0 if "embedding" in tensor.name else 1.5 / np.sqrt(tensor.shape[1]))
        elif tensor.name.endswith("weight") and len(tensor.shape) == 1:
            values = 1 + values / 5
        else:
            values /= 5
        out[tensor.name] = values
    return out


def write_own(
    path: Path, spec: ModelSpec, block: str = "f32", *, seed: int = 0, task: str | None = None
) -> dict[str, NDArray[np.float32]]:
    """Write ``spec`` with random weights of a block format; returns the weights as the file means them."""
    writer = gguf.GGUFWriter(str(path), "smallwright")
    writer.add_custom_alignment(64)
    writer.add_string("smallwright.model", spec.to_json())
    if task is not None:
        writer.add_string("smallwright.task", task)
    meant = {}
    tensors = random_tensors(spec, seed)
    for tensor in list_tensors(spec):
        values = tensors[tensor.name]
        kind = block if tensor.matrix and (block == "f16" or tensor.shape[-1] % 32 == 0) else "f32"
        data = gguf.quantize(values, TYPES[kind])
        meant[tensor.name] = gguf.dequantize(data, TYPES[kind]).reshape(tensor.shape).astype(np.float32)
        writer.add_tensor(tensor.package_name, data, raw_dtype=TYPES[kind])
    finish(writer)
    return meant


def finish(writer: gguf.GGUFWriter) -> None:
    """Write what was added, and close the file."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleave(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """llama.cpp's order of q and k rows: pairs (i, i + half) of a head become neighbours."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


_DECODER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_BERT = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_WHOLE = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "bert.embeddings.word_embeddings": "token_embd",
    "bert.embeddings.position_embeddings": "position_embd",
    "bert.embeddings.token_type_embeddings": "token_types",
    "bert.embeddings.LayerNorm": "token_embd_norm",
    "bert.pooler.dense": "cls",
    "classifier": "cls.output",
}


def _native_name(name: str) -> str:
    module, _, kind = name.rpartition(".")
    if module in _WHOLE:
        return f"{_WHOLE[module]}.{kind}"
    parts = module.split(".")
    at = next(index for index, part in enumerate(parts) if part.isdigit())
    table = _BERT if parts[0] == "bert" else _DECODER
    return f"blk.{parts[at]}.{table['.'.join(parts[at + 1 :])]}.{kind}"


def write_native(path: Path, model: Any, *, arrays: bool = False) -> None:
    """Write a transformers model (llama, qwen2, qwen3, bert) in float32 under llama.cpp's names, without our keys.

    ``arrays``: head counts and feed-forward widths as one number a layer.
    """
    config = model.config
    architecture = config.model_type
    writer = gguf.GGUFWriter(str(path), architecture)
    layers = config.num_hidden_layers
    writer.add_block_count(layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    per_layer = (lambda value: [value] * layers) if arrays else (lambda value: value)
    writer.add_feed_forward_length(per_layer(config.intermediate_size))
    writer.add_head_count(per_layer(config.num_attention_heads))
    if architecture == "bert":
        writer.add_layer_norm_eps(config.layer_norm_eps)
        writer.add_causal_attention(False)
        writer.add_array("bert.classifier.output_labels", [config.id2label[i] for i in range(config.num_labels)])
    else:
        writer.add_head_count_kv(per_layer(config.num_key_value_heads))
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
        if getattr(config, "head_dim", None):
            writer.add_key_length(config.head_dim)
            writer.add_value_length(config.head_dim)
    for name, tensor in model.state_dict().items():
        if name.endswith("position_ids") or (name == "lm_head.weight" and config.tie_word_embeddings):
            continue
        values = tensor.detach().float().numpy()
        if architecture == "llama" and "q_proj" in name:
            values = interleave(values, config.num_attention_heads)
        if architecture == "llama" and "k_proj" in name:
            values = interleave(values, config.num_key_value_heads)
        writer.add_tensor(_native_name(name), np.ascontiguousarray(values))
    finish(writer)


def torch_reference(spec: ModelSpec, tensors: dict[str, NDArray[np.float32]]) -> Any:
    """The torch reference over given weights."""
    from smallwright.model.transformer import Transformer

    return Transformer.from_tensors(spec, {name: torch.from_numpy(value) for name, value in tensors.items()}).eval()
