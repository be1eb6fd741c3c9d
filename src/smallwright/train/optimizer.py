"""AdamW and Muon over named groups of parameters, and gradient clipping.

Enters: a model and plain numbers. Leaves: torch's optimizers, and the norm of a step's gradients.
Not here: the schedule, which the loop applies each step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_LAYER = re.compile(r"layers\.(\d+)\.")


def learning_rate_scale(name: str, layers: int, *, layer_decay: float, head_scale: float) -> float:
    """How a parameter's learning rate compares with the run's.

    Args:
        name: of the parameter, as spec/tensors.py spells it.
        layers: how many the model has.
        layer_decay: each layer learns this much slower than the one above it; 1 is off (ULMFiT, arXiv:1801.06146).
        head_scale: factor of everything below ``heads.``.
    """
    match = _LAYER.match(name)
    if match:
        return layer_decay ** (layers - 1 - int(match.group(1)))
    if name.startswith("heads."):
        return head_scale
    return layer_decay**layers if name.startswith("embedding.") else 1.0


def group_parameters(
    model: nn.Module, *, weight_decay: float, layer_decay: float = 1.0, head_scale: float = 1.0
) -> list[dict[str, Any]]:
    """Sort parameters into optimizer groups by decay and learning rate.

    Decay pulls on the matrices of projections and heads only: not on norms and biases, and not on embedding tables,
    where it would wear away the rows of tokens that the training text happens not to have.

    Returns:
        Groups with ``params``, ``names``, ``weight_decay`` and ``scale``, in a fixed order.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    layers = 1 + max((int(match.group(1)) for name, _ in named if (match := _LAYER.match(name))), default=-1)
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in named:
        decay = weight_decay if parameter.ndim >= 2 and not name.startswith("embedding.") else 0.0
        scale = learning_rate_scale(name, layers, layer_decay=layer_decay, head_scale=head_scale)
        fresh = {"params": [], "names": [], "weight_decay": decay, "scale": scale}
        group = groups.setdefault((decay, scale), fresh)
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


def make_optimizers(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    layer_decay: float = 1.0,
    head_scale: float = 1.0,
    optimizer: str = "adamw",
    beta2: float = 0.999,
) -> list[torch.optim.Optimizer]:
    """AdamW for everything; or Muon for the matrices of the layers, and AdamW for the rest.

    Args:
        optimizer: ``adamw`` (arXiv:1711.05101; betas 0.9 and ``beta2``, one fused pass over memory a step) or ``muon``
            (Jordan et al., 2024; its step has the size of AdamW's, so that one learning rate serves both:
            arXiv:2502.16982, section 2.2).
        learning_rate, weight_decay, layer_decay, head_scale: see ``group_parameters``.
        beta2: in [0, 1).
    """
    groups = group_parameters(model, weight_decay=weight_decay, layer_decay=layer_decay, head_scale=head_scale)
    matrices, rest = [], []
    for group in groups:
        named = list(zip(group.pop("names"), group.pop("params"), strict=True))
        for is_matrix, part in ((True, matrices), (False, rest)):
            chosen = [p for name, p in named if (optimizer == "muon" and _is_matrix_of_layer(name, p)) == is_matrix]
            if chosen:
                part.append({**group, "params": chosen})
    made: list[torch.optim.Optimizer] = []
    if matrices:
        made.append(torch.optim.Muon(matrices, lr=learning_rate, adjust_lr_fn="match_rms_adamw"))
    if rest:
        made.append(torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, beta2), fused=True))
    return made


def _is_matrix_of_layer(name: str, parameter: Tensor) -> bool:
    return _LAYER.match(name) is not None and parameter.ndim == 2


@torch.no_grad()
def clip_gradients(parameters: Iterable[Tensor], max_norm: float | None) -> float:
    """Scale all gradients so that their joint L2 norm is at most ``max_norm``; touch nothing when it already is.

    Args:
        parameters: those without a gradient are skipped.
        max_norm: above 0; None: only measure.
    Returns:
        The norm before clipping; NaN or infinity when a gradient is not finite.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return 0.0
    norm = float(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]).norm())
    if max_norm is not None and norm > max_norm:
        for gradient in gradients:
            gradient.mul_(max_norm / (norm + 1e-6))
    return norm
