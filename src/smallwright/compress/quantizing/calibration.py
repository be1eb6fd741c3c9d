"""Calibration texts as a stream that passes the model layer by layer: what enters each linear layer, in moments.

Enters: a model and texts as tokens. Leaves: for a layer at a time, the second moments of its linear layers' inputs.
Not here: which texts (the pipeline draws them from the training rows), and what is done with the moments.

Only the hidden states before the current layer are kept: memory is the model, these, and the moments of one layer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smallwright.compress.quantizing.grid import Doubles
from smallwright.errors import DataError
from smallwright.model.attention import Layout
from smallwright.model.block import Layer
from smallwright.model.transformer import Transformer
from smallwright.train.predict import group_by_length, pad

_TOKENS_AT_ONCE = 256  # in the forward passes: their activations are most of the memory beside the model


@dataclass(frozen=True)
class Moments:
    """Sums over the ``count`` vectors X (count, C) that entered a linear layer.

    ``second``: X^T X (C, C), the Hessian of the outputs' squared error but for a factor. ``total``: (C,) the sum.
    ``magnitude``: (C,) the sum of |X|.
    """

    count: int
    second: Doubles
    total: Doubles
    magnitude: Doubles

    @property
    def mean(self) -> Doubles:
        """(C,) the mean input."""
        return self.total / self.count

    def scale_inputs(self, factors: Doubles) -> Moments:
        """The same of inputs multiplied by ``factors`` (C,)."""
        return Moments(
            self.count,
            self.second * np.outer(factors, factors),
            self.total * factors,
            self.magnitude * np.abs(factors),
        )


@dataclass
class _Batch:
    x: Tensor  # (B, T, D) before the current layer
    layout: Layout
    lengths: Tensor  # (B,)
    real: Tensor | None  # (B, T) bool; None: all of them


class _Enough(Exception):
    """Everything that was asked for has been seen: the rest of the layer need not run."""


class Stream:
    """The texts on their way through a model.

    Args:
        model: in evaluation mode on a CPU; the stream reads its weights as they are when each layer runs.
        texts: tokens of each, at least one, none longer than the context.
    Raises:
        DataError: there are no texts.
    """

    @torch.inference_mode()
    def __init__(self, model: Transformer, texts: Sequence[NDArray[np.integer]]) -> None:
        if not len(texts):
            raise DataError("calibration needs texts. Got none. Give training rows, or use using: round.")
        self.model = model
        self._batches = [
            self._embed([texts[row] for row in rows])
            for rows in group_by_length([len(text) for text in texts], _TOKENS_AT_ONCE)
        ]

    def _embed(self, texts: Sequence[NDArray[np.integer]]) -> _Batch:
        tokens, lengths = pad(texts, torch.device("cpu"))
        whole = int(lengths.min()) == tokens.shape[1]
        real = None if whole else torch.arange(tokens.shape[1]) < lengths[:, None]
        return _Batch(self.model.embedding(tokens), self.model.lay_out(tokens, lengths), lengths, real)

    @torch.inference_mode()
    def gather(self, layer: Layer, names: Sequence[str]) -> dict[str, Moments]:
        """Moments of what enters the linear layers ``names`` (``mixer.q``, ...) of the layer that the stream is at."""
        return self._watch(layer, names, lambda batch: layer(batch.x, batch.layout))

    @torch.inference_mode()
    def advance(self, layer: Layer) -> None:
        """Run the layer: the stream is at the next one then."""
        for batch in self._batches:
            batch.x = layer(batch.x, batch.layout)

    @torch.inference_mode()
    def gather_head(self, name: str) -> dict[str, Moments]:
        """Moments of what enters the head's linear layers, by their names in the head, once all layers have run.

        A language model's only one is ``output``, tied or not.
        """
        head = self.model.heads[name]
        if self.model.spec.heads[name].kind == "classifier":
            names = [part for part, module in head.named_children() if isinstance(module, nn.Linear)]
            return self._watch(head, names, lambda batch: self.model.read_head(name, batch.x, batch.lengths))
        sums = _Sums()
        self.add_output(sums)
        return {"output": sums.moments}

    def add_output(self, sums: _Sums) -> None:
        """Count what enters a language model's output matrix, once all layers have run."""
        for batch in self._batches:
            sums.add(batch.x if self.model.norm is None else self.model.norm(batch.x), batch.real)

    @torch.inference_mode()
    def answers(self, layers: Sequence[Layer], head: str) -> Iterator[Tensor]:
        """The head's logits, batch by batch, after the layers that are still to come; padding is left out.

        (N, V) of each real token of a language model, (B, C) of a classifier.
        """
        for batch in self._batches:
            x = batch.x
            for layer in layers:
                x = layer(x, batch.layout)
            logits = self.model.read_head(head, x, batch.lengths)
            if logits.dim() == 3:
                logits = logits.flatten(0, 1) if batch.real is None else logits[batch.real]
            yield logits

    def _watch(self, module: nn.Module, names: Sequence[str], run: Callable[[_Batch], Tensor]) -> dict[str, Moments]:
        sums = {name: _Sums() for name in names}
        for batch in self._batches:
            seen: set[str] = set()

            def look(name: str, x: Tensor, batch: _Batch = batch, seen: set[str] = seen) -> None:
                sums[name].add(x, batch.real if x.dim() == 3 else None)
                seen.add(name)
                if len(seen) == len(names):
                    raise _Enough

            hooks = [
                module.get_submodule(name).register_forward_pre_hook(
                    lambda _, inputs, name=name, look=look: look(name, inputs[0])
                )
                for name in names
            ]
            try:
                with contextlib.suppress(_Enough):  # the layers behind them need not run
                    run(batch)
            finally:
                for hook in hooks:
                    hook.remove()
        return {name: found.moments for name, found in sums.items()}


@torch.inference_mode()
def gather_output(model: Transformer, texts: Sequence[NDArray[np.integer]]) -> Moments:
    """Moments of what enters a language model's output matrix, of as few texts at a time as a stream passes on."""
    sums = _Sums()
    for rows in group_by_length([len(text) for text in texts], _TOKENS_AT_ONCE):
        stream = Stream(model, [texts[row] for row in rows])
        for layer in model.layers:
            stream.advance(layer)
        stream.add_output(sums)
    return sums.moments


class _Sums:
    """Moments as they grow: products of a batch in float32, added in place to sums in float64."""

    def __init__(self) -> None:
        self._moments: Moments | None = None

    def add(self, x: Tensor, real: Tensor | None) -> None:
        rows = x.flatten(0, -2) if real is None else x[real]
        if self._moments is None:
            size = rows.shape[1]
            self._moments = Moments(0, np.zeros((size, size)), np.zeros(size), np.zeros(size))
        old = self._moments
        np.add(old.second, (rows.T @ rows).numpy(), out=old.second)
        np.add(old.total, rows.sum(0, dtype=torch.float64).numpy(), out=old.total)
        np.add(old.magnitude, rows.abs().sum(0, dtype=torch.float64).numpy(), out=old.magnitude)
        self._moments = replace(old, count=old.count + len(rows))

    @property
    def moments(self) -> Moments:
        assert self._moments is not None  # there is at least one batch
        return self._moments
