"""A whole model into stored matrices, in the order in which texts flow through it.

Enters: a model, a format for every tensor, calibration texts. Leaves: every matrix as rows, the other tensors, facts.
Not here: deciding formats (compress/quantize.py, mixed.py), one matrix (matrix.py), the file (package/).

Each layer is coded on what the layers before it give once they are coded, so that later layers make good what earlier
ones lost; and inside a layer each linear layer on what the ones before it in the layer give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smallwright.compress.quantizing.awq import check_awq, scale_inputs
from smallwright.compress.quantizing.bias import add_biases, keep_mean_output
from smallwright.compress.quantizing.calibration import Moments, Stream
from smallwright.compress.quantizing.matrix import QuantizeOptions, store
from smallwright.model.block import Layer
from smallwright.model.transformer import Transformer
from smallwright.spec import ModelSpec
from smallwright.spec.model import LayerSpec

TIED_DAMPING = 0.3  # of a table that is looked up, too, where all directions of an error count alike

TABLE = "embedding.tokens"

_ROWS_AT_ONCE = 4096

Texts = Sequence[NDArray[np.integer]]


@dataclass(frozen=True)
class Quantized:
    """A model as it will be stored.

    ``spec``: with the biases that were added. ``tensors``: all, float32; of a matrix what its rows mean. ``formats``:
    of all tensors. ``rows``: (R, bytes of a row) uint8 by matrix. ``facts``: by matrix, see ``matrix.store``.
    """

    spec: ModelSpec
    tensors: dict[str, NDArray[np.float32]]
    formats: dict[str, str]
    rows: dict[str, NDArray[np.uint8]]
    facts: dict[str, dict[str, Any]]


def list_groups(spec: LayerSpec) -> list[tuple[str, ...]]:
    """The linear layers of a layer in the order of its flow; those of a group read the same input."""
    gated = ("feedforward.gate",) if spec.feedforward.kind == "gated" else ()
    return [
        ("mixer.q", "mixer.k", "mixer.v"),
        ("mixer.output",),
        (*gated, "feedforward.up"),
        ("feedforward.down",),
    ]


def table_options(options: QuantizeOptions) -> QuantizeOptions:
    """How a tied table is coded: for what the head makes of it, with a Hessian that knows its directions less."""
    return replace(options, damping=max(TIED_DAMPING, options.damping))


@torch.no_grad()
def quantize_model(model: Transformer, formats: Mapping[str, str], texts: Texts, options: QuantizeOptions) -> Quantized:
    """Code every matrix.

    Args:
        model: float32, in evaluation mode, on a CPU. Afterwards its weights are what is stored.
        formats: by tensor of ``model.spec``, as ``plan_formats`` makes them; those of added biases are f32.
        texts: calibration tokens; not read where ``options`` needs none.
    Raises:
        RecipeError: AWQ of a model with norms after the sums.
        DataError: there are no texts.
        ModelSpecError: a tensor cannot be coded.
    """
    if options.using == "awq":
        check_awq(model.spec)
    if options.correct_bias:
        model = add_biases(model)
    return _Run(model, dict(formats), texts, options).finish()


class _Run:
    def __init__(self, model: Transformer, formats: dict[str, str], texts: Texts, options: QuantizeOptions) -> None:
        self.model, self.texts, self.options = model, texts, options
        self.formats = {name: formats.get(name, "f32") for name in model.state_dict()}
        self.rows: dict[str, NDArray[np.uint8]] = {}
        self.facts: dict[str, dict[str, Any]] = {}

    def finish(self) -> Quantized:
        self._code_tables()
        stream = Stream(self.model, self.texts) if self.options.calibrated else None
        for index, layer in enumerate(self.model.layers):
            self._code_layer(stream, index, layer)
            if stream is not None:
                stream.advance(layer)
        for name, head in self.model.heads.items():
            for part, module in head.named_children():
                if isinstance(module, nn.Linear):
                    moments = stream.gather_head(name)[part] if stream is not None else None
                    self._code(f"heads.{name}.{part}", module, moments)
        return Quantized(
            spec=self.model.spec,
            tensors={name: tensor.detach().numpy() for name, tensor in self.model.state_dict().items()},
            formats=self.formats,
            rows=self.rows,
            facts=self.facts,
        )

    def _code_tables(self) -> None:
        """Tables of tokens and pairs. A tied one is coded for what the head makes of it."""
        tied = [name for name, head in self.model.spec.heads.items() if head.tied]
        moments = None
        if tied and self.options.using == "gptq":
            stream = Stream(self.model, self.texts)
            for layer in self.model.layers:
                stream.advance(layer)
            moments = stream.gather_head(tied[0])["output"]
        self._code(TABLE, self.model.embedding.tokens, moments, table_options(self.options))
        if self.model.embedding.bigrams is not None:
            self._code("embedding.bigrams", self.model.embedding.bigrams, None)

    def _code_layer(self, stream: Stream | None, index: int, layer: Layer) -> None:
        spec, place = self.model.spec.layers[index], f"layers.{index}"
        groups = list_groups(spec)
        exponents: dict[str, float] = {}
        if stream is not None and self.options.using == "awq":
            names = [name for group in groups for name in group]
            formats = {name: self.formats[f"{place}.{name}.weight"] for name in names}
            exponents = scale_inputs(layer, spec, stream.gather(layer, names), formats, self.options.span)
        for group in groups:
            moments = stream.gather(layer, group[:1])[group[0]] if stream is not None else None
            for name in group:
                self._code(f"{place}.{name}", layer.get_submodule(name), moments)
                if name in exponents:
                    self.facts[f"{place}.{name}.weight"]["awq_exponent"] = exponents[name]

    def _code(
        self,
        place: str,
        module: nn.Linear | nn.Embedding,
        moments: Moments | None,
        options: QuantizeOptions | None = None,
    ) -> None:
        name, rows, size_bytes = f"{place}.weight", [], 0
        biased = isinstance(module, nn.Linear) and module.bias is not None
        for part in _parts(module.weight, moments):
            found = store(
                module.weight[part].detach().numpy(), self.formats[name], moments, options or self.options, name
            )
            if self.options.correct_bias and biased and moments is not None:
                keep_mean_output(module, found.weights, moments)
            module.weight[part].copy_(torch.from_numpy(found.weights))
            rows.append(found.rows)
            size_bytes += found.facts["bytes"]
        self.rows[name] = rows[0] if len(rows) == 1 else np.concatenate(rows)
        self.facts[name] = {**found.facts, "bytes": size_bytes}


def _parts(weight: torch.Tensor, moments: Moments | None) -> list[slice]:
    """The rows to code at a time: some, where only rounding is asked, so that no second table is held beside a table.

    All where a value is odd, for the message says in which row.
    """
    finite = bool(torch.isfinite(weight.min()) & torch.isfinite(weight.max()))  # both are odd where one value is
    if moments is not None or not finite:
        return [slice(None)]
    return [slice(begin, begin + _ROWS_AT_ONCE) for begin in range(0, len(weight), _ROWS_AT_ONCE)]
