"""A whole model into stored matrices, in the order in which texts flow through it.

Enters: a model, a format for every tensor, calibration texts. Leaves: every matrix as rows, the other tensors, facts.
Not here: deciding formats (compress/quantize.py, mixed.py), one matrix (matrix.py), the file (package/).

Each layer is coded on what the layers before it give once they are coded, so that later layers make good what earlier
ones lost; and inside a layer each linear layer on what the ones before it in the layer give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smallwright.compress.quantize import dequantize
from smallwright.compress.quantizing.awq import check_awq, scale_inputs
from smallwright.compress.quantizing.bias import add_biases, keep_mean_output
from smallwright.compress.quantizing.calibration import Moments, Stream, gather_output
from smallwright.compress.quantizing.matrix import QuantizeOptions, store
from smallwright.model.block import Layer
from smallwright.model.transformer import Transformer
from smallwright.spec import ModelSpec
from smallwright.spec.model import LayerSpec
from smallwright.spec.tensors import list_tensors
from smallwright.train.memory import give_back

TIED_DAMPING = 0.3  # of a table that is looked up, too, where all directions of an error count alike

TABLE = "embedding.tokens"

Texts = Sequence[NDArray[np.integer]]


@dataclass(frozen=True)
class Quantized:
    """A model as it will be stored.

    ``spec``: with the biases that were added. ``rows``: (R, bytes of a row) uint8 by matrix. ``whole``: the other
    tensors, float32. ``formats``: of all tensors. ``facts``: by matrix, see ``matrix.store``.
    """

    spec: ModelSpec
    rows: dict[str, NDArray[np.uint8]]
    whole: dict[str, NDArray[np.float32]]
    formats: dict[str, str]
    facts: dict[str, dict[str, Any]]

    @property
    def tensors(self) -> Mapping[str, NDArray[np.float32]]:
        """All of them, float32; a matrix is made of its rows when it is asked for."""
        return _Meant(self)

    def as_model(self) -> Transformer:
        """The float32 model that multiplies what is stored, in evaluation mode."""
        tensors = {name: torch.from_numpy(tensor) for name, tensor in self.tensors.items()}
        return Transformer.from_tensors(self.spec, tensors).eval()


class _Meant(Mapping[str, NDArray[np.float32]]):
    def __init__(self, coded: Quantized) -> None:
        self._coded = coded
        self._columns = {tensor.name: tensor.shape[-1] for tensor in list_tensors(coded.spec)}

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        rows = self._coded.rows.get(name)
        if rows is None:
            return self._coded.whole[name]
        return dequantize(rows, self._coded.formats[name], self._columns[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


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
    """Code every matrix, and let go of its weights as soon as no text has to pass it any more.

    Memory beside the float32 model: codes, what one layer takes, and the texts' hidden states where there are texts.

    Args:
        model: float32, in evaluation mode, on a CPU. It is used up: its matrices are empty afterwards.
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


class _CodedTable(nn.Module):
    """A table that is looked up in its rows of bytes."""

    def __init__(self, rows: NDArray[np.uint8], format: str, width: int) -> None:
        super().__init__()
        self.rows, self.format, self.width = rows, format, width
        self.num_embeddings = len(rows)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        found = dequantize(self.rows[tokens.flatten().numpy()], self.format, self.width)
        return torch.from_numpy(found).view(*tokens.shape, self.width)


class _Run:
    def __init__(self, model: Transformer, formats: dict[str, str], texts: Texts, options: QuantizeOptions) -> None:
        self.model, self.texts, self.options = model, texts, options
        self.formats = {name: formats.get(name, "f32") for name in model.state_dict()}
        self.rows: dict[str, NDArray[np.uint8]] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.coded: set[int] = set()

    def finish(self) -> Quantized:
        stream = None
        give_back()  # of what reading the model took
        if self.options.calibrated:
            self._code_tables()
            stream = self._begin_stream()
        for index, layer in enumerate(self.model.layers):
            self._code_layer(stream, index, layer)
            if stream is not None:
                stream.advance(layer)
            self._let_go(layer)
        for name, head in self.model.heads.items():
            for part, module in head.named_children():
                if isinstance(module, nn.Linear):
                    moments = stream.gather_head(name)[part] if stream is not None else None
                    self._code(f"heads.{name}.{part}", module, moments)
            self._let_go(head)
        if stream is None:  # the largest matrix last: most weights are gone by then
            self._code_tables()
        state = {name: tensor.detach().numpy() for name, tensor in self.model.state_dict().items()}
        return Quantized(
            spec=self.model.spec,
            rows=self.rows,
            whole={name: tensor for name, tensor in state.items() if name not in self.rows},
            formats=self.formats,
            facts=self.facts,
        )

    def _let_go(self, part: nn.Module) -> None:
        """Its matrices are in rows, and nothing reads them after this."""
        for module in part.modules():
            if id(module) in self.coded:
                module.weight = nn.Parameter(torch.empty(0), requires_grad=False)
        give_back()

    def _code_tables(self) -> None:
        """Tables of tokens and pairs. A tied one is coded for what the head makes of it."""
        tied = [name for name, head in self.model.spec.heads.items() if head.tied]
        moments = None
        if tied and self.options.using == "gptq":
            moments = gather_output(self.model, self.texts)
            give_back()
        self._code(TABLE, self.model.embedding.tokens, moments, table_options(self.options), in_place=True)
        if self.model.embedding.bigrams is not None:
            self._code("embedding.bigrams", self.model.embedding.bigrams, None, in_place=True)
        self._let_go(self.model.embedding)

    def _begin_stream(self) -> Stream:
        """The texts as the coded tables embed them, whose float32 weights are gone before there are hidden states."""
        embedding = self.model.embedding
        tables = {name: table for name, table in embedding.named_children() if id(table) in self.coded}
        for name, table in tables.items():
            weight = f"embedding.{name}.weight"
            embedding.add_module(name, _CodedTable(self.rows[weight], self.formats[weight], table.embedding_dim))
        stream = Stream(self.model, self.texts)
        for name, table in tables.items():
            embedding.add_module(name, table)
        return stream

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
        *,
        in_place: bool = False,
    ) -> None:
        name = f"{place}.weight"
        weights = module.weight.detach().numpy()
        corrected = self.options.correct_bias and moments is not None and getattr(module, "bias", None) is not None
        before = weights.copy() if corrected else None
        found = store(weights, self.formats[name], moments, options or self.options, name, in_place=in_place)
        if isinstance(module, nn.Linear) and before is not None and moments is not None:
            keep_mean_output(module, before, moments)
        if in_place:
            give_back()  # of what coding took, before the rows stand beside what they were made of
        self.rows[name], self.facts[name] = np.array(found.rows) if in_place else found.rows, found.facts
        self.coded.add(id(module))
