"""The two normalisations, in float32 whatever the autocast type.

Enters: hidden states (..., D) and a ``NormSpec``. Leaves: the same shape in float32.
Not here: where a norm stands in a layer (block.py).
"""

from __future__ import annotations

from typing import Any

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
        return RootMeanSquareNorm.apply(x, self.weight, self.epsilon)


def cast_once(x: Tensor) -> Tensor:
    """Hidden states (..., D) in the type that autocast gives to matrix products; outside autocast, as they are.

    Several products read the same states: autocast itself would cast them, and their gradients, once for each.
    """
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


class RootMeanSquareNorm(torch.autograd.Function):
    """weight * x / sqrt(mean(x²) + epsilon) with its gradient written out.

    torch's own ``rms_norm`` is a chain of elementwise steps on a CPU, each kept for the backward pass; forward and
    backward together, this takes about half its time.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        """Normalise (..., D) by weight (D,)."""
        mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1])
        scale = mean_square.add_(epsilon).rsqrt_()
        unit = x * scale
        ctx.save_for_backward(unit, scale, weight)
        return unit * weight

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of x, weight and (none) epsilon."""
        unit, scale, weight = ctx.saved_tensors
        along = gradient * unit
        weight_gradient = along.flatten(0, -2).sum(0)
        radial = (along @ weight).div_(-unit.shape[-1])  # minus the part of the gradient that the norm takes away
        x_gradient = (gradient * weight).addcmul_(unit, radial[..., None]).mul_(scale)
        return x_gradient, weight_gradient, None
