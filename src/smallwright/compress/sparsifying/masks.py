"""Zeros that outlive training: after every optimizer step what was dropped is zero again, or a little more is dropped.

Enters: a model in training (train/loop.py). Leaves: the same with zeros in the matrices of its layers.
Not here: which weights are dropped at once (model.py), the loop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from smallwright.compress.quantizing.grid import Doubles
from smallwright.compress.sparsifying.patterns import drop_lowest

MOST_RISES = 100  # times that sparsity rises in a run: choosing weights takes longer than a step of a small model


class Masks:
    """Keeps the zeros of some matrices: a ``Constraint`` of the training loop.

    What is zero when a run starts or goes on is dropped. A weight that training takes to zero exactly stays there too:
    so a run that was interrupted, which sees nothing but the weights, comes to the same bytes.

    Args:
        names: of the matrices, as ``state_dict`` spells them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._dropped: dict[str, Tensor] = {}

    @torch.no_grad()
    def start(self, model: nn.Module) -> None:
        """See ``Constraint``."""
        self._dropped = {name: model.get_parameter(name) == 0 for name in self.names}

    @torch.no_grad()
    def enforce(self, model: nn.Module, step: int) -> None:
        """See ``Constraint``."""
        for name in self.names:
            weight = model.get_parameter(name)
            weight.masked_fill_(self._dropped[name], 0.0)
            self._dropped[name] = weight == 0

    def is_settled(self, step: int) -> bool:
        """See ``Constraint``."""
        return True

    def fingerprint(self) -> str:
        """See ``Constraint``; which weights are zero is known from the weights themselves."""
        return f"masks {','.join(self.names)}"


class RisingMasks(Masks):
    """Drops more and more weights while the model learns; then keeps the zeros.

    Args:
        sparsities: share of each matrix that is dropped in the end, by name.
        rise_steps: optimizer steps after which it is, at least 1.
        norms: (C,) sizes of each matrix's inputs, by name: weights times these are compared within rows (Wanda); None:
            weights alone, within matrices (magnitude).
    Source: Zhu and Gupta, arXiv:1710.01878, equation 1, from a sparsity of 0; at most ``MOST_RISES`` times.
    """

    def __init__(
        self, sparsities: Mapping[str, float], rise_steps: int, norms: Mapping[str, Doubles] | None = None
    ) -> None:
        super().__init__(tuple(sparsities))
        self.sparsities, self.rise_steps, self.norms = dict(sparsities), rise_steps, norms
        self.every = -(-rise_steps // MOST_RISES)

    @torch.no_grad()
    def enforce(self, model: nn.Module, step: int) -> None:
        """See ``Constraint``."""
        super().enforce(model, step)
        if step > self.rise_steps or (step % self.every and step != self.rise_steps):
            return
        for name in self.names:
            weight = model.get_parameter(name)
            scores = weight.detach().abs().cpu().numpy()
            if self.norms is not None:
                scores = scores * self.norms[name]
            share = cubic_sparsity(step, self.rise_steps, self.sparsities[name])
            lowest = drop_lowest(scores, share, None, by_row=self.norms is not None)
            weight.masked_fill_(torch.from_numpy(lowest).to(weight.device), 0.0)
            self._dropped[name] = weight == 0

    def is_settled(self, step: int) -> bool:
        """See ``Constraint``."""
        return step >= self.rise_steps

    def fingerprint(self) -> str:
        """See ``Constraint``."""
        digest = hashlib.sha256(f"rising {self.rise_steps} {sorted(self.sparsities.items())}".encode())
        for name in sorted(self.norms or {}):
            digest.update(np.ascontiguousarray((self.norms or {})[name]).tobytes())
        return digest.hexdigest()


def cubic_sparsity(step: int, rise_steps: int, final: float) -> float:
    """The share dropped after a step: fast at first, while many weights can go, then slower and slower.

    Args:
        step: 0 to ``rise_steps``; later ones are as the last.
        rise_steps: at least 1.
        final: share at the end.
    Source: Zhu and Gupta, arXiv:1710.01878, equation 1, with an initial sparsity of 0.
    """
    return final * (1 - (1 - min(step, rise_steps) / rise_steps) ** 3)
