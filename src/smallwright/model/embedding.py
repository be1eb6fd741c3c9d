"""From tokens to the first hidden states.

Enters: tokens (B, T) int64 and the position of the first one. Leaves: hidden states (B, T, D).
Not here: rotary positions, which act on queries and keys (attention.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smallwright.model.norm import Norm
from smallwright.spec import ModelSpec

GOLDEN = 2654435769  # 2^32 divided by the golden ratio; csrc/engine/session.cpp has the same


class Embedding(nn.Module):
    """Token table plus, where the spec has them, a table of token pairs, positions, BERT's segment row 0 and a norm."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        rows = spec.embedding
        self.tokens = nn.Embedding(rows.vocabulary, spec.width)
        self.bigrams = None if rows.bigrams is None else nn.Embedding(rows.bigrams, spec.width)
        self.positions = None if rows.positions is None else nn.Embedding(rows.positions, spec.width)
        self.token_types = None if rows.token_types is None else nn.Embedding(rows.token_types, spec.width)
        self.norm = Norm(spec.width, spec.norm) if rows.norm else None

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Embed tokens (B, T), the first of which stands at position ``start``, as (B, T, D)."""
        x: Tensor = self.tokens(tokens)
        if self.bigrams is not None:
            x = x + self.bigrams(hash_pairs(tokens, self.tokens.num_embeddings, self.bigrams.num_embeddings))
        if self.token_types is not None:
            x = x + self.token_types.weight[0]
        if self.positions is not None:
            x = x + self.positions.weight[start : start + tokens.shape[1]]
        return x if self.norm is None else self.norm(x)

    @property
    def device(self) -> torch.device:
        """Where the table is."""
        return self.tokens.weight.device


def hash_pairs(tokens: Tensor, vocabulary: int, rows: int) -> Tensor:
    """The row of each token's pair with the token before it; the first token's partner is number ``vocabulary``.

    Args:
        tokens: (B, T) int64 in 0..vocabulary - 1, each row from the beginning of its text.
        vocabulary: V, part of the key: pairs have the keys previous * V + token.
        rows: of the table, at most 2^24.
    Returns:
        (B, T) int64 in 0..rows - 1. Pairs may share a row.
    Source: multiplicative hashing, Knuth, The Art of Computer Programming 3, section 6.4; hashed n-grams as features:
        Joulin et al., "Bag of Tricks for Efficient Text Classification", arXiv:1607.01759, section 2.2.
    """
    previous = torch.cat([torch.full_like(tokens[:, :1], vocabulary), tokens[:, :-1]], dim=1)
    product = ((previous * vocabulary + tokens) * GOLDEN) & 0xFFFFFFFF
    return (product * rows) >> 32  # the high bits are the mixed ones
