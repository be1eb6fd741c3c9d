"""The feed-forward over channels, gated or plain.

Enters: normalised hidden states (..., D). Leaves: the same shape.
Not here: norm placement and the residual sum (block.py).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallwright.model.norm import Norm, cast_once
from smallwright.spec import FeedForwardSpec, NormSpec


def _gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": _gelu_tanh,
    "relu": torch.relu,
}


class FeedForward(nn.Module):
    """``gated``: down(act(gate(x)) * up(x)); ``plain``: down(act(up(x))). It owns the norm that its layer applies.

    Source: gated variants, arXiv:2002.05202.
    """

    def __init__(self, width: int, spec: FeedForwardSpec, norm: NormSpec) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[spec.activation]
        self.norm = Norm(width, norm)
        self.gate = nn.Linear(width, spec.width, bias=spec.bias) if spec.kind == "gated" else None
        self.up = nn.Linear(width, spec.width, bias=spec.bias)
        self.down = nn.Linear(spec.width, width, bias=spec.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (..., D) channel-wise."""
        x = cast_once(x)
        if self.gate is None:
            return self.down(self.activation(self.up(x)))
        return self.down(self.activation(self.gate(x)) * self.up(x))
