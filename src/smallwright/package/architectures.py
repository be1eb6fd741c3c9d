"""Which of llama.cpp's architectures can express a model, decided by its structure alone.

Enters: a ``ModelSpec``. Leaves: an architecture's name and its native keys.
Not here: tensors and tokenizer.

Source: llama.cpp's loaders. They take one shape for all layers, and refuse a file with a tensor that they do not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from smallwright.spec.model import ModelSpec
from smallwright.spec.package import OWN_ARCHITECTURE

POOLING_MEAN, POOLING_RANK = 1, 4  # llama.cpp's pooling types: of hidden states, and "through the classifier"

KeyValue = bool | int | float | str | list[str]


@dataclass(frozen=True)
class Architecture:
    """One row: a name that llama.cpp knows and whether a model is one of its kind."""

    name: str
    expresses: Callable[[ModelSpec], bool]


def choose_architecture(spec: ModelSpec) -> str:
    """The first of llama.cpp's architectures that expresses the model exactly, else ``smallwright``."""
    return next((row.name for row in ARCHITECTURES if row.expresses(spec)), OWN_ARCHITECTURE)


def list_keys(spec: ModelSpec, architecture: str) -> dict[str, KeyValue]:
    """The native keys of an architecture, in writing order; the labels alone for our own.

    ints are written as u32, floats as f32.
    """
    keys: dict[str, KeyValue] = {}
    if architecture != OWN_ARCHITECTURE:
        mixer, rotary = spec.layers[0].mixer, spec.rotary_base
        keys["vocab_size"] = spec.embedding.vocabulary
        keys["context_length"] = spec.embedding.positions or spec.context
        keys["embedding_length"] = spec.width
        keys["block_count"] = len(spec.layers)
        keys["feed_forward_length"] = spec.layers[0].feedforward.width
        keys["attention.head_count"] = mixer.heads
        keys["attention.head_count_kv"] = mixer.key_value_heads
        if mixer.head_width * mixer.heads != spec.width:
            keys["attention.key_length"] = keys["attention.value_length"] = mixer.head_width
        epsilon = "layer_norm_rms_epsilon" if spec.norm.kind == "rms" else "layer_norm_epsilon"
        keys[f"attention.{epsilon}"] = float(spec.norm.epsilon)
        if rotary is not None:
            keys["rope.dimension_count"] = mixer.head_width
            keys["rope.freq_base"] = float(rotary)
        if architecture == "bert":
            keys["attention.causal"] = False
            keys["pooling_type"] = POOLING_RANK
            if any(head.pooling == "mean" for head in spec.heads.values()):
                keys["classifier.pooling_type"] = POOLING_MEAN
    if spec.labels:
        keys["classifier.output_labels"] = list(spec.labels)
    return {f"{architecture}.{name}": value for name, value in keys.items()}


def _is_uniform(spec: ModelSpec) -> bool:
    return len(set(spec.layers)) == 1


def _fills_width(spec: ModelSpec) -> bool:
    return spec.layers[0].mixer.heads * spec.layers[0].mixer.head_width == spec.width


def _is_decoder(spec: ModelSpec) -> bool:
    """What llama, qwen2 and qwen3 have in common."""
    feedforward = spec.layers[0].feedforward
    return (
        _is_uniform(spec)
        and spec.causal
        and spec.rotary_base is not None
        and (spec.norm.kind, spec.norm.placement) == ("rms", "pre")
        and (spec.embedding.token_types, spec.embedding.norm) == (None, False)
        and (feedforward.kind, feedforward.activation) == ("gated", "silu")
        and [head.kind for head in spec.heads.values()] == ["language_model"]
    )


def _is_qwen3(spec: ModelSpec) -> bool:
    mixer, feedforward = spec.layers[0].mixer, spec.layers[0].feedforward
    return _is_decoder(spec) and mixer.qk_norm and not (mixer.bias or mixer.output_bias or feedforward.bias)


def _is_qwen2(spec: ModelSpec) -> bool:
    mixer, feedforward = spec.layers[0].mixer, spec.layers[0].feedforward
    plain = not (mixer.qk_norm or mixer.output_bias or feedforward.bias)
    return _is_decoder(spec) and mixer.bias and plain and _fills_width(spec)


def _is_llama(spec: ModelSpec) -> bool:
    return _is_decoder(spec) and not spec.layers[0].mixer.qk_norm


def _is_bert(spec: ModelSpec) -> bool:
    mixer, feedforward = spec.layers[0].mixer, spec.layers[0].feedforward
    heads = list(spec.heads.values())
    return (
        _is_uniform(spec)
        and not spec.causal
        and spec.embedding.positions is not None
        and spec.embedding.token_types is not None
        and spec.embedding.norm
        and spec.embedding.bigrams is None
        and (spec.norm.kind, spec.norm.placement) == ("layer", "post")
        and (feedforward.kind, feedforward.activation) == ("plain", "gelu")
        and not mixer.qk_norm
        and _fills_width(spec)
        and [head.kind for head in heads] == ["classifier"]
        and heads[0].pooling in ("first", "mean")
    )


ARCHITECTURES = (
    Architecture("qwen3", _is_qwen3),
    Architecture("qwen2", _is_qwen2),
    Architecture("llama", _is_llama),
    Architecture("bert", _is_bert),
)
