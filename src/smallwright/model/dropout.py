"""Dropout with cheap random numbers on a CPU.

Enters: hidden states of any shape. Leaves: the same shape and type, some of it zero, the rest scaled up.
Not here: how much is dropped (train/loop.py puts it in).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_STEPS = 1 << 16


class Dropout(nn.Dropout):
    """nn.Dropout whose mask on a CPU is drawn four elements to one 64-bit random number.

    torch draws one number an element there, which took 7 % of a fine-tuning step of MiniLM. The probability is rounded
    to a multiple of 2^-16, and what is kept is scaled by just that. Elsewhere it is nn.Dropout itself.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop from (...), floating point; nothing in evaluation mode."""
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return super().forward(x)
        dropped = min(round(self.p * _STEPS), _STEPS)
        if dropped == _STEPS:
            return x * 0.0
        draws = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        kept = draws.view(torch.int16)[: x.numel()].view(x.shape) >= dropped - _STEPS // 2
        return x * kept.to(x.dtype).mul_(_STEPS / (_STEPS - dropped))
