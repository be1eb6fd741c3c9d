"""A share of weights to drop for every matrix, by what dropping them costs the answers.

Enters: a model, calibration texts, the share of all matrices together. Leaves: a share for each, and what was measured.
Not here: dropping (model.py).

Every matrix is made sparse alone, at a few shares around the one that was asked for, and the model's answers are
compared with those of its dense weights. The cheapest weights are dropped first, whichever matrix they are in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F

from smallwright.compress.quantizing.answers import choose_judged, divergence
from smallwright.compress.quantizing.calibration import Stream
from smallwright.compress.sparsifying.matrix import SparsifyOptions
from smallwright.compress.sparsifying.model import Texts, walk
from smallwright.model.transformer import Transformer

MOST_STEP = 0.1  # between the shares that are tried
STEPS = (-2, -1, 0, 1, 2)


@dataclass(frozen=True)
class Sensitivity:
    """What one matrix costs: ``nats`` by share dropped, the mean Kullback-Leibler divergence of an answer from that of
    dense weights, with this matrix alone sparse; ``weights``, how many it has."""

    name: str
    weights: int
    nats: Mapping[float, float]


def list_shares(sparsity: float) -> list[float]:
    """The shares tried around one of all matrices, which is above 0 and below 1, as all of these are."""
    step = min(MOST_STEP, sparsity / 3, (1 - sparsity) / 3)
    return [sparsity + step * place for place in STEPS]


@torch.no_grad()
def measure_sensitivity(
    model: Transformer, texts: Texts, sparsity: float, options: SparsifyOptions
) -> list[Sensitivity]:
    """Make every matrix sparse alone, at each of ``list_shares``, and compare the answers.

    Args:
        model: float32, in evaluation mode, on a CPU; as it was, afterwards. Its only head answers.
        texts: calibration tokens; the answers to the first of them are compared (``choose_judged``).
        sparsity: of all matrices together.
        options: how weights are dropped.
    Raises:
        DataError: there are no texts.
    """
    head = next(iter(model.spec.heads))
    judged = Stream(model, choose_judged(model.spec, texts))
    layers = list(model.layers)
    reference = [F.log_softmax(logits, dim=-1) for logits in judged.answers(layers, head)]
    found: list[Sensitivity] = []
    reached = 0
    for name, linear, sparsifier in walk(model, texts, options):
        index = int(name.split(".")[1])
        if index > reached:
            judged.advance(layers[reached])
            reached = index
        whole = linear.weight.detach().clone()
        nats: dict[float, float] = {}
        for share in list_shares(sparsity):
            linear.weight.copy_(torch.from_numpy(sparsifier.sparsify(whole.numpy(), share)))
            costs = [
                divergence(kept, logits)
                for kept, logits in zip(reference, judged.answers(layers[index:], head), strict=True)
            ]
            nats[share] = float(torch.cat(costs).double().mean())
        linear.weight.copy_(whole)
        found.append(Sensitivity(name, whole.numel(), nats))
    return found


def allocate(measured: Sequence[Sensitivity], sparsity: float) -> dict[str, float]:
    """Shares that cost least nats together, of all weights together the share that was asked for.

    Between the shares that were measured the cost is taken to run straight, and where it does not grow faster and
    faster, along the line below it that does (the lower convex hull): then the cheapest parts first is the optimum.

    Args:
        measured: of every matrix; each with at least two shares, the lowest of which allow ``sparsity``, as do the
            highest.
        sparsity: of all weights together.
    Returns:
        {tensor name: share to drop}.
    Source: the greedy solution of the continuous knapsack problem (Dantzig, Operations Research 5, 1957).
    """
    shares, parts = {}, []
    for one in measured:
        corners = _lower_hull(sorted(one.nats.items()))
        shares[one.name] = corners[0][0]
        for (low, before), (high, after) in pairwise(corners):
            parts.append(((after - before) / ((high - low) * one.weights), one.name, high - low, one.weights))
    left = sum(one.weights * (sparsity - shares[one.name]) for one in measured)
    for _, name, width, weights in sorted(parts, key=lambda part: (part[0], part[1])):
        taken = min(width, max(0.0, left) / weights)
        shares[name] += taken
        left -= taken * weights
    return shares


def _lower_hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those of the points, in rising order of the first number, that are on the convex line below all of them."""
    hull: list[tuple[float, float]] = []
    for point in points:
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _turns_down(first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]) -> bool:
    ahead = (middle[0] - first[0]) * (last[1] - first[1])
    return ahead <= (middle[1] - first[1]) * (last[0] - first[0])
