"""Narrower models: the residual channels and feed-forward neurons that matter least are left out.

Enters: a ``Transformer`` and some texts as tokens. Leaves: a new, narrower ``Transformer``.
Not here: healing by distillation (train/), fewer layers (depth.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smallwright.errors import RecipeError
from smallwright.model.norm import Norm
from smallwright.model.transformer import Transformer
from smallwright.spec import ModelSpec, NormSpec

BLOCK = 32  # what every quantised format divides a row into

Tokens = NDArray[np.integer]


def narrow_spec(spec: ModelSpec, width: int | None, feedforward: int | None) -> ModelSpec:
    """The description of a model with ``width`` channels and ``feedforward`` neurons a layer; None: as many as now.

    Raises:
        RecipeError: more than there are, or no multiple of ``BLOCK``.
    """
    most = {"width": spec.width, "feedforward": min(layer.feedforward.width for layer in spec.layers)}
    for name, wish in (("width", width), ("feedforward", feedforward)):
        if wish is not None and (not 0 < wish <= most[name] or wish % BLOCK):
            raise RecipeError(
                f"student.{name} must be a multiple of {BLOCK} up to the teacher's {most[name]}. Got {wish}. Use one."
            )
    layers = tuple(
        replace(layer, feedforward=replace(layer.feedforward, width=feedforward or layer.feedforward.width))
        for layer in spec.layers
    )
    return replace(spec, width=width or spec.width, layers=layers)


@torch.no_grad()
def narrow(
    model: Transformer,
    sequences: Sequence[Tokens],
    width: int | None,
    feedforward: int | None,
    *,
    correct_bias: bool = False,
) -> Transformer:
    """Keep the channels and neurons whose values are largest on some texts; all weights are copies.

    Args:
        model: any model; it is not changed.
        sequences: texts as tokens, at least one; a few hundred suffice.
        width: channels to keep, a multiple of ``BLOCK``; None: all.
        feedforward: neurons to keep in each layer, a multiple of ``BLOCK``; None: all.
        correct_bias: what the channels and neurons that go have added to each linear layer on average, its bias adds
            from now on; all linear layers inside layers must have one.
    Raises:
        RecipeError: see ``narrow_spec``; there is no text; or there are no biases to correct.
    Each norm's weight makes up for what the norm no longer divides by, so that channels without effect leave none.

    Source: importance as the mean size of activations, Minitron, arXiv:2407.14679, section 2.2; biases, Nagel et al.,
        Data-Free Quantization, arXiv:1906.04721, section 4.2, with the mean measured.
    """
    if correct_bias:
        check_biases(model.spec)
    spec = narrow_spec(model.spec, width, feedforward)
    if spec == model.spec:
        return model
    if not len(sequences):
        raise RecipeError("a narrower student needs texts to see which channels matter. Got none. Add training rows.")
    channels, neurons = _measure_sizes(model, sequences)
    kept = _largest(channels, spec.width)
    kept_neurons = [_largest(sizes, layer.feedforward.width) for sizes, layer in zip(neurons, spec.layers, strict=True)]
    scales = _measure_scales(model, sequences, kept)
    tensors = {
        name: _cut(name, tensor, kept, kept_neurons) * scales.get(name, 1.0)
        for name, tensor in model.state_dict().items()
    }
    if correct_bias:
        for name, missing in _measure_missing(model, sequences, kept, kept_neurons).items():
            tensors[name] = tensors[name] + _cut(name, missing, kept, kept_neurons)
    return Transformer.from_tensors(spec, tensors, dropout=model.dropout_probability)


def check_biases(spec: ModelSpec) -> None:
    """Refuse a model whose linear layers have no biases to correct.

    Raises:
        RecipeError: one inside layers has none.
    """
    if not all(layer.mixer.bias and layer.mixer.output_bias and layer.feedforward.bias for layer in spec.layers):
        raise RecipeError(
            "student.correct_bias needs a teacher whose linear layers have biases, as BERT's have. Got one without. "
            "Leave it out."
        )


def _measure_missing(
    model: Transformer, sequences: Sequence[Tokens], channels: Tensor, neurons: Sequence[Tensor]
) -> dict[str, Tensor]:
    """(D_out,) by the name of each bias: what the inputs that go have added to that linear layer's mean output."""
    linears = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.bias is not None and not name.endswith("mixer.output")
    }
    totals = {name: torch.zeros(module.in_features, dtype=torch.float64) for name, module in linears.items()}
    counts = dict.fromkeys(linears, 0)

    def add(name: str, given: Tensor) -> None:
        rows = given.double().flatten(0, -2)
        totals[name] += rows.sum(0)
        counts[name] += len(rows)

    watchers = {module: lambda given, _, name=name: add(name, given) for name, module in linears.items()}
    _watch(model, sequences, watchers)
    missing: dict[str, Tensor] = {}
    for name, module in linears.items():
        layer = re.match(r"layers\.(\d+)\.feedforward\.down$", name)
        mean = totals[name] / counts[name]
        mean[neurons[int(layer[1])] if layer else channels] = 0
        missing[f"{name}.bias"] = (module.weight.double() @ mean).to(module.bias.dtype)
    return missing


def _measure_sizes(model: Transformer, sequences: Sequence[Tokens]) -> tuple[Tensor, list[Tensor]]:
    """Mean size of each channel after the norms (every norm of the model's width counts alike), and of each neuron."""
    channels = torch.zeros(model.spec.width, dtype=torch.float64)
    neurons = [torch.zeros(layer.feedforward.width, dtype=torch.float64) for layer in model.spec.layers]

    def add(total: Tensor, values: Tensor) -> None:
        total += values.detach().abs().double().flatten(0, -2).mean(0)

    watchers = {norm: lambda given, output: add(channels, output) for norm in _list_norms(model).values()}
    for layer, total in zip(model.layers, neurons, strict=True):
        watchers[layer.feedforward.down] = lambda given, output, total=total: add(total, given)
    _watch(model, sequences, watchers)
    return channels, neurons


def _measure_scales(model: Transformer, sequences: Sequence[Tokens], kept: Tensor) -> dict[str, float]:
    """By how much each norm divides more when it sees the kept channels alone: so much larger must its weight be."""
    ratios: dict[str, list[float]] = {name: [] for name in _list_norms(model)}

    def compare(name: str, given: Tensor) -> None:
        sizes = [_size(part.double(), model.spec.norm) for part in (given[..., kept], given)]
        ratios[name].append(float((sizes[0] / sizes[1]).mean()))

    watchers = {norm: lambda given, _, name=name: compare(name, given) for name, norm in _list_norms(model).items()}
    _watch(model, sequences, watchers)
    return {f"{name}.weight": sum(found) / len(found) for name, found in ratios.items()}


def _size(values: Tensor, norm: NormSpec) -> Tensor:
    """What a norm divides by."""
    if norm.kind == "layer":
        values = values - values.mean(-1, keepdim=True)
    return (values.square().mean(-1) + norm.epsilon).sqrt()


def _list_norms(model: Transformer) -> dict[str, nn.Module]:
    """The norms over channels, by name; those over a head's width are none."""
    norms = {name: module for name, module in model.named_modules() if isinstance(module, Norm)}
    return {name: norm for name, norm in norms.items() if len(norm.weight) == model.spec.width and "_norm" not in name}


def _watch(
    model: Transformer, sequences: Sequence[Tokens], watchers: Mapping[nn.Module, Callable[[Tensor, Tensor], None]]
) -> None:
    """Run the texts, one by one; each watcher is told what its module was given, and gave."""
    handles = [
        module.register_forward_hook(lambda _, given, output, tell=tell: tell(given[0], output))
        for module, tell in watchers.items()
    ]
    was_training = model.training
    model.eval()
    try:
        for sequence in sequences:
            model(torch.from_numpy(np.asarray(sequence, dtype=np.int64))[None])
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()


def _largest(sizes: Tensor, count: int) -> Tensor:
    """Indices of the ``count`` largest, in rising order; of equals the first."""
    return torch.sort(torch.argsort(sizes, descending=True, stable=True)[:count]).values


def _cut(name: str, tensor: Tensor, channels: Tensor, neurons: Sequence[Tensor]) -> Tensor:
    """The part of a tensor that the kept channels and neurons need; names are those of spec/tensors.py."""
    match = re.match(r"layers\.(\d+)\.feedforward\.(gate|up|down)\.", name)
    if match:
        inner = neurons[int(match[1])]
        if match[2] == "down":
            return tensor[channels][:, inner] if tensor.ndim == 2 else tensor[channels]
        return tensor[inner][:, channels] if tensor.ndim == 2 else tensor[inner]
    if re.search(r"\.mixer\.(q|k|v)\.weight$", name):
        return tensor[:, channels]
    if re.search(r"\.mixer\.(q|k|v)(\.bias|_norm\.weight)$", name):
        return tensor
    if ".mixer.output." in name:
        return tensor[channels]
    if re.match(r"heads\..*\.output\.", name):
        return tensor[:, channels] if tensor.ndim == 2 else tensor
    if re.match(r"heads\..*\.pooler\.", name):
        return tensor[channels][:, channels] if tensor.ndim == 2 else tensor[channels]
    if name.startswith("embedding.") and tensor.ndim == 2:
        return tensor[:, channels]
    return tensor[channels]  # a norm
