"""How far a coded model's answers are from those of its float32 weights.

Enters: a float32 model and calibration texts; afterwards models of the same heads. Leaves: nats.
Not here: what follows from that (mixed.py, pipeline/compress.py).

A layer's outputs can come nearer while the answers go further away: errors that are small and alike for all tokens add
up, where rounding's cancel. So what is asked of a method in the end is asked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from smallwright.compress.quantizing.calibration import Stream
from smallwright.model.transformer import Transformer
from smallwright.spec import ModelSpec

MOST_TOKENS = 2048  # of the calibration texts, by which answers are compared
MOST_LOGITS = 1 << 25  # of float32's answers that are kept for that


class Judge:
    """The answers of a float32 model, which others are compared with.

    Args:
        model: float32, in evaluation mode, on a CPU. Its first head answers.
        texts: calibration tokens; the first of them are asked (``choose_judged``).
    """

    @torch.inference_mode()
    def __init__(self, model: Transformer, texts: Sequence[NDArray[np.integer]]) -> None:
        self.head = next(iter(model.spec.heads))
        self.texts = choose_judged(model.spec, texts)
        whole = Stream(model, self.texts).answers(list(model.layers), self.head)
        self._reference = [F.log_softmax(logits, dim=-1) for logits in whole]

    def compare(self, answers: Iterator[Tensor]) -> float:
        """Mean divergence of an answer from the float32 model's; ``answers``: as ``Stream.answers`` gives them."""
        total, count = 0.0, 0
        for logits, reference in zip(answers, self._reference, strict=True):
            total += float(divergence(reference, logits).sum(dtype=torch.float64))
            count += len(logits)
        return total / count

    @torch.inference_mode()
    def divergence(self, model: Transformer) -> float:
        """The same of a whole model."""
        return self.compare(Stream(model, self.texts).answers(list(model.layers), self.head))


def divergence(reference: Tensor, logits: Tensor) -> Tensor:
    """(N,) nats: KL(p || q) of p with log-probabilities ``reference`` (N, C) and q with ``logits`` (N, C)."""
    return (reference.exp() * (reference - F.log_softmax(logits, dim=-1))).sum(-1)


def choose_judged(spec: ModelSpec, texts: Sequence[NDArray[np.integer]]) -> list[NDArray[np.integer]]:
    """The first calibration texts, by which answers are compared: at most MOST_TOKENS, and MOST_LOGITS of answers."""
    language = next(iter(spec.heads.values())).kind == "language_model"
    most = min(MOST_TOKENS, MOST_LOGITS // spec.embedding.vocabulary) if language else MOST_TOKENS
    kept: list[NDArray[np.integer]] = []
    count = 0
    for text in texts:
        if kept and count + len(text) > most:
            break
        kept.append(text)
        count += len(text)
    return kept
