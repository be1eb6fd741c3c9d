"""How far a student's distribution is from its teacher's: a table of divergences by name.

Enters: logits of both over the same C classes. Leaves: one number a row, at least 0, and 0 where the two are equal.
Not here: labels and their weight (objectives.py).

With p the teacher's and q the student's probabilities, each of softmax(logits / T); all are multiplied by T squared, so
that the gradient's size stays the same at every T (Hinton, Vinyals, Dean, arXiv:1503.02531, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

_NEVER = -1e9
"""A logit of which float32 knows no probability; minus infinity would make 0 times infinity of it."""

Divergence = Callable[[Tensor, Tensor, float], Tensor]
"""Log-probabilities of teacher and student, (N, C) float32 each, and the skew. Leaves (N,) float32."""


def relative_entropy(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) of log-probabilities (N, C) as (N,); a class of which p knows nothing counts 0."""
    share = log_p.exp()
    return torch.where(share > 0, share * (log_p - log_q), torch.zeros_like(share)).sum(-1)


def _mix(log_p: Tensor, log_q: Tensor, share: float) -> Tensor:
    """The logarithm of share * p + (1 - share) * q."""
    return torch.logaddexp(log_p + math.log(share), log_q + math.log1p(-share))


def _forward(log_p: Tensor, log_q: Tensor, skew: float) -> Tensor:
    return relative_entropy(log_p, log_q)


def _reverse(log_p: Tensor, log_q: Tensor, skew: float) -> Tensor:
    # A class that the teacher excludes outright would cost infinity: it costs as much as float32 can still tell from 0.
    return relative_entropy(log_q, log_p.clamp(min=-87.0))


def _skewed_forward(log_p: Tensor, log_q: Tensor, skew: float) -> Tensor:
    return relative_entropy(log_p, _mix(log_p, log_q, skew))


def _skewed_reverse(log_p: Tensor, log_q: Tensor, skew: float) -> Tensor:
    return relative_entropy(log_q, _mix(log_q, log_p, skew))


def _jensen_shannon(log_p: Tensor, log_q: Tensor, skew: float) -> Tensor:
    middle = _mix(log_p, log_q, skew)
    return skew * relative_entropy(log_p, middle) + (1.0 - skew) * relative_entropy(log_q, middle)


DIVERGENCES: dict[str, Divergence] = {
    "forward": _forward,
    "reverse": _reverse,
    "skewed_forward": _skewed_forward,
    "skewed_reverse": _skewed_reverse,
    "jensen_shannon": _jensen_shannon,
}
"""With a for the skew and b for 1 - a:

- forward: KL(p || q), which covers all that the teacher may say; reverse: KL(q || p), which keeps to what it does say
  (MiniLLM, arXiv:2306.08543).
- skewed_forward: KL(p || a p + b q); skewed_reverse: KL(q || a q + b p): never large (DistiLLM, arXiv:2402.03898).
- jensen_shannon: a KL(p || m) + b KL(q || m) with m = a p + b q (GKD, arXiv:2306.13649).
"""


def soft_target_divergence(
    student: Tensor, teacher: Tensor, temperature: float, *, kind: str = "forward", skew: float = 0.1
) -> Tensor:
    """A divergence between softmax(teacher / T) and softmax(student / T), times T squared.

    Args:
        student: (N, C) float32 logits.
        teacher: (N, C) float32 logits; minus infinity is a probability of 0.
        temperature: T above 0.
        kind: a key of ``DIVERGENCES``.
        skew: in (0, 1), for those that mix the two distributions.
    Returns:
        (N,) float32, at least 0, and 0 where the two distributions are equal.
    """
    log_p, log_q = (F.log_softmax(logits / temperature, dim=-1) for logits in (teacher, student))
    return DIVERGENCES[kind](log_p, log_q, skew) * temperature**2


def gather_top(logits: Tensor, teacher: Tensor, classes: Tensor, *, tail: bool) -> tuple[Tensor, Tensor]:
    """Both distributions over the K classes that the teacher speaks of; with ``tail``, over K + 1.

    Args:
        logits: the student's, (N, C) float32.
        teacher: (N, K) float32 log-probabilities, of all C classes together.
        classes: (N, K) int64, which classes those are; -1: one that the student does not have (its teacher reads other
            tokens). Both give it the probability 0.
        tail: all other classes are one more, of which the teacher says what it left over (at least 1e-6). Without it
            each distribution is taken over the K alone, and says nothing of the student's other classes.
    Returns:
        student (N, K or K + 1) and teacher likewise, float32 logits.
    """
    foreign = classes < 0
    spoken = logits.gather(-1, classes.clamp(min=0)).masked_fill(foreign, _NEVER)
    teacher = teacher.masked_fill(foreign, _NEVER)
    if not tail:
        return spoken, teacher
    everything = logits.logsumexp(-1, keepdim=True)
    left = torch.log1p(-(spoken - everything).exp().sum(-1, keepdim=True).clamp(max=1 - 1e-6)) + everything
    rest = torch.log1p(-teacher.exp().sum(-1, keepdim=True).clamp(max=1 - 1e-6))
    return torch.cat((spoken, left), -1), torch.cat((teacher, rest), -1)
