"""The encoder that is timed with random weights: MiniLM's six layers of width 384, a small vocabulary, 150 classes."""

from __future__ import annotations

from smallwright.spec import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec, NormSpec

VOCABULARY = 1000


def describe_minilm() -> ModelSpec:
    """Its shape; contexts of up to 64 tokens."""
    layer = LayerSpec(
        AttentionSpec(heads=12, key_value_heads=12, head_width=32, bias=True, output_bias=True),
        FeedForwardSpec(width=1536, activation="gelu", bias=True, kind="plain"),
    )
    return ModelSpec(
        width=384,
        context=64,
        causal=False,
        embedding=EmbeddingSpec(vocabulary=VOCABULARY, positions=64, token_types=2, norm=True),
        layers=(layer,) * 6,
        heads={"classifier": HeadSpec(kind="classifier", pooler=True, labels=tuple(f"class {i}" for i in range(150)))},
        norm=NormSpec(kind="layer", epsilon=1e-12, placement="post"),
        rotary_base=None,
    )
