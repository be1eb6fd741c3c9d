"""Training on free text: completions of which hardly one is exactly right, so that the loss chooses the weights.

Enters, leaves: as ``CompletionTask``; only its score is another. Not here: judging what a package writes (evaluate/).
"""

from __future__ import annotations

import math

from torch import nn

from smallwright.train.completions import CompletionTask


class FreeTextTask(CompletionTask):
    """A ``CompletionTask`` whose score is minus the mean loss of the held-out completions.

    The share of exact answers, which is the score of a ``CompletionTask``, stands still at about 0 where answers are
    sentences, or follows the few short ones.
    """

    def validate(self, model: nn.Module, precision: str) -> dict[str, float]:
        """As ``CompletionTask``, with ``perplexity`` per token; the score is minus ``loss``."""
        found = super().validate(model, precision)
        if not found:
            return found
        loss = found["loss"]
        return {**found, "score": -loss, "perplexity": math.exp(min(loss, 700.0))}  # exp(710) is not finite

    def fingerprint(self) -> str:
        """See ``TrainingTask``."""
        return f"{super().fingerprint()} free text"
