"""The files of a checkpoint folder: JSON objects, and safetensors in one file or in shards.

Enters: a folder and the tensors that are wanted. Leaves: dicts and tensors, or an error naming what is missing.
Not here: what names mean (families.py, spec/tensors.py), what tensors are held as (weight_only.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from smallwright.errors import CheckpointError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_MOST_CHECKED = 1 << 18  # weights at a time


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """The JSON object in a file of a model folder.

    Raises:
        CheckpointError: the folder or the file is missing, or the file is not a JSON object in UTF-8.
    """
    _require_file(folder, name)
    try:
        value = json.loads((folder / name).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{name} must be JSON in UTF-8. Got: {error} in {folder / name}. Mend the file."
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{name} must be a JSON object. Got a {type(value).__name__} in {folder / name}. Mend it."
        )
    return value


def _require_file(folder: Path, name: str) -> None:
    if not folder.is_dir():
        raise CheckpointError(
            f"a model must be a folder on this disk. Got {str(folder)!r}, which is not there. "
            "Correct the path, or download the checkpoint first: nothing is fetched here."
        )
    if (folder / name).is_file():
        return
    there = sorted(entry.name for entry in folder.iterdir())
    listing = (", ".join(there[:12]) + (", ..." if len(there) > 12 else "")) or "nothing"
    remedy = "Copy the whole checkpoint folder."
    if name == WEIGHTS and any(entry.endswith((".bin", ".pt", ".pth", ".ckpt")) for entry in there):
        remedy = (
            "Weights in pickle files (.bin, .pt) can run code when read and are refused: convert them once with "
            "transformers, model.save_pretrained(folder, safe_serialization=True), where you trust them."
        )
    missing = f"{WEIGHTS} (or {INDEX})" if name == WEIGHTS else name
    raise CheckpointError(f"a model folder must hold {missing}. Got {listing} in {folder}. {remedy}")


def find_tensors(folder: Path) -> dict[str, str]:
    """File name by tensor name, of one safetensors file or of shards.

    Raises:
        CheckpointError: there is neither, a shard is missing, or a file is damaged.
    """
    if (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        _require_file(folder, WEIGHTS)
        with _open(folder / WEIGHTS) as file:
            return dict.fromkeys(file.keys(), WEIGHTS)
    weight_map = read_json(folder, INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise CheckpointError(f"weight_map must map tensors to files. Got something else in {folder / INDEX}. Mend it.")
    for name in sorted(set(weight_map.values())):
        if Path(name).name != name or not name.endswith(".safetensors"):
            law = "a shard must be a safetensors file beside its index"
            raise CheckpointError(f"{law}. Got {name!r} in {folder / INDEX}. Mend the index.")
        if not (folder / name).is_file():
            raise CheckpointError(
                f"every shard of the index must be there. Got none called {name} in {folder}. Copy them all."
            )
    return weight_map


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"a safetensors file must be whole. Got: {error} in {path}. Copy the file again; compare its size."
        ) from error


def read_tensors(
    folder: Path,
    files: dict[str, str],
    wanted: dict[str, str],
    shapes: dict[str, tuple[int, ...]],
    hold: Callable[[str, Tensor], Mapping[str, Tensor]],
) -> dict[str, Tensor]:
    """Our tensors, one after the other as ``hold`` has them: never are all of them in memory as the file has them.

    Args:
        folder: where the files are.
        files: from ``find_tensors``.
        wanted: our name by the file's name of each tensor to read; all of them are in ``files``.
        shapes: what each must be, by our name.
        hold: see ``weight_only.make_holder``. What it is given is mapped from the file, which may be replaced while the
            model lives.
    Raises:
        CheckpointError: a tensor is not where the index says, has another shape, or is not of finite floats.
    """
    tensors: dict[str, Tensor] = {}
    for name, ours in wanted.items():
        path = folder / files[name]
        with _open(path) as file:  # anew for each: what was read of a mapped file counts as memory until it is closed
            if name not in set(file.keys()):
                law = "a shard must hold the tensors that the index names"
                raise CheckpointError(f"{law}. Got no {name} in {path}. Copy the checkpoint again.")
            shape = tuple(file.get_slice(name).get_shape())
            if shape != shapes[ours]:
                raise CheckpointError(
                    f"tensors must have the shapes that the config gives. Got {shape} instead of {shapes[ours]} "
                    f"for {name} in {path}. Mend config.json, or copy the checkpoint again."
                )
            tensors.update(hold(ours, _checked(file.get_tensor(name), name, path)))
    return tensors


def _checked(tensor: Tensor, name: str, place: Path) -> Tensor:
    if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        law = "weights must be float64, float32, float16 or bfloat16"
        raise CheckpointError(
            f"{law}. Got {tensor.dtype} for {name} in {place}. Choose a checkpoint without quantisation."
        )
    # What is finite in float64 may not be in float32. A part at a time: the test makes copies.
    if not all(bool(torch.isfinite(part.float()).all()) for part in tensor.reshape(-1).split(_MOST_CHECKED)):
        raise CheckpointError(f"weights must be finite. Got NaN or infinity for {name} in {place}. Choose another one.")
    return tensor
