"""What weights must obey while they learn, for example zeros that stay zeros.

Enters: a model between optimizer steps. Leaves: its weights, changed where they must be.
Not here: the loop that asks (loop.py), the laws themselves (compress/).
"""

from __future__ import annotations

from typing import Protocol

from torch import nn


class Constraint(Protocol):
    """What the loop asks of a law on weights. It may remember only what the weights themselves tell: a run that was
    interrupted goes on from those."""

    def start(self, model: nn.Module) -> None:
        """Look at the weights with which a run begins or goes on."""

    def enforce(self, model: nn.Module, step: int) -> None:
        """Change weights in place, after ``step`` optimizer steps; called after each."""

    def is_settled(self, step: int) -> bool:
        """Whether weights after so many steps obey in full: only such may be a run's best."""

    def fingerprint(self) -> str:
        """What the law depends on beside the weights."""
