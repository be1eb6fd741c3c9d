"""Weights that answer and are not trained, held in fewer bytes: bfloat16, or int8 with a scale for each row.

Enters: a checkpoint's tensors, one at a time, and what they are to be held as. Leaves: tensors for
``Transformer.from_tensors``, and the modules that multiply them.
Not here: files (checkpoint_files.py), the formats of packages (compress/), the precision of products (train/).

Only matrices are held so (``TensorSpec.matrix``): norms, biases and positions stay float32, and so does what they are
applied to. A tensor NAME.weight of int8 comes with NAME.scales.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallwright.errors import CheckpointError
from smallwright.model.norm import cast_once
from smallwright.spec import ModelSpec
from smallwright.spec.tensors import list_tensors

HELD_AS = ("float32", "bfloat16", "int8")
AS_STORED = "stored"
"""As the file has them, and mapped from it: for writing on, not for products. It must be written on at once."""
WEIGHT, SCALES = ".weight", ".scales"
_LARGEST = 127
_MOST_AT_ONCE = 1 << 20  # weights that are turned into the products' type at a time
_MOST_ROUNDED = 1 << 18  # weights that are rounded at a time


def quantise_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Codes (R, D) int8 and scales (R,) float32 of a matrix (R, D): its rows are about ``codes * scales[:, None]``.

    A row's scale is its largest magnitude / 127, so that no value is cut off and none is further off than half a scale;
    a row of zeros has the scale 0.
    Source: symmetric, absmax quantisation by vectors: Dettmers et al., LLM.int8(), arXiv:2208.07339, section 2.1.
    """
    codes = torch.empty(matrix.shape, dtype=torch.int8)
    scales = torch.empty(matrix.shape[0])
    at_once = max(1, _MOST_ROUNDED // matrix.shape[1])
    for start in range(0, len(matrix), at_once):
        rows = slice(start, start + at_once)
        values = matrix[rows].float()
        scales[rows] = values.abs().amax(dim=1) / _LARGEST
        steps = torch.where(scales[rows] > 0, scales[rows], 1.0)
        # A quotient may come out a hair above 127 where the scale was rounded down.
        codes[rows] = (values / steps[:, None]).round_().clamp_(-_LARGEST, _LARGEST).to(torch.int8)
    return codes, scales


def make_holder(spec: ModelSpec, held_as: str) -> Callable[[str, Tensor], Mapping[str, Tensor]]:
    """What turns a file's tensor, by our name, into the tensors that a model holds.

    Args:
        spec: the model.
        held_as: one of ``HELD_AS``, or ``AS_STORED``.
    Returns:
        A function whose results own their memory, but for ``AS_STORED``.
    Raises:
        CheckpointError: ``held_as`` is none of these.
    """
    if held_as not in (*HELD_AS, AS_STORED):
        law = f"weights are held as one of {', '.join(HELD_AS)}"
        raise CheckpointError(f"{law}. Got {held_as!r} for a checkpoint. Use one of these.")
    matrices = {tensor.name for tensor in list_tensors(spec) if tensor.matrix}

    def hold(name: str, tensor: Tensor) -> Mapping[str, Tensor]:
        if held_as == AS_STORED:
            return {name: tensor}
        if held_as == "int8" and name in matrices:
            codes, scales = quantise_rows(tensor)
            return {name: codes, name.removesuffix(WEIGHT) + SCALES: scales}
        kind = torch.bfloat16 if held_as == "bfloat16" and name in matrices else torch.float32
        return {name: tensor.to(kind, copy=True)}

    return hold


def count_held_bytes(spec: ModelSpec, held_as: str) -> int:
    """Bytes of a model's weights and scales, held as one of ``HELD_AS``."""
    size = {"float32": 4, "bfloat16": 2, "int8": 1}[held_as]
    total = 0
    for tensor in list_tensors(spec):
        total += prod(tensor.shape) * (size if tensor.matrix else 4)
        total += 4 * tensor.shape[0] if tensor.matrix and held_as == "int8" else 0
    return total


class _Held(nn.Module):
    """A matrix (R, D) in fewer bits, as buffers: no optimizer finds it."""

    def __init__(self, weight: Tensor, scales: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scales", scales)
        self.weight: Tensor
        self.scales: Tensor | None

    def project(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """x (..., D) times the transposed matrix, plus a bias (R,): (..., R) in x's type, under autocast autocast's.

        The weights become that type a part at a time. Int8 codes are exact in it, in bfloat16 too: what a row's scale
        multiplies is its sum.
        """
        x, (rows, width) = cast_once(x), self.weight.shape
        at_once = max(1, _MOST_AT_ONCE // width)
        if rows <= at_once:
            return self._multiply(x, bias, slice(None))
        out = x.new_empty((*x.shape[:-1], rows))
        for start in range(0, rows, at_once):
            part = slice(start, start + at_once)
            out[..., part] = self._multiply(x, bias, part)
        return out

    def _multiply(self, x: Tensor, bias: Tensor | None, part: slice) -> Tensor:
        shift, weight = None if bias is None else bias[part], self.weight[part].to(x.dtype)
        if self.scales is None:
            return F.linear(x, weight, shift)
        scaled = F.linear(x, weight).mul_(self.scales[part])
        return scaled if shift is None else scaled.add_(shift)


class HeldLinear(_Held):
    """``nn.Linear`` over such a matrix."""

    def __init__(self, weight: Tensor, scales: Tensor | None, *, bias: bool) -> None:
        super().__init__(weight, scales)
        self.register_buffer("bias", torch.empty(weight.shape[0]) if bias else None)
        self.bias: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., R)."""
        return self.project(x, self.bias)


class HeldEmbedding(_Held):
    """``nn.Embedding`` over such a matrix. Its rows come out in float32."""

    @property
    def num_embeddings(self) -> int:
        """R."""
        return self.weight.shape[0]

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (...) to rows (..., D)."""
        rows = self.weight[tokens].float()
        return rows if self.scales is None else rows.mul_(self.scales[tokens][..., None])


def project(hidden: Tensor, table: nn.Module) -> Tensor:
    """Hidden states (..., D) against each row of an embedding's table (V, D): (..., V)."""
    return table.project(hidden) if isinstance(table, _Held) else F.linear(hidden, table.weight)


def hold_modules(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put a held module in the place of each linear layer and each table whose weight among ``tensors`` is not float32;
    biases are loaded afterwards, with all other tensors."""
    for name, module in list(model.named_modules()):
        weight = tensors.get(name + WEIGHT)
        if weight is None or weight.dtype == torch.float32 or not isinstance(module, (nn.Linear, nn.Embedding)):
            continue
        scales, (place, _, leaf) = tensors.get(name + SCALES), name.rpartition(".")
        held: nn.Module
        if isinstance(module, nn.Linear):
            held = HeldLinear(weight, scales, bias=module.bias is not None)
        else:
            held = HeldEmbedding(weight, scales)
        setattr(model.get_submodule(place), leaf, held)
