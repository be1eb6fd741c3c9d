"""Sizes to train from scratch: a table of names.

Enters: a preset's name, a vocabulary, the heads. Leaves: a ``ModelSpec``.
Not here: students cut from a teacher (compress/), weights.

Encoders and decoders share one layout: pre-norm RMS, rotary positions, gated feed-forward, no biases. It trains stably
from scratch at any learning rate that a recipe is likely to name, and makes decoders members of the Llama family.
All widths are multiples of 32, the block of q8_0 and q4_0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smallwright.errors import ModelSpecError
from smallwright.spec import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec, NormSpec


@dataclass(frozen=True)
class Preset:
    """Widths of one size. ``feedforward`` is the inner width; ``key_value_heads`` below ``heads`` is GQA."""

    width: int
    layers: int
    heads: int
    key_value_heads: int
    head_width: int
    feedforward: int


ENCODERS = {
    "pico": Preset(width=64, layers=2, heads=2, key_value_heads=2, head_width=32, feedforward=192),
    "nano": Preset(width=128, layers=2, heads=4, key_value_heads=4, head_width=32, feedforward=384),
    "micro": Preset(width=192, layers=4, heads=6, key_value_heads=6, head_width=32, feedforward=512),
    "small": Preset(width=384, layers=6, heads=12, key_value_heads=12, head_width=32, feedforward=1024),
}
DECODERS = {
    "pico": Preset(width=128, layers=2, heads=4, key_value_heads=2, head_width=32, feedforward=384),
    "nano": Preset(width=128, layers=4, heads=4, key_value_heads=2, head_width=32, feedforward=384),
    "nano-wide": Preset(width=192, layers=2, heads=6, key_value_heads=2, head_width=32, feedforward=512),
    "micro": Preset(width=256, layers=6, heads=8, key_value_heads=4, head_width=32, feedforward=704),
    "small": Preset(width=512, layers=8, heads=8, key_value_heads=4, head_width=64, feedforward=1408),
}


def preset(
    name: str, *, vocabulary: int, causal: bool, heads: Mapping[str, HeadSpec], context: int, bigrams: int | None = None
) -> ModelSpec:
    """Describe a model to train from scratch.

    Args:
        name: a key of ``DECODERS`` where ``causal``, else of ``ENCODERS``.
        vocabulary: number of tokens.
        causal: each token sees only those before it (generation), or all (classification).
        heads: by name; see ``HeadSpec``. Their ``tied`` is theirs to say.
        context: most tokens of one sequence.
        bigrams: rows of a table of token pairs (classifiers only); None: no such table.
    Raises:
        ModelSpecError: no preset of that name, or values that contradict each other.
    """
    table = DECODERS if causal else ENCODERS
    if name not in table:
        raise ModelSpecError(f"a preset must be one of {', '.join(table)}. Got {name!r}. Use one of these.")
    size = table[name]
    layer = LayerSpec(
        AttentionSpec(heads=size.heads, key_value_heads=size.key_value_heads, head_width=size.head_width),
        FeedForwardSpec(width=size.feedforward, activation="silu", kind="gated"),
    )
    return ModelSpec(
        width=size.width,
        context=context,
        causal=causal,
        embedding=EmbeddingSpec(vocabulary=vocabulary, bigrams=bigrams),
        layers=(layer,) * size.layers,
        heads=dict(heads),
        norm=NormSpec(kind="rms", epsilon=1e-5, placement="pre"),
        rotary_base=10000.0,
    )


def preset_classifier(labels: Sequence[str]) -> HeadSpec:
    """The classifier head of an encoder from scratch.

    It averages the tokens before the final norm. In docs/decisions/008 that was better on sentences of other people
    than the mean after it, and than the first token.
    """
    return HeadSpec(kind="classifier", pooling="mean_before_norm", labels=tuple(labels))
