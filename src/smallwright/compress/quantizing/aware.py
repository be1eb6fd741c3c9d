"""Quantisation-aware training: matrices that are multiplied as they will be stored, and learn all the same.

Enters: a model and rows coded by any method. Leaves: a model whose matrices are their own codes in every forward pass;
after training its rows, bit for bit what was multiplied last.
Not here: the loop (train/), when to train (pipeline/).

Forward: the nearest codes of a weight under its scale, times that scale, which is rounded to what the format can hold.
Backward: rounding counts as if it changed nothing (straight-through estimator), cutting off at the last code does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from smallwright.compress.blocks import pack_blocks
from smallwright.compress.quantize import quantize
from smallwright.compress.quantizing.grid import BLOCK, Grid
from smallwright.compress.span_rows import pack_spans, unpack_spans
from smallwright.errors import ModelSpecError
from smallwright.model.transformer import Transformer
from smallwright.spec.formats import BLOCK_FORMATS, MOST_SHARES, PLANE_FORMATS, SPANNED
from smallwright.train.tasks import Batch, Forward, TrainingTask

Rows = NDArray[np.uint8]

_F16_MAX, _SMALLEST_HALF = 65504.0, 2.0**-24
_WHOLE = ("f16", "f32")


class CodedWeight(nn.Module):
    """Weights (R, C) float32 to what their codes mean: a parametrization of ``weight``.

    Args:
        format: of ``spec.formats.FORMATS``; one with codes.
        span: inputs whose scales agree (``spec.formats.SCALE_SPAN``), 0: each block has its own. See ``Grid``.
        rows: (R, bytes of a row) uint8, whose scales it begins with; weights that a sparse format drops stay 0.
        columns: C.
        learned: whether scales learn. What learns is the logarithm of their growth: a step of the optimizer then
            changes large and small scales by the same share.
    Raises:
        ModelSpecError: a format without codes.
    Source: the gradients of weights and scales: Esser et al., Learned Step Size Quantization, arXiv:1902.08153, eqs. 1
        to 3, without the scale's own factor, which AdamW takes out again; its logarithm: Jain et al., Trained
        Quantization Thresholds, arXiv:1903.08066, section 3.
    """

    def __init__(self, format: str, span: int, rows: Rows, columns: int, *, learned: bool) -> None:
        super().__init__()
        if format in _WHOLE:
            raise ModelSpecError(f"training goes through codes, which {format} has none of. Use q4_0, for example.")
        grid = Grid(format, span)
        self.format, self.spanned, self.columns = format, bool(span) and format in SPANNED, columns
        self.lowest, self.highest, self.step = grid.codes
        self.group = BLOCK if format == "q4_0" else grid.group  # inputs of one scale
        scales = _read_scales(format, rows, columns)[:, :: self.group // BLOCK if format not in PLANE_FORMATS else 1]
        self.register_buffer("begun", torch.from_numpy(np.ascontiguousarray(scales)))
        kept = unpack_spans(format, rows, columns)[2] if format in PLANE_FORMATS else None
        self.register_buffer("kept", None if kept is None else torch.from_numpy(kept))
        self.growth = nn.Parameter(torch.zeros(scales.size)) if learned else None  # flat: no matrix to an optimizer

    def scales(self) -> Tensor:
        """(R, groups) float32, as the file holds them; their gradient goes to the logarithm of the growth."""
        if self.growth is None:
            return self.begun
        grown = self.begun * torch.exp(self.growth).view_as(self.begun)
        return _Stored.apply(grown, self.format, self.spanned)

    def forward(self, weight: Tensor) -> Tensor:
        """(R, C) float32, each a code times its scale."""
        return _Straight.apply(weight, self.scales(), self.kept, self.group, self.lowest, self.highest, self.step)

    @torch.no_grad()
    def pack(self, weight: Tensor) -> Rows:
        """(R, bytes of a row) uint8 of weights (R, C): what ``forward`` multiplies, as the package stores it."""
        scales = self.scales()
        codes = _nearest(_ratios(weight, scales, self.group), self.lowest, self.highest, self.step)
        whole = codes.flatten(1)[:, : self.columns].numpy().astype(np.int8)
        if self.format in PLANE_FORMATS:
            return pack_spans(self.format, whole, scales.numpy(), None if self.kept is None else self.kept.numpy())
        blocks = whole.reshape(len(whole), -1, BLOCK)
        wide = np.repeat(scales.numpy(), self.group // BLOCK, axis=1)[:, : blocks.shape[1], None]
        return pack_blocks(self.format, blocks, wide).reshape(len(whole), -1)


class HalfWeight(nn.Module):
    """Weights float32 to their half-precision neighbours, gradients unchanged: ``CodedWeight`` of format f16."""

    def forward(self, weight: Tensor) -> Tensor:
        """The same shape."""
        return _Half.apply(weight)


def wear_codes(
    model: Transformer, formats: Mapping[str, str], rows: Mapping[str, Rows], span: int, *, learned: bool
) -> None:
    """Let every matrix be multiplied as its codes from now on, in place.

    Args:
        model: float32, on a CPU; its weights may be other ones than the rows mean: they are coded anew with the scales
            of ``rows``. Its parameters are then named ``....parametrizations.weight.original``.
        formats: by tensor.
        rows: by matrix.
        span, learned: see ``CodedWeight``.
    """
    for name, coded in rows.items():
        if formats[name] == "f32":
            continue
        module = model.get_submodule(name.removesuffix(".weight"))
        made: nn.Module = HalfWeight()
        if formats[name] != "f16":
            made = CodedWeight(formats[name], span, coded, module.weight.shape[1], learned=learned)
        parametrize.register_parametrization(module, "weight", made)


@torch.no_grad()
def take_off_codes(model: Transformer) -> dict[str, Rows]:
    """The rows of every matrix that wears codes, by name; its weights are plain parameters then: what they mean."""
    rows: dict[str, Rows] = {}
    for place, module in list(model.named_modules()):
        if not parametrize.is_parametrized(module, "weight"):
            continue
        worn = module.parametrizations.weight
        whole = worn.original.detach()
        coded = worn[0].pack(whole) if isinstance(worn[0], CodedWeight) else quantize(whole.numpy(), "f16", name=place)
        rows[f"{place}.weight"] = coded
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return rows


class CodedTask:
    """A task of a model that wears codes: each pass computes every matrix once, a validation as well."""

    def __init__(self, task: TrainingTask) -> None:
        self.task = task

    def count_batches(self, epoch: int) -> int:
        """See ``TrainingTask``."""
        return self.task.count_batches(epoch)

    def load(self, epoch: int, index: int, device: torch.device) -> Batch:
        """See ``TrainingTask``."""
        return self.task.load(epoch, index, device)

    def forward(self, model: nn.Module, batch: Batch) -> Forward:
        """See ``TrainingTask``."""
        with parametrize.cached():
            return self.task.forward(model, batch)

    def validate(self, model: nn.Module, precision: str) -> dict[str, float]:
        """See ``TrainingTask``."""
        with parametrize.cached():
            return self.task.validate(model, precision)

    def fingerprint(self) -> str:
        """See ``TrainingTask``."""
        return self.task.fingerprint()


def _read_scales(format: str, rows: Rows, columns: int) -> NDArray[np.float32]:
    """(R, blocks) of block formats, (R, spans) of ours."""
    if format in PLANE_FORMATS:
        return unpack_spans(format, rows, columns)[1]
    blocks = rows.reshape(len(rows), -1, BLOCK_FORMATS[format].block_bytes)
    return np.ascontiguousarray(blocks[..., :2]).view("<f2").astype(np.float32)[..., 0]


def _store(scales: Tensor, format: str, spanned: bool) -> Tensor:
    """The nearest scales (R, groups) that a format can hold."""
    if format != "q4_0" or not spanned:
        return scales.clamp(-_F16_MAX, _F16_MAX).half().float()
    size = scales.abs()
    blocks = F.pad(size, (0, -size.shape[1] % 4)).unflatten(1, (-1, 4))
    largest = blocks.amax(-1, keepdim=True)  # its power of two: spans.power_of_two
    unit = torch.ldexp(torch.ones_like(largest), torch.frexp(largest).exponent - 4).clamp(min=_SMALLEST_HALF)
    unit = unit.expand_as(blocks).flatten(1)[:, : size.shape[1]]
    shares = (size / unit).round().clamp(1, MOST_SHARES)
    return torch.where(size > 0, torch.sign(scales) * shares * unit, torch.zeros(()))


def _ratios(weight: Tensor, scales: Tensor, group: int) -> Tensor:
    """(R, groups, n): weights in units of their scales, 0 where the scale is 0; the last group is filled with 0."""
    padded = F.pad(weight, (0, -weight.shape[1] % group)).unflatten(1, (-1, group))
    inverse = torch.where(scales == 0, scales, 1 / scales)
    return padded * inverse.nan_to_num(0.0, 0.0, 0.0)[..., None]


def _nearest(ratios: Tensor, lowest: int, highest: int, step: int) -> Tensor:
    if step == 1:
        return ratios.round().clamp_(lowest, highest).add_(0.0)  # no -0, which whole numbers do not have
    first = lowest % step
    return ((ratios - first) / step).round_().mul_(step).add_(first).clamp_(lowest, highest)


class _Straight(torch.autograd.Function):
    """Codes times scales; 0, without gradients, where weights are not kept. With v = w / s: d/dw is 1 between the last
    codes and 0 outside; d/ds is code - v between them and the last code outside."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, scales: Tensor, kept: Tensor | None, group: int, lowest: int, highest: int, step: int
    ) -> Tensor:
        ratios = _ratios(weight, scales, group)
        codes = _nearest(ratios, lowest, highest, step)
        inside = (ratios > lowest) & (ratios < highest)
        if kept is not None:
            wide = F.pad(kept, (0, -kept.shape[1] % group)).unflatten(1, (-1, group))
            codes, inside = codes * wide + 0.0, inside & wide  # no -0; a code of 0 has no slope either
        ctx.group = group
        slope = torch.where(inside, codes - ratios, codes) if ctx.needs_input_grad[1] else None
        ctx.save_for_backward(inside, slope)
        return (codes * scales[..., None]).flatten(1)[:, : weight.shape[1]].contiguous()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inside, slope = ctx.saved_tensors
        wide = F.pad(gradient, (0, -gradient.shape[1] % ctx.group)).unflatten(1, (-1, ctx.group))
        of_scales = None if slope is None else (wide * slope).sum(-1)
        return (wide * inside).flatten(1)[:, : gradient.shape[1]], of_scales, None, None, None, None, None


class _Stored(torch.autograd.Function):
    """Scales as the format holds them, gradients unchanged."""

    @staticmethod
    def forward(ctx: Any, scales: Tensor, format: str, spanned: bool) -> Tensor:
        return _store(scales, format, spanned)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient, None, None


class _Half(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        return weight.clamp(-_F16_MAX, _F16_MAX).half().float()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient
