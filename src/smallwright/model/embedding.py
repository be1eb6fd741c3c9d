"""From tokens to the first hidden states.

Enters: tokens (B, T) int64 and the position of the first one. Leaves: hidden states (B, T, D).
Not here: rotary positions, which act on queries and keys (attention.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smallwright.model.norm import Norm
from smallwright.spec import ModelSpec


class Embedding(nn.Module):
    """Token table plus, where the spec has them, learned positions, BERT's segment row 0 and a norm."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        rows = spec.embedding
        self.tokens = nn.Embedding(rows.vocabulary, spec.width)
        self.positions = None if rows.positions is None else nn.Embedding(rows.positions, spec.width)
        self.token_types = None if rows.token_types is None else nn.Embedding(rows.token_types, spec.width)
        self.norm = Norm(spec.width, spec.norm) if rows.norm else None

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Embed tokens (B, T), the first of which stands at position ``start``, as (B, T, D)."""
        x: Tensor = self.tokens(tokens)
        if self.token_types is not None:
            x = x + self.token_types.weight[0]
        if self.positions is not None:
            x = x + self.positions.weight[start : start + tokens.shape[1]]
        return x if self.norm is None else self.norm(x)

    @property
    def device(self) -> torch.device:
        """Where the table is."""
        return self.tokens.weight.device
