"""The state of a run on disk: written aside, then renamed, so that a kill at any instant leaves the last whole one.

Enters: named tensors and a small JSON value. Leaves: one safetensors file, and the same read back.
Not here: a model's own folder (model/), when to save (loop.py).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from smallwright.errors import CheckpointError

_FACTS = "facts"
_MODEL, _OPTIMIZER = "model/", "optimizer/"


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, or leave the one that is there."""
    aside = path.with_name(path.name + ".part")
    aside.write_text(text, encoding="utf-8")
    _settle(aside, path)


def write_array(path: Path, array: NDArray[np.generic]) -> None:
    """Write a whole .npy file, or leave the one that is there."""
    aside = path.with_name(path.name + ".part")
    with aside.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    _settle(aside, path)


def hash_weights(model: nn.Module) -> str:
    """SHA-256 over names, shapes, types and bytes of a model's tensors."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write a whole safetensors file with ``facts`` as JSON in its header, or leave the one that is there."""
    aside = path.with_name(path.name + ".part")
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, aside, metadata={_FACTS: json.dumps(facts, sort_keys=True)})
    _settle(aside, path)


def _settle(aside: Path, path: Path) -> None:
    with aside.open("rb+") as file:
        os.fsync(file.fileno())
    aside.replace(path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The inverse of ``write_tensors``.

    Raises:
        CheckpointError: the file is damaged or not ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})[_FACTS])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"a training checkpoint must be whole. Got: {error!r} in {path}. Delete the file to train from the start."
        ) from error


def collect_state(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """All tensors that a run goes on from: weights by name, and the optimizers' moments by parameter name."""
    state = {_MODEL + name: tensor for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for optimizer in optimizers:
            for key, value in optimizer.state.get(parameter, {}).items():
                state[f"{_OPTIMIZER}{key}/{name}"] = value
    return state


def restore_state(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], state: Mapping[str, Tensor]) -> None:
    """Put back what ``collect_state`` gave; every tensor is copied into fresh, aligned memory."""
    restore_weights(model, {name.removeprefix(_MODEL): t for name, t in state.items() if name.startswith(_MODEL)})
    parameters = dict(model.named_parameters())
    owners = {p: optimizer for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    for name, tensor in state.items():
        if name.startswith(_OPTIMIZER):
            key, _, owner = name.removeprefix(_OPTIMIZER).partition("/")
            parameter = parameters[owner]
            owners[parameter].state[parameter][key] = tensor.to(parameter.device, copy=True)


@torch.no_grad()
def restore_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into the model's own tensors."""
    own = model.state_dict()
    if own.keys() != weights.keys() or any(own[name].shape != weights[name].shape for name in own):
        raise CheckpointError(
            "a training checkpoint must belong to the model. Got other tensors. Delete it to train from the start."
        )
    for name, tensor in own.items():
        tensor.copy_(weights[name])
