"""One layer: a mixer over tokens and a feed-forward over channels, each with its norm and residual sum.

Enters: hidden states (B, T, D), the pass's ``Layout``, the layer's state. Leaves: hidden states (B, T, D).
Not here: what the mixer does (attention.py).
"""

from __future__ import annotations

from torch import Tensor, nn

from smallwright.model.attention import Attention, KeyValues, Layout
from smallwright.model.dropout import Dropout
from smallwright.model.feedforward import FeedForward
from smallwright.spec import LayerSpec, NormSpec


class Layer(nn.Module):
    """``pre``: x + f(norm(x)), the residual stream stays unnormalised. ``post``: norm(x + f(x)), as in BERT.

    Source: arXiv:2002.04745, figure 1.
    """

    def __init__(self, width: int, spec: LayerSpec, norm: NormSpec, dropout: float = 0.0) -> None:
        super().__init__()
        self.pre = norm.placement == "pre"
        self.mixer = Attention(width, spec.mixer, norm, dropout)
        self.feedforward = FeedForward(width, spec.feedforward, norm)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, layout: Layout, state: KeyValues | None = None) -> Tensor:
        """Run the layer on (B, T, D)."""
        mixer, feedforward = self.mixer, self.feedforward
        if self.pre:
            x = x + self.dropout(mixer(mixer.norm(x), layout, state))
            return x + self.dropout(feedforward(feedforward.norm(x)))
        x = mixer.norm(x + self.dropout(mixer(x, layout, state)))
        return feedforward.norm(x + self.dropout(feedforward(x)))
