"""Hugging Face checkpoint folders into the torch reference, without running anything that they contain.

Enters: a folder with ``config.json`` and safetensors. Leaves: a ``Transformer`` in evaluation mode, in float32 unless
its matrices are to be held in fewer bytes.
Not here: what a family's config and names mean (families.py), fewer bytes (weight_only.py), tokenizers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from smallwright.errors import CheckpointError
from smallwright.model.checkpoint_files import CONFIG, find_tensors, read_json, read_tensors
from smallwright.model.families import Family, read_config
from smallwright.model.heads import CLASSIFIER
from smallwright.model.transformer import Transformer, seeded
from smallwright.model.weight_only import make_holder
from smallwright.spec import ModelSpec
from smallwright.spec.tensors import list_tensors

TASKS = ("classify", "generate")


def load_hf(
    path: str | Path,
    *,
    labels: Sequence[str] | None = None,
    task: str | None = None,
    seed: int = 0,
    dropout: float = 0.0,
    replace_head: bool = False,
    held_as: str = "float32",
) -> Transformer:
    """Load a checkpoint of a known family.

    Args:
        path: folder with ``config.json`` and ``model.safetensors`` (or shards with their index).
        labels: the classes to answer with. A classifier with the same classes is kept, its rows put in this order;
            to a checkpoint without a classifier a new head is attached, an existing BERT pooler being kept.
        task: ``classify`` or ``generate``; None: ``classify`` where there are labels, else what the checkpoint does
            (an encoder without a head comes without a head).
        seed: of a new head's weights, normal(0, 0.02).
        dropout: see ``Transformer``.
        replace_head: put a new head for ``labels`` in place of a classifier with other classes. It must be trained.
        held_as: float32; bfloat16 or int8, of the matrices of a model that only answers; or ``AS_STORED``.
    Returns:
        The model, in evaluation mode; its heads are named ``classifier`` or ``language_model``.
    Raises:
        CheckpointError: files are missing or damaged, the family or a setting is not supported, tensors are missing,
            left over or of another shape, or the head that ``task`` needs is not there.
    """
    folder = Path(path)
    family, theirs = read_config(read_json(folder, CONFIG), str(folder / CONFIG))
    spec, fresh_head = _choose_head(family, theirs, task, labels, replace_head, folder)
    files = find_tensors(folder)
    modern = {family.modern_name(name): name for name in files}
    prefixed = any(name.startswith(family.prefix) for name in modern)
    names = {tensor.name: family.tensor_name(tensor.name, prefixed=prefixed) for tensor in list_tensors(spec)}
    fresh = {name for name in names if fresh_head and _is_fresh(name, names[name] in modern)}
    _check_names(family, {names[name] for name in names if name not in fresh}, set(modern), folder)
    wanted = {modern[theirs]: ours for ours, theirs in names.items() if ours not in fresh}
    shapes = {tensor.name: tensor.shape for tensor in list_tensors(spec)}
    tensors = read_tensors(folder, files, wanted, shapes, make_holder(spec, held_as))
    with seeded(seed):
        tensors.update((name, _new_tensor(shapes[name])) for name in names if name in fresh)
    _reorder_classes(tensors, theirs.labels, spec.labels, fresh_head)
    return Transformer.from_tensors(spec, tensors, dropout=dropout).eval()


def describe_hf(path: str | Path, *, labels: Sequence[str] | None = None) -> ModelSpec:
    """What a checkpoint folder holds, from its config alone; no classifier head in it means that none was trained.

    Args:
        path: the folder; only ``config.json`` is read.
        labels: describe what ``load_hf`` gives with these labels and ``replace_head``.
    Raises:
        CheckpointError: the config is missing, damaged, or not supported.
    """
    folder = Path(path)
    family, theirs = read_config(read_json(folder, CONFIG), str(folder / CONFIG))
    return _choose_head(family, theirs, None, labels, True, folder)[0]


def _choose_head(
    family: Family,
    theirs: ModelSpec,
    task: str | None,
    labels: Sequence[str] | None,
    replace_head: bool,
    folder: Path,
) -> tuple[ModelSpec, bool]:
    """The spec to load, and whether its classifier is new."""
    if task is not None and task not in TASKS:
        raise CheckpointError(f"task must be one of {', '.join(TASKS)}. Got {task!r}. Use one of these.")
    kind = next((head.kind for head in theirs.heads.values()), None)
    if task == "generate":
        if kind != "language_model" or labels is not None:
            law = "generation needs a checkpoint with a language-model head, and no labels"
            raise CheckpointError(f"{law}. Got head {kind}, labels {labels} in {folder}. Choose another checkpoint.")
        return theirs, False
    if labels is None:
        if task == "classify" and kind != "classifier":
            raise CheckpointError(
                f"classification needs labels where the checkpoint has no classifier. Got head {kind} in {folder}. "
                "Give the labels and train the new head."
            )
        return theirs, False
    if kind == "classifier":
        if sorted(labels) == sorted(theirs.labels):
            fresh = False
        elif replace_head:
            fresh = True
        else:
            raise CheckpointError(
                f"the checkpoint's classes must be those that are asked for. Got {_list(theirs.labels)} instead of "
                f"{_list(labels)} in {folder}. Use the same labels, or fine-tune the checkpoint on yours."
            )
    else:
        fresh = True
    return replace(theirs, heads={CLASSIFIER: replace(family.classifier, labels=tuple(labels))}), fresh


def _list(labels: Sequence[str]) -> str:
    return ", ".join(labels[:5]) + (f", ... ({len(labels)})" if len(labels) > 5 else "")


def _is_fresh(name: str, present: bool) -> bool:
    """Whether a tensor of a new head is to be drawn: the output always, the pooler where the checkpoint has none."""
    return name.startswith(f"heads.{CLASSIFIER}.output.") or (name.startswith("heads.") and not present)


def _new_tensor(shape: tuple[int, ...]) -> Tensor:
    return torch.zeros(shape) if len(shape) == 1 else torch.empty(shape).normal_(0.0, 0.02)


def _reorder_classes(tensors: dict[str, Tensor], old: Sequence[str], new: Sequence[str], fresh_head: bool) -> None:
    if fresh_head or tuple(old) == tuple(new):
        return
    order = torch.tensor([list(old).index(label) for label in new])
    for leaf in ("weight", "bias", "scales"):
        name = f"heads.{CLASSIFIER}.output.{leaf}"
        if name in tensors:
            tensors[name] = tensors[name][order]


def _check_names(family: Family, needed: set[str], present: set[str], folder: Path) -> None:
    missing = sorted(needed - present)
    if missing:
        raise CheckpointError(
            f"the checkpoint must hold every tensor that its config names. Got none called {', '.join(missing[:3])} "
            f"({len(missing)} missing) in {folder}. Copy the whole checkpoint, or mend config.json."
        )
    over = sorted(name for name in present - needed if not any(f".{part}" in f".{name}" for part in family.optional))
    if over:
        raise CheckpointError(
            f"the checkpoint must hold no tensor that its config does not name. Got {', '.join(over[:3])} "
            f"({len(over)} left over) in {folder}. Choose a plain {family.model_type} checkpoint, or mend config.json."
        )
