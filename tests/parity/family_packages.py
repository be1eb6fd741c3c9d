"""Tiny random checkpoints of the families that people download, in every type of tensor, as llama.cpp's converters
write them: names, keys, shapes; columns of 256, so that the blocks of the K types fit.

The weights of a file mean something exact. ``write_family`` returns them, and writes them as float32 when asked: what
two engines answer for that file differs by arithmetic alone, not by how they round activations for a type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES
from numpy.typing import NDArray
from tests.parity.tiny_packages import finish

VOCABULARY, CONTEXT = 269, 128
TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k", "iq4_nl")
# Where the f16 scale and minimum stand in a block, the mean of the codes, and their spread: how random blocks get a
# wanted mean (none) and spread of the weights. Types that the gguf package cannot quantise.
_RANDOM = {
    "q4_k": ((0, 2), 7.5, 258.0),
    "q5_k": ((0, 2), 15.5, 533.0),
    "q6_k": ((208,), 0.0, 1366.0),
    "iq4_nl": ((0,), 0.0, 70.0),
}


@dataclass(frozen=True)
class Family:
    """What a test needs to know of a family: its keys and the tensors beside the usual ones."""

    architecture: str
    layers: int = 3
    width: int = 256
    feed_forward: int = 512
    vocabulary: int = VOCABULARY
    heads: tuple[int, int] = (4, 2)
    head_width: int = 64
    tied: bool = False
    bias: bool = False
    qk_norm: bool = False
    post_norms: bool = False
    rope_factors: bool = False
    keys: dict[str, Any] = field(default_factory=dict)


FAMILIES = {
    "llama": Family("llama", keys={"rope.freq_base": 500000.0}),
    "llama_tied": Family("llama", tied=True, rope_factors=True, heads=(4, 1)),
    "llama_linear": Family("llama", keys={"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}),
    "mistral": Family("llama", head_width=128, keys={"rope.freq_base": 1e6, "rope.dimension_count": 128}),
    "mistral3": Family("mistral3", keys={"rope.freq_base": 1e6}),
    "qwen2": Family("qwen2", bias=True, keys={"rope.freq_base": 1e6}),
    "qwen3": Family("qwen3", tied=True, qk_norm=True, head_width=128, keys={"rope.freq_base": 1e6}),
    "smollm3": Family("smollm3", layers=5, tied=True, keys={"rope.freq_base": 5e6}),
    "gemma": Family("gemma", tied=True, heads=(2, 1), head_width=128),
    "gemma2": Family(
        "gemma2",
        layers=4,
        tied=True,
        head_width=128,
        post_norms=True,
        keys={
            "attention.sliding_window": 16,
            "attn_logit_softcapping": 5.0,
            "final_logit_softcapping": 8.0,
        },
    ),
    "gemma3": Family(
        "gemma3",
        layers=7,
        tied=True,
        heads=(4, 1),
        head_width=128,
        qk_norm=True,
        post_norms=True,
        keys={
            "attention.sliding_window": 16,
            "rope.freq_base": 1e6,
            "rope.scaling.type": "linear",
            "rope.scaling.factor": 8.0,
        },
    ),
}


def tensors_of(family: Family, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Random weights by file name, large enough that every part matters."""
    rng = np.random.default_rng(seed)
    out: dict[str, NDArray[np.float32]] = {}

    def matrix(name: str, rows: int, columns: int) -> None:
        values = rng.standard_normal((rows, columns)) * 1.2 / np.sqrt(columns)
        out[name + ".weight"] = values.astype(np.float32)

    def vector(name: str, size: int, middle: float = 1.0) -> None:
        out[name] = (middle + rng.standard_normal(size) / 5).astype(np.float32)

    width, feed_forward = family.width, family.feed_forward
    query, keys = (heads * family.head_width for heads in family.heads)
    matrix("token_embd", family.vocabulary, width)
    for index in range(family.layers):
        block = f"blk.{index}."
        for norm in ("attn_norm", "ffn_norm"):
            vector(f"{block}{norm}.weight", width)
        if family.post_norms:
            for norm in ("post_attention_norm", "post_ffw_norm"):
                vector(f"{block}{norm}.weight", width)
        for part, rows in (("q", query), ("k", keys), ("v", keys)):
            matrix(f"{block}attn_{part}", rows, width)
            if family.bias:
                vector(f"{block}attn_{part}.bias", rows, middle=0)
            if family.qk_norm and part != "v":
                vector(f"{block}attn_{part}_norm.weight", family.head_width)
        matrix(f"{block}attn_output", width, query)
        matrix(f"{block}ffn_gate", feed_forward, width)
        matrix(f"{block}ffn_up", feed_forward, width)
        matrix(f"{block}ffn_down", width, feed_forward)
    vector("output_norm.weight", width)
    if not family.tied:
        matrix("output", family.vocabulary, width)
    if family.rope_factors:
        out["rope_freqs.weight"] = np.linspace(1, 8, family.head_width // 2).astype(np.float32)
    return out


def encode(
    values: NDArray[np.float32], name: str, rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Rows as blocks of a type, and the values that these mean."""
    kind = type_of(name)
    if name not in _RANDOM:
        data = gguf.quants.quantize(values, kind)
        return data, gguf.quants.dequantize(data, kind).reshape(values.shape).astype(np.float32)
    # Any bytes are valid blocks: take random ones, with scales of either sign that give the spread of ``values``.
    columns, size = GGML_QUANT_SIZES[kind]
    places, middle, spread = _RANDOM[name]
    rows, blocks = values.shape[0], values.shape[1] // columns
    data = rng.integers(0, 256, (rows, blocks, size), dtype=np.uint8)
    scale = (
        float(values.std()) / spread * rng.uniform(0.7, 1.3, (rows, blocks, 1)) * rng.choice([-1, 1], (rows, blocks, 1))
    )
    for place, factor in zip(places, (1.0, middle), strict=False):
        data[:, :, place : place + 2] = (scale * factor).astype(np.float16).view(np.uint8)
    data = data.reshape(rows, blocks * size)
    return data, np.asarray(gguf.quants.dequantize(data, kind), np.float32)


def type_of(name: str) -> Any:
    return getattr(gguf.GGMLQuantizationType, name.upper())


def add_bytes(writer: gguf.GGUFWriter, pre: str = "gpt-2") -> None:
    """GPT-2's bytes, a few merges, and words that no text has: a vocabulary that every reader accepts."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    tokens = [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]
    merges = ["h e", "1 2", "12 3", "123 4", "' S"]
    tokens += [merge.replace(" ", "") for merge in merges]
    end = len(tokens)
    tokens += ["<|end|>", *(f"<{number}>" for number in range(VOCABULARY - end - 1))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([1] * end + [3] * (VOCABULARY - end))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)


def write_family(
    path: Path,
    family: Family,
    types: dict[str, str],
    *,
    plain: bool = False,
    tokenizer: Callable[[gguf.GGUFWriter], None] = add_bytes,
    **keys: Any,
) -> None:
    """Write a checkpoint whose matrices have the type that ``types`` gives for the longest end of their names.

    The end "" stands for all. ``plain``: the same weights as float32. ``keys`` replace those of the family (with __ for
    a dot); None leaves one out.
    """
    writer = gguf.GGUFWriter(str(path), family.architecture)
    architecture = family.architecture
    writer.add_block_count(family.layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(family.width)
    writer.add_feed_forward_length(family.feed_forward)
    writer.add_head_count(family.heads[0])
    writer.add_head_count_kv(family.heads[1])
    writer.add_key_length(family.head_width)
    writer.add_value_length(family.head_width)
    writer.add_layer_norm_rms_eps(1e-6)
    for key, value in {**family.keys, **{name.replace("__", "."): value for name, value in keys.items()}}.items():
        if isinstance(value, str):
            writer.add_string(f"{architecture}.{key}", value)
        elif isinstance(value, float):
            writer.add_float32(f"{architecture}.{key}", value)
        elif isinstance(value, list):
            writer.add_array(f"{architecture}.{key}", value)
        elif isinstance(value, bool):
            writer.add_bool(f"{architecture}.{key}", value)
        elif value is not None:
            writer.add_uint32(f"{architecture}.{key}", value)
    tokenizer(writer)
    rng = np.random.default_rng(5)
    for name, values in tensors_of(family).items():
        if values.ndim == 1:
            writer.add_tensor(name, values)
            continue
        end = max((end for end in types if name.removesuffix(".weight").endswith(end)), key=len)
        data, meant = encode(values, types[end], rng)
        if plain:
            writer.add_tensor(name, meant)
        else:
            writer.add_tensor(name, data, raw_dtype=type_of(types[end]))
    finish(writer)
