"""Packages of random codes in q4_0, in planes of 3 and 2 bits, and sparse; and whether the engine reads them rightly.

Enters: a description of a model, a store. Leaves: a package, and its error against PyTorch with the same weights.
Not here: timing.

Random codes say nothing about quality and everything about speed: no time depends on the values. What a trained model
stores more finely is stored so here, too: tables and heads of a sparse file are q4_0, a classifier's output q8_0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from smallwright.compress.blocks import pack_blocks
from smallwright.compress.quantize import plan_formats
from smallwright.compress.span_rows import pack_spans
from smallwright.model import Transformer, seeded
from smallwright.package.write import write_package
from smallwright.run import load
from smallwright.spec import ModelSpec
from smallwright.spec.formats import FORMATS, PLANE_FORMATS, spans_of
from smallwright.spec.tensors import list_tensors
from smallwright.tokenizer.train import train_bpe

_BLOCKS = {"q4_0": (-8, 7), "q8_0": (-127, 127)}  # codes
_ROWS_AT_ONCE = 4096
_TEXT = ["a few words from which a tokenizer can be learned, so that the file has one"] * 4


@dataclass(frozen=True)
class Store:
    """How the layers' matrices are stored; ``dropped``: the share of weights that q4_sparse leaves out."""

    format: str
    dropped: float = 0.0

    @property
    def name(self) -> str:
        """For people and files."""
        return f"{self.format} {self.dropped:.0%}" if self.format == "q4_sparse" else self.format

    def formats(self, spec: ModelSpec) -> dict[str, str]:
        """By tensor."""
        if self.format != "q4_sparse":
            return plan_formats(spec, self.format)
        beside = plan_formats(spec, "q4_0")
        return beside | {
            tensor.name: self.format
            for tensor in list_tensors(spec)
            if tensor.matrix and tensor.name.startswith("layers.")
        }


def make_package(spec: ModelSpec, store: Store, path: Path, *, seed: int = 0) -> Transformer:
    """Write a package of random codes.

    Args:
        spec: the model; its tied or untied head answers.
        store: how its layers are stored.
        path: of the package.
        seed: of codes and masks.
    Returns:
        The same model in PyTorch, float32, with the weights that the codes mean: codes times a scale that is made here,
        not read back from what was packed.
    """
    rng, formats = np.random.default_rng(seed), store.formats(spec)
    with seeded(seed):
        model = Transformer(spec).eval()
    held = model.state_dict()
    tensors: dict[str, NDArray[np.float32]] = {}
    rows: dict[str, NDArray[np.uint8]] = {}
    for tensor in list_tensors(spec):
        if not tensor.matrix:
            tensors[tensor.name] = held[tensor.name].float().numpy()
            continue
        tensors[tensor.name] = np.broadcast_to(np.float32(0), tensor.shape)
        rows[tensor.name] = _fill(held[tensor.name], formats[tensor.name], store.dropped, rng)
    head = next(iter(spec.heads))
    write_package(
        path,
        spec=spec,
        tensors=tensors,
        formats=formats,
        rows=rows,
        tokenizer=train_bpe(_TEXT, vocabulary=300),
        task={"kind": "generate" if spec.heads[head].kind == "language_model" else "classify", "head": head},
        name=store.name,
    )
    return model


def _fill(weight: torch.Tensor, format: str, dropped: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Codes of a matrix as stored rows; the tensor receives what they mean."""
    (count, columns), sparse = weight.shape, format in PLANE_FORMATS and PLANE_FORMATS[format].sparse
    scale = _scale(format, columns * (1 - dropped if sparse else 1))
    parts = []
    for begin in range(0, count, _ROWS_AT_ONCE):
        shape = (min(_ROWS_AT_ONCE, count - begin), columns)
        codes, kept = _draw(format, shape, rng), None
        if sparse:
            kept = rng.random(shape, dtype=np.float32) >= dropped
            codes = np.where(kept, codes, np.int8(0))
        weight[begin : begin + shape[0]] = torch.from_numpy(codes) * scale
        if format in PLANE_FORMATS:
            scales = np.full((shape[0], spans_of(columns)), scale, np.float32)
            parts.append(pack_spans(format, codes, scales, kept))
        else:
            blocks = codes.reshape(shape[0], -1, 32)
            scales = np.full((*blocks.shape[:2], 1), scale, np.float32)
            parts.append(pack_blocks(format, blocks, scales).reshape(shape[0], -1))
    return np.concatenate(parts)


def _draw(format: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int8]:
    lowest, highest, step = (*_BLOCKS[format], 1) if format in _BLOCKS else _steps(format)
    number = (highest - lowest) // step + 1
    return (rng.integers(0, number, shape, dtype=np.int16) * step + lowest).astype(np.int8)


def _steps(format: str) -> tuple[int, int, int]:
    row = PLANE_FORMATS[format]
    return row.lowest, row.highest, row.step


def _scale(format: str, inputs: float) -> float:
    """A power of two, which every format holds exactly, so that outputs are about as large as inputs."""
    lowest, highest, step = (*_BLOCKS[format], 1) if format in _BLOCKS else _steps(format)
    spread = float(np.arange(lowest, highest + 1, step).std()) * np.sqrt(inputs)
    return float(2.0 ** -np.round(np.log2(spread)))


@torch.inference_mode()
def measure_error(model: Transformer, path: Path, tokens: int, *, seed: int = 1) -> float:
    """Root mean square of the logits' error against PyTorch in float32, over that of the logits, on random tokens."""
    head = next(iter(model.spec.heads))
    given = np.random.default_rng(seed).integers(0, model.spec.embedding.vocabulary, tokens)
    with load(path, threads=1) as package:
        classes = model.spec.heads[head].kind == "classifier"
        found = package.classify_tokens([given.tolist()]) if classes else package.logits(given.tolist())
    expected = model(torch.from_numpy(given)[None], torch.tensor([tokens]))[0].numpy()
    return float(np.sqrt(np.square(found - expected).mean() / np.square(expected).mean()))


def count_bits(spec: ModelSpec, store: Store) -> float:
    """Bits a weight of the layers' matrices, by the format's definition."""
    row = FORMATS[store.format]
    return row.bits_per_weight - (4 * store.dropped if store.format == "q4_sparse" else 0)


def interpolate_break_even(shares: Mapping[float, float]) -> float | None:
    """The share of dropped weights from which on a ratio to something dense is 1 or less.

    Args:
        shares: by share, the ratio that was measured; two or more.
    Returns:
        Where the straight lines between neighbours pass 1 for the last time, downwards; the least share if all ratios
        are 1 or less; None if the last one is above.
    """
    known = sorted(shares.items())
    if known[-1][1] > 1:
        return None
    for (left, high), (right, low) in reversed(list(pairwise(known))):
        if high > 1 >= low:
            return left + (right - left) * (high - 1) / (high - low)
    return known[0][0]
