"""What numbers mean, shared by the build half and the run half.

Enters: nothing. Leaves: the model description, tensor names, block formats and package keys.
Not here: any decision, any torch, any pydantic.
"""

from smallwright.spec.model import (
    MOST_BIGRAMS,
    AttentionSpec,
    EmbeddingSpec,
    FeedForwardSpec,
    HeadSpec,
    LayerSpec,
    ModelSpec,
    NormSpec,
)

__all__ = [
    "MOST_BIGRAMS",
    "AttentionSpec",
    "EmbeddingSpec",
    "FeedForwardSpec",
    "HeadSpec",
    "LayerSpec",
    "ModelSpec",
    "NormSpec",
]
