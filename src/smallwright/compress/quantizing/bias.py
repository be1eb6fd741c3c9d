"""Biases that keep the mean output of every quantised layer; and biases where there were none.

Enters: a model, or a layer with the mean of its inputs. Leaves: the same with other biases.
Not here: which model may have biases (the pipeline asks the package's architectures).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smallwright.compress.quantizing.calibration import Moments
from smallwright.model.transformer import Transformer
from smallwright.spec import ModelSpec
from smallwright.spec.tensors import list_tensors


def with_biases(spec: ModelSpec) -> ModelSpec:
    """The same model with a bias on every linear layer inside its layers, and on classifiers' outputs."""
    layers = tuple(
        replace(
            layer,
            mixer=replace(layer.mixer, bias=True, output_bias=True),
            feedforward=replace(layer.feedforward, bias=True),
        )
        for layer in spec.layers
    )
    heads = {name: replace(head, output_bias=True) for name, head in spec.heads.items()}
    return replace(spec, layers=layers, heads=heads)


def add_biases(model: Transformer) -> Transformer:
    """The same function, with zeros for the biases that ``with_biases`` adds. The tensors are the model's own."""
    spec = with_biases(model.spec)
    given = model.state_dict()
    tensors = {tensor.name: given.get(tensor.name, torch.zeros(tensor.shape)) for tensor in list_tensors(spec)}
    return Transformer.from_tensors(spec, tensors, dropout=model.dropout_probability).eval()


@torch.no_grad()
def keep_mean_output(linear: nn.Linear, before: NDArray[np.float32], moments: Moments) -> None:
    """Make good by the bias what new weights change of the mean output.

    Args:
        linear: with a bias, which is changed; its weights are the new ones already.
        before: (D_out, D_in) float32, the old ones.
        moments: of the inputs that the new weights will see.
    Source: Nagel et al., Data-Free Quantization, arXiv:1906.04721, section 4.2, with the mean measured.
    """
    shift = (before.astype(np.float64) - linear.weight.detach().numpy()) @ moments.mean
    linear.bias.add_(torch.from_numpy(shift).to(linear.bias.dtype))
