"""The two normalisations, in float32 whatever the autocast type.

Enters: hidden states (..., D) and a ``NormSpec``. Leaves: the same shape in float32.
Not here: where a norm stands in a layer (block.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallwright.spec import NormSpec


class Norm(nn.Module):
    """RMSNorm (weight only) or LayerNorm (weight and bias) over the last dimension.

    Source: RMSNorm, arXiv:1910.07467 eq. 4; LayerNorm, arXiv:1607.06450.
    """

    bias: Tensor | None

    def __init__(self, width: int, spec: NormSpec) -> None:
        super().__init__()
        self.kind = spec.kind
        self.epsilon = spec.epsilon
        self.weight = nn.Parameter(torch.ones(width))
        self.register_parameter("bias", nn.Parameter(torch.zeros(width)) if spec.kind == "layer" else None)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (..., D) to float32 (..., D)."""
        x = x.float()
        if self.kind == "layer":
            return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)
