"""What reads the last hidden states: the language-model head and the classifier head.

Enters: hidden states (B, T, D). Leaves: float32 logits, (B, T, V) or (B, C).
Not here: losses (train/).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smallwright.model.dropout import Dropout
from smallwright.model.weight_only import project
from smallwright.spec import HeadSpec

CLASSIFIER = "classifier"  # the names that our own presets and loaders give to heads
LANGUAGE_MODEL = "language_model"


class LanguageModelHead(nn.Module):
    """Logits over the vocabulary. A tied head owns no weight: it reads the token table that it is given."""

    def __init__(self, width: int, vocabulary: int, spec: HeadSpec) -> None:
        super().__init__()
        self.output = None if spec.tied else nn.Linear(width, vocabulary, bias=False)

    def forward(self, hidden: Tensor, table: nn.Module) -> Tensor:
        """Logits (..., V) float32 of hidden states (..., D); ``table`` is the embedding of the tokens (V, D)."""
        found: Tensor = project(hidden, table) if self.output is None else self.output(hidden)
        return found.float()


class ClassifierHead(nn.Module):
    """Pools a sequence to one vector, passes BERT's tanh pooler where there is one, and scores the classes."""

    def __init__(self, width: int, spec: HeadSpec, dropout: float = 0.0) -> None:
        super().__init__()
        self.pooling = spec.pooling
        self.pooler = nn.Linear(width, width) if spec.pooler else None
        self.output = nn.Linear(width, len(spec.labels), bias=spec.output_bias)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, lengths: Tensor, norm: nn.Module | None = None) -> Tensor:
        """Logits (B, C) float32 of hidden states (B, T, D), of which row b has ``lengths[b]`` real tokens.

        ``norm``: what the pooled vectors pass first, in models whose hidden states have not passed it themselves.
        """
        pooled = pool(hidden, lengths, self.pooling)
        if norm is not None:
            pooled = norm(pooled)
        if self.pooler is not None:
            pooled = torch.tanh(self.pooler(pooled))
        return self.output(self.dropout(pooled)).float()


def pool(hidden: Tensor, lengths: Tensor, pooling: str) -> Tensor:
    """One vector for each sequence.

    Args:
        hidden: (B, T, D).
        lengths: (B,) int64 in 1..T; positions from there on are padding and have no influence.
        pooling: ``first``, ``mean`` (``mean_before_norm`` is the same here: the model normalises after it) or ``last``.
    Returns:
        (B, D).
    """
    if pooling == "first":
        return hidden[:, 0]
    if pooling == "last":
        return hidden[torch.arange(hidden.shape[0], device=hidden.device), lengths - 1]
    real = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
    return hidden.masked_fill(~real[:, :, None], 0.0).sum(1) / lengths[:, None]
