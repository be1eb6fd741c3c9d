"""How much each of several losses counts, chosen while a model learns.

Enters: the terms of a step's loss. Leaves: their sum, each multiplied by a factor that follows from its own size.
Not here: the terms (objectives.py, matching.py); weights that a recipe gives, which stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from smallwright.train.objectives import Term

MEMORY = 0.99
"""Share of a running mean that a step leaves standing."""
MOST_APART = 1000.0
"""The smallest factor is at least the largest over this: a loss that is next to 0 must not silence the others."""


class Balancer:
    """Factors that make losses of any size count alike, so that the weights of a recipe are shares of the whole.

    A loss's size is what it adds to a step's loss at weight 1; ``m`` is the mean of its sizes over the steps before
    this one, in which older steps fade by ``MEMORY``. Of K losses the k-th is multiplied by

        K (1 / m_k) / (1 / m_1 + ... + 1 / m_K),

    so that the factors sum to K. In the first step all are 1.

    Args:
        state: what went before: for each loss the faded sum of its sizes and of ones. It is changed in place, and is
            all that a run that goes on needs.
    Source: uncertainty weighting, Kendall, Gal, Cipolla, arXiv:1705.07115: the sum of L_k / u_k + log u_k; for given
        losses u_k = L_k is best (Kirchdorfer et al., arXiv:2408.07985, UW-O). Here L_k is the running mean, and factors
        are scaled to a sum of K, so that the step's size and the clipping of gradients keep their meaning.
    """

    def __init__(self, state: dict[str, list[float]]) -> None:
        self._state = state
        self._step: dict[str, float] = {}

    def means(self) -> dict[str, float]:
        """m of each loss that was met."""
        return {name: total / ones for name, (total, ones) in self._state.items()}

    def factors(self) -> dict[str, float]:
        """What each loss is multiplied by in the next step; of one that is not in here, 1."""
        means = self.means()
        least = max(means.values(), default=0.0) / MOST_APART
        if least == 0:
            return dict.fromkeys(means, 1.0)
        inverse = {name: 1.0 / max(mean, least) for name, mean in means.items()}
        total = sum(inverse.values())
        return {name: len(inverse) * value / total for name, value in inverse.items()}

    def add_up(self, rows: Iterable[Term], texts: Iterable[Term], *, count: int, total: int) -> Tensor:
        """A batch's part of a step's loss.

        Args:
            rows: losses of the batch's rows.
            texts: losses of its texts; their mean weighs as much as one row.
            count: the batch's rows that have a target.
            total: the step's.
        """
        factors, parts = self.factors(), []
        for terms, of_texts in ((rows, False), (texts, True)):
            for term in terms:
                scale = (count / len(term.values) if of_texts else 1.0) / total / term.parts
                self._step[term.name] = self._step.get(term.name, 0.0) + float(term.values.detach().sum()) * scale
                parts.append((term.weight * term.values).sum() * (scale * factors.get(term.name, 1.0)))
        return torch.stack(parts).sum()

    def end_step(self) -> None:
        """Learn from the step whose batches were added up."""
        for name, size in self._step.items():
            before, ones = self._state.get(name, [0.0, 0.0])
            self._state[name] = [MEMORY * before + (1 - MEMORY) * size, MEMORY * ones + (1 - MEMORY)]
        self._step = {}

    def describe(self) -> dict[str, dict[str, float]]:
        """Of each loss its ``mean`` and its ``factor``."""
        factors = self.factors()
        return {name: {"mean": mean, "factor": factors[name]} for name, mean in sorted(self.means().items())}
