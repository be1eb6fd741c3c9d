"""AWQ: inputs that are large are made smaller where they come from, and their weights larger, before rounding.

Enters: a layer and the moments of what enters its linear layers. Leaves: the same function, easier to round.
Not here: the rounding (matrix.py).

A factor can be given to an input only where what makes the input can take its inverse: a norm whose output goes nowhere
else, or the rows of a linear layer with nothing but products behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from smallwright.compress.quantize import dequantize, quantize
from smallwright.compress.quantizing.calibration import Moments
from smallwright.compress.quantizing.gptq import output_error
from smallwright.compress.quantizing.grid import Doubles
from smallwright.errors import RecipeError
from smallwright.model.block import Layer
from smallwright.spec import ModelSpec
from smallwright.spec.model import LayerSpec

STEPS = 20  # exponents tried, from 0 (no factors) to below 1


@dataclass(frozen=True)
class Fold:
    """``readers``: linear layers that read the same input; ``source``: what makes it and takes the inverse factors.

    ``repeats``: inputs that one channel of the source feeds (query heads that share a value head).
    """

    readers: tuple[str, ...]
    source: str
    repeats: int = 1


def list_folds(spec: LayerSpec) -> list[Fold]:
    """The places of a pre-norm layer, in the order of its flow."""
    mixer, feedforward = spec.mixer, spec.feedforward
    gated = feedforward.kind == "gated"
    folds = [
        Fold(("mixer.q", "mixer.k", "mixer.v"), "mixer.norm"),
        Fold(("mixer.output",), "mixer.v", mixer.heads // mixer.key_value_heads),
        Fold(("feedforward.gate", "feedforward.up") if gated else ("feedforward.up",), "feedforward.norm"),
    ]
    if gated or feedforward.activation == "relu":  # relu(s x) = s relu(x); the other activations bend
        folds.append(Fold(("feedforward.down",), "feedforward.up"))
    return folds


def check_awq(spec: ModelSpec) -> None:
    """Refuse a model in which norms cannot take factors.

    Raises:
        RecipeError: its norms stand after the sums.
    """
    if spec.norm.placement != "pre":
        raise RecipeError(
            "compress.using: awq gives factors to norms whose output only linear layers read. Got a model whose "
            "norms stand after the residual sums, as BERT's, and feed the next sum too. Use using: gptq."
        )


@torch.no_grad()
def scale_inputs(
    layer: Layer, spec: LayerSpec, moments: Mapping[str, Moments], formats: Mapping[str, str], span: int
) -> dict[str, float]:
    """Search and fold the factors of a layer, in place.

    Args:
        layer: its function stays the same but for rounding in float32.
        spec: its description.
        moments: by linear layer, of its inputs.
        formats: by linear layer, in which it will be stored.
        span: see ``quantize``.
    Returns:
        The exponent chosen for each fold, by the name of its first reader; 0 is rounding alone.
    """
    chosen = {}
    for fold in list_folds(spec):
        readers = [layer.get_submodule(name) for name in fold.readers]
        weights = [reader.weight.detach().numpy() for reader in readers]
        kinds = [formats[name] for name in fold.readers]
        found = moments[fold.readers[0]]
        exponent, factors = _search(weights, kinds, found, fold.repeats, spec.mixer.head_width, span)
        chosen[fold.readers[0]] = exponent
        for reader in readers:
            reader.weight.mul_(torch.from_numpy(factors.astype(np.float32)))
        inverse = torch.from_numpy(1 / _per_source(factors, fold.repeats, spec.mixer.head_width)).float()
        source = layer.get_submodule(fold.source)
        source.weight.mul_(inverse if source.weight.dim() == 1 else inverse[:, None])
        if source.bias is not None:
            source.bias.mul_(inverse)
    return chosen


def _search(
    weights: Sequence[NDArray[np.float32]],
    formats: Sequence[str],
    moments: Moments,
    repeats: int,
    width: int,
    span: int,
) -> tuple[float, Doubles]:
    """The factors magnitude^a, normalised, whose rounded weights have the least output error.

    Source: Lin et al., AWQ, arXiv:2306.00978, eqs. 4 and 5. The error is that of the linear layers' own outputs.
    """
    magnitude = moments.magnitude / moments.count
    if repeats > 1:  # the mean over the readers of one channel
        magnitude = _spread(magnitude.reshape(-1, repeats, width).mean(axis=1), repeats)
    magnitude = np.maximum(magnitude, 1e-4 * float(magnitude.max()) or 1.0)
    best: tuple[float, float, Doubles] | None = None
    for step in range(STEPS):
        exponent = step / STEPS
        factors = magnitude**exponent
        factors = factors / np.sqrt(factors.max() * factors.min())
        error = 0.0
        for weight, format in zip(weights, formats, strict=True):
            rows = quantize((weight * factors).astype(np.float32), format, span=span)
            meant = dequantize(rows, format, weight.shape[1]) / factors
            error += float(output_error(weight - meant, moments.second).sum())
        if best is None or error < best[0]:
            best = error, exponent, factors
    assert best is not None  # there is at least one step
    return best[1], best[2]


def _spread(channels: NDArray[np.floating], repeats: int) -> Doubles:
    """(K, head width) by value head into (K * repeats * head width,) by query head."""
    return np.repeat(channels[:, None], repeats, axis=1).reshape(-1).astype(np.float64)


def _per_source(factors: Doubles, repeats: int, width: int) -> Doubles:
    return factors if repeats == 1 else factors.reshape(-1, repeats, width)[:, 0].reshape(-1)
