"""Tensor names: ours (the torch reference's state dict) and the package's (GGUF, as llama.cpp spells them).

Enters: a ``ModelSpec``. Leaves: the complete, ordered list of its tensors with shapes and package names.
Not here: Hugging Face names, which belong to the loader of each family.

Shapes are (rows, columns) as torch stores a linear layer: (D_out, D_in).
"""

from __future__ import annotations

from dataclasses import dataclass

from smallwright.spec.model import HeadSpec, LayerSpec, ModelSpec


@dataclass(frozen=True)
class TensorSpec:
    """One tensor: our ``name``, its ``package_name`` and its ``shape``.

    ``matrix`` is true for the 2-D weights of embeddings, projections and heads, which may be quantised;
    norms, biases, positions and token types stay float32.
    """

    name: str
    package_name: str
    shape: tuple[int, ...]
    matrix: bool


def list_tensors(spec: ModelSpec) -> list[TensorSpec]:
    """All tensors of a model in package order: embedding, layers, final norm, heads.

    A tied language-model head has no tensor of its own.
    """
    out: list[TensorSpec] = []
    width = spec.width
    _matrix(out, "embedding.tokens", "token_embd", (spec.embedding.vocabulary, width))
    if spec.embedding.bigrams is not None:
        _matrix(out, "embedding.bigrams", "bigram_embd", (spec.embedding.bigrams, width))
    if spec.embedding.positions is not None:
        out.append(_plain("embedding.positions.weight", "position_embd.weight", (spec.embedding.positions, width)))
    if spec.embedding.token_types is not None:
        out.append(_plain("embedding.token_types.weight", "token_types.weight", (spec.embedding.token_types, width)))
    if spec.embedding.norm:
        _norm(out, spec, "embedding.norm", "token_embd_norm", width)
    for index, layer in enumerate(spec.layers):
        _layer(out, spec, index, layer)
    if spec.norm.placement == "pre":
        _norm(out, spec, "norm", "output_norm", width)
    for name, head in spec.heads.items():
        _head(out, spec, name, head)
    return out


def _plain(name: str, package_name: str, shape: tuple[int, ...]) -> TensorSpec:
    return TensorSpec(name, package_name, shape, matrix=False)


def _matrix(out: list[TensorSpec], name: str, package_name: str, shape: tuple[int, int], *, bias: bool = False) -> None:
    out.append(TensorSpec(f"{name}.weight", f"{package_name}.weight", shape, matrix=True))
    if bias:
        out.append(_plain(f"{name}.bias", f"{package_name}.bias", shape[:1]))


def _norm(out: list[TensorSpec], spec: ModelSpec, name: str, package_name: str, width: int) -> None:
    out.append(_plain(f"{name}.weight", f"{package_name}.weight", (width,)))
    if spec.norm.kind == "layer":
        out.append(_plain(f"{name}.bias", f"{package_name}.bias", (width,)))


def _layer(out: list[TensorSpec], spec: ModelSpec, index: int, layer: LayerSpec) -> None:
    mixer, feedforward = layer.mixer, layer.feedforward
    ours, theirs = f"layers.{index}", f"blk.{index}"
    pre = spec.norm.placement == "pre"
    _norm(out, spec, f"{ours}.mixer.norm", f"{theirs}.attn_norm" if pre else f"{theirs}.attn_output_norm", spec.width)
    query, keys = mixer.heads * mixer.head_width, mixer.key_value_heads * mixer.head_width
    _matrix(out, f"{ours}.mixer.q", f"{theirs}.attn_q", (query, spec.width), bias=mixer.bias)
    _matrix(out, f"{ours}.mixer.k", f"{theirs}.attn_k", (keys, spec.width), bias=mixer.bias)
    _matrix(out, f"{ours}.mixer.v", f"{theirs}.attn_v", (keys, spec.width), bias=mixer.bias)
    if mixer.qk_norm:
        out.append(_plain(f"{ours}.mixer.q_norm.weight", f"{theirs}.attn_q_norm.weight", (mixer.head_width,)))
        out.append(_plain(f"{ours}.mixer.k_norm.weight", f"{theirs}.attn_k_norm.weight", (mixer.head_width,)))
    _matrix(out, f"{ours}.mixer.output", f"{theirs}.attn_output", (spec.width, query), bias=mixer.output_bias)
    _norm(
        out,
        spec,
        f"{ours}.feedforward.norm",
        f"{theirs}.ffn_norm" if pre else f"{theirs}.layer_output_norm",
        spec.width,
    )
    if feedforward.kind == "gated":
        _matrix(
            out,
            f"{ours}.feedforward.gate",
            f"{theirs}.ffn_gate",
            (feedforward.width, spec.width),
            bias=feedforward.bias,
        )
    _matrix(out, f"{ours}.feedforward.up", f"{theirs}.ffn_up", (feedforward.width, spec.width), bias=feedforward.bias)
    _matrix(
        out, f"{ours}.feedforward.down", f"{theirs}.ffn_down", (spec.width, feedforward.width), bias=feedforward.bias
    )


def _head(out: list[TensorSpec], spec: ModelSpec, name: str, head: HeadSpec) -> None:
    if head.kind == "language_model":
        if not head.tied:
            _matrix(out, f"heads.{name}.output", "output", (spec.embedding.vocabulary, spec.width))
        return
    if head.pooler:
        _matrix(out, f"heads.{name}.pooler", "cls", (spec.width, spec.width), bias=True)
    _matrix(out, f"heads.{name}.output", "cls.output", (len(head.labels), spec.width), bias=head.output_bias)
