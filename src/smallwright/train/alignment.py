"""How far a student is from a teacher that reads other tokens: by ranks alone, or by how likely both find the same
bytes. Over the tokens that both have: divergences.py.

Enters: the student's logits, and what its teacher said where both end a token. Leaves: losses, at least 0.
Not here: labels and their weight (objectives.py), finding those places (tokenizer/alignment.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from smallwright.train.divergences import relative_entropy

_SURE = -1e-6
"""The largest log-likelihood: float32 can tell no larger one from 0."""


def sorted_distance(logits: Tensor, teacher: Tensor) -> Tensor:
    """The sum of the differences between the k-th largest probabilities of both, for every k: no token need be shared.

    Args:
        logits: the student's, (N, C) float32.
        teacher: (N, K) float32 log-probabilities; what they leave of 1 is compared as one more.
    Returns:
        (N,) float32, from 0 to 2. With all of the teacher's tokens in ``teacher`` it is the paper's, with only the best
        of them a lower bound of it.
    Source: Universal Logit Distillation, Boizard et al., arXiv:2402.12030, section 3 (the Wasserstein distance of the
        sorted probabilities).
    """
    wanted = teacher.exp().sort(dim=-1, descending=True).values
    count = min(wanted.shape[-1], logits.shape[-1])
    mine = torch.softmax(logits, dim=-1).topk(count, dim=-1).values
    mine = F.pad(mine, (0, wanted.shape[-1] - count))
    rest = (1.0 - mine.sum(-1)).clamp(min=0) - (1.0 - wanted.sum(-1)).clamp(min=0)
    return (mine - wanted).abs().sum(-1) + rest.abs()


def likelihood_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The divergence between "these bytes come next" and "others do", as both models find it.

    Args:
        student, teacher: (S,) float32 log-likelihoods, in nats, of S spans of text.
        temperature: T above 0; likelihoods are taken to the power of 1 / T.
    Returns:
        (S,) float32, the relative entropy of both, times T so that its gradient keeps its size as T grows.
    Source: Approximate Likelihood Matching, Minixhofer et al., arXiv:2503.20083 (the binarised divergence, here KL).
    """
    both = []
    for likelihood in (teacher, student):
        come = (likelihood / temperature).clamp(max=_SURE)
        both.append(torch.stack((come, torch.log(-torch.expm1(come))), dim=-1))
    return relative_entropy(both[0], both[1]) * temperature
