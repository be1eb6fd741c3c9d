"""A whole model's layers made sparse, in the order in which texts flow through them.

Enters: a model, a share for every matrix, calibration texts. Leaves: zeros in the model's weights, and facts.
Not here: one matrix (matrix.py), deciding shares (allocation.py), training afterwards (masks.py, train/).

Each group of matrices is judged by what the sparse ones before it give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smallwright.compress.quantizing.bias import keep_mean_output
from smallwright.compress.quantizing.calibration import Stream
from smallwright.compress.quantizing.grid import Doubles
from smallwright.compress.quantizing.model import list_groups
from smallwright.compress.sparsifying.matrix import Sparsifier, SparsifyOptions
from smallwright.compress.sparsifying.patterns import Pattern
from smallwright.errors import ModelSpecError
from smallwright.model.transformer import Transformer
from smallwright.spec import ModelSpec
from smallwright.spec.tensors import TensorSpec, list_tensors

Texts = Sequence[NDArray[np.integer]]


def list_sparsified(spec: ModelSpec) -> list[TensorSpec]:
    """The tensors of which weights are dropped: the matrices inside layers, nothing else."""
    return [tensor for tensor in list_tensors(spec) if tensor.matrix and tensor.name.startswith("layers.")]


def check_pattern(spec: ModelSpec, pattern: Pattern) -> None:
    """Refuse a pattern whose groups do not divide the rows.

    Raises:
        ModelSpecError: a matrix's width is no multiple of M.
    """
    for tensor in list_sparsified(spec):
        if tensor.shape[1] % pattern.of:
            raise ModelSpecError(
                f"pattern {pattern} needs rows that are a multiple of {pattern.of} wide. Got {tensor.shape[1]} in "
                f"{tensor.name}. Use pattern: unstructured, or other widths."
            )


@torch.no_grad()
def sparsify_model(
    model: Transformer, sparsities: Mapping[str, float], texts: Texts, options: SparsifyOptions
) -> dict[str, dict[str, Any]]:
    """Drop weights of every matrix inside the layers.

    Args:
        model: float32, in evaluation mode, on a CPU; its weights are changed, with ``correct_bias`` also its biases,
            which all linear layers inside its layers must have then (``quantizing.bias.add_biases``).
        sparsities: share to drop, by tensor name, for every one of ``list_sparsified``.
        texts: calibration tokens, at least one text.
    Returns:
        Facts by tensor name, see ``Sparsifier.describe``.
    Raises:
        DataError: there are no texts.
        ModelSpecError: see ``check_pattern`` and ``Sparsifier``.
    """
    if options.pattern is not None:
        check_pattern(model.spec, options.pattern)
    facts: dict[str, dict[str, Any]] = {}
    for name, linear, sparsifier in walk(model, texts, options):
        weights = linear.weight.detach().numpy()
        sparse = sparsifier.sparsify(weights, sparsities[name])
        facts[name] = sparsifier.describe(weights, sparse, sparsities[name])
        before = weights.copy()
        linear.weight.copy_(torch.from_numpy(sparse))
        if options.correct_bias:
            keep_mean_output(linear, before, sparsifier.moments)
    return facts


def walk(model: Transformer, texts: Texts, options: SparsifyOptions) -> Iterator[tuple[str, nn.Linear, Sparsifier]]:
    """Every matrix inside the layers, by tensor name, with what is known of its inputs now.

    What the reader of this changes in a matrix is what the next group of matrices sees.
    """
    stream = Stream(model, texts)
    for index, layer in enumerate(model.layers):
        for group in list_groups(model.spec.layers[index]):
            sparsifier = Sparsifier(stream.gather(layer, group[:1])[group[0]], options)
            for name in group:
                yield f"layers.{index}.{name}.weight", layer.get_submodule(name), sparsifier
        stream.advance(layer)


def measure_norms(model: Transformer, texts: Texts) -> dict[str, Doubles]:
    """(C,) L2 norms of the inputs of every matrix inside the layers, over the calibration tokens, by tensor name."""
    return {name: sparsifier.norms for name, _, sparsifier in walk(model, texts, SparsifyOptions("magnitude"))}
