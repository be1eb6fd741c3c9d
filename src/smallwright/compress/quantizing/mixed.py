"""Formats matrix by matrix, by what each costs the answers: the best that a number of bytes can hold.

Enters: a model, calibration texts, a number of bytes. Leaves: a format for every tensor, and the measurements.
Not here: coding the model in them (model.py).

Every matrix is coded alone, in each format, and the model's answers are compared with those of its float32 weights.
The finer formats then go where they save the most divergence for their bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smallwright.compress.quantize import count_bytes, plan_formats
from smallwright.compress.quantizing.answers import Judge
from smallwright.compress.quantizing.calibration import Moments, Stream
from smallwright.compress.quantizing.matrix import QuantizeOptions, store
from smallwright.compress.quantizing.model import TABLE, list_groups, table_options
from smallwright.errors import RecipeError
from smallwright.model.block import Layer
from smallwright.model.transformer import Transformer
from smallwright.spec import ModelSpec
from smallwright.spec.formats import has_zero
from smallwright.spec.tensors import list_tensors

FORMATS_TRIED = ("q2_span", "q3_span", "q4_0", "q5_0", "q8_0")  # by size


@dataclass(frozen=True)
class Sensitivity:
    """What one matrix costs in each format: ``nats``, the mean Kullback-Leibler divergence of an answer from that of
    float32 weights, with this matrix alone in the format; and ``sizes``, its bytes."""

    name: str
    nats: Mapping[str, float]
    sizes: Mapping[str, int]

    @property
    def coarsest(self) -> str:
        """The format of the fewest bytes."""
        return min(self.sizes, key=lambda format: self.sizes[format])

    def best_step(self, now: str, room: int) -> tuple[float, str] | None:
        """The format of at most ``room`` bytes more that saves most nats a byte, and how many; None: none saves."""
        steps = [
            ((self.nats[now] - self.nats[format]) / more, format)
            for format in self.sizes
            if 0 < (more := self.sizes[format] - self.sizes[now]) <= room
        ]
        best = max(steps, default=None)
        return best if best is not None and best[0] > 0 else None


def choose_formats(
    spec: ModelSpec, measured: Sequence[Sensitivity], most_bytes: int, fixed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Spend bytes step by step where the next ones save most: the greedy solution of the multiple-choice knapsack.

    Args:
        spec: the model.
        measured: of the matrices that may have any of the formats.
        most_bytes: of all tensors together.
        fixed: formats of the others; the tensors in neither are f32.
    Returns:
        {tensor name: format}.
    Raises:
        RecipeError: even the coarsest formats need more bytes.
    Source: Sinha and Zoltners, The multiple-choice knapsack problem, Operations Research 27 (1979), without the search.
    """
    formats = {tensor.name: "f32" for tensor in list_tensors(spec)} | dict(fixed or {})
    formats |= {one.name: one.coarsest for one in measured}
    left = most_bytes - count_bytes(spec, formats)
    if left < 0:
        raise RecipeError(
            f"compress.size must hold all weights in the coarsest formats. Got room for {most_bytes:,} bytes of "
            f"weights, where those take {most_bytes - left:,}. Give more, or use a smaller student."
        )
    while True:
        steps = [(step, one) for one in measured if (step := one.best_step(formats[one.name], left)) is not None]
        if not steps:
            return formats
        (_, format), one = max(steps, key=lambda found: (found[0][0], found[1].name))
        left -= one.sizes[format] - one.sizes[formats[one.name]]
        formats[one.name] = format


def measure_sensitivity(
    model: Transformer,
    texts: Sequence[NDArray[np.integer]],
    options: QuantizeOptions,
    *,
    fixed: Sequence[str] = (),
) -> list[Sensitivity]:
    """Code every matrix alone and compare the answers.

    Args:
        model: float32, in evaluation mode, on a CPU; as it was, afterwards. Its only head answers.
        texts: calibration tokens; the answers to the first of them are compared (``choose_judged``).
        options: how matrices are coded; AWQ's factors are not searched here: its matrices are rounded.
        fixed: matrices that are not asked.
    """
    return _Meter(model, texts, options, set(fixed)).measure()


class _Meter:
    @torch.inference_mode()
    def __init__(
        self, model: Transformer, texts: Sequence[NDArray[np.integer]], options: QuantizeOptions, fixed: set[str]
    ) -> None:
        self.model, self.options, self.fixed = model, options, fixed
        self.head = next(iter(model.spec.heads))
        self.texts, self.judge = texts, Judge(model, texts)
        self.found: list[Sensitivity] = []

    @torch.inference_mode()
    def measure(self) -> list[Sensitivity]:
        layers: list[Layer] = list(self.model.layers)
        stream = Stream(self.model, self.texts) if self.options.using == "gptq" else None
        judged = Stream(self.model, self.judge.texts)
        for index, layer in enumerate(layers):
            for group in list_groups(self.model.spec.layers[index]):
                moments = stream.gather(layer, group[:1])[group[0]] if stream is not None else None
                for name in group:
                    rest = layers[index:]
                    self._try(f"layers.{index}.{name}", layer.get_submodule(name), moments, judged, rest, self.options)
            judged.advance(layer)
            if stream is not None:
                stream.advance(layer)
        for part, module in self.model.heads[self.head].named_children():
            if isinstance(module, nn.Linear):
                moments = stream.gather_head(self.head)[part] if stream is not None else None
                self._try(f"heads.{self.head}.{part}", module, moments, judged, [], self.options)
        self._try_table(stream)
        return self.found

    def _try_table(self, stream: Stream | None) -> None:
        """Tables change what enters the first layer, and a tied one what leaves the last."""
        tied = self.model.spec.heads[self.head].tied
        moments = stream.gather_head(self.head)["output"] if stream is not None and tied else None
        options = table_options(self.options)
        self._try(TABLE, self.model.embedding.tokens, moments, None, list(self.model.layers), options)
        if self.model.embedding.bigrams is not None:
            table = self.model.embedding.bigrams
            self._try("embedding.bigrams", table, None, None, list(self.model.layers), self.options)

    def _try(
        self,
        place: str,
        module: nn.Linear | nn.Embedding,
        moments: Moments | None,
        judged: Stream | None,
        rest: Sequence[Layer],
        options: QuantizeOptions,
    ) -> None:
        """``judged``: the texts before the layers ``rest``; None: from the beginning."""
        name = f"{place}.weight"
        if name in self.fixed:
            return
        whole = module.weight.detach().clone()
        nats, sizes = {}, {}
        for format in list_formats(options.drops(name)):
            module.weight.copy_(whole)
            found = store(module.weight.detach().numpy(), format, moments, options, name)
            stream = Stream(self.model, self.judge.texts) if judged is None else judged
            nats[format], sizes[format] = self.judge.compare(stream.answers(rest, self.head)), found.rows.nbytes
        module.weight.copy_(whole)
        self.found.append(Sensitivity(name, nats, sizes))


def list_formats(drops: bool) -> list[str]:
    """Formats to try for a matrix, by size; ``drops``: its weights may be 0, and must stay so."""
    return [one for one in FORMATS_TRIED if has_zero(one) or not drops]


def coarsest_formats(spec: ModelSpec, options: QuantizeOptions, fixed: Mapping[str, str]) -> dict[str, str]:
    """{tensor name: the format of the fewest bytes that ``choose_formats`` may give it}, for every tensor.

    Args:
        options: how matrices are coded.
        fixed: formats that the recipe names itself, see ``fixed_formats``.
    """
    coarsest = {
        tensor.name: list_formats(options.drops(tensor.name))[0] for tensor in list_tensors(spec) if tensor.matrix
    }
    return {tensor.name: "f32" for tensor in list_tensors(spec)} | coarsest | dict(fixed)


def fixed_formats(spec: ModelSpec, embedding: str | None, head: str | None) -> dict[str, str]:
    """Formats of the tables and heads that the recipe names itself."""
    planned = plan_formats(spec, FORMATS_TRIED[-1], embedding=embedding, head=head)
    named = {"embedding.": embedding, "heads.": head}
    return {
        tensor.name: planned[tensor.name]
        for tensor in list_tensors(spec)
        if tensor.matrix and any(choice and tensor.name.startswith(part) for part, choice in named.items())
    }
