"""Our own checkpoint layout, for models of no family; and one door for either layout.

Enters: a ``Transformer``, or a folder. Leaves: a folder, or a ``Transformer``.
Not here: Hugging Face names (families.py). Training state (train/).

The layout is Hugging Face's: ``config.json``, with model_type ``smallwright`` and the ``ModelSpec`` under ``spec``, and
``model.safetensors`` with our own tensor names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from smallwright.errors import CheckpointError, ModelSpecError
from smallwright.model.checkpoint_files import CONFIG, find_tensors, read_json, read_tensors
from smallwright.model.families import write_config
from smallwright.model.load_hf import describe_hf, load_hf
from smallwright.model.save_hf import save_hf, write_folder
from smallwright.model.transformer import Transformer, seeded
from smallwright.model.weight_only import make_holder
from smallwright.spec import ModelSpec
from smallwright.spec.tensors import list_tensors

MODEL_TYPE = "smallwright"


def save_checkpoint(model: Transformer, folder: str | Path, tokenizer_json: str | Path | None = None) -> None:
    """Write any model in our own layout; see ``save_hf`` for ``folder`` and ``tokenizer_json``.

    Raises:
        CheckpointError: the tokenizer file is missing, or something that is not a checkpoint stands at ``folder``.
    """
    config = {"model_type": MODEL_TYPE, "spec": json.loads(model.spec.to_json())}
    write_folder(Path(folder), config, model.state_dict(), tokenizer_json)


def load_checkpoint(path: str | Path, *, dropout: float = 0.0, held_as: str = "float32") -> Transformer:
    """Read a folder in our own layout; the model is in evaluation mode. ``held_as``: see ``load_hf``.

    Raises:
        CheckpointError: files are missing or damaged, or the tensors are not those of the description.
    """
    folder = Path(path)
    spec = _read_own_spec(folder)
    shapes = {tensor.name: tensor.shape for tensor in list_tensors(spec)}
    files = find_tensors(folder)
    wrong = sorted(set(shapes) ^ set(files))
    if wrong:
        raise CheckpointError(
            f"a checkpoint must hold exactly the tensors of its description. Got {', '.join(wrong[:3])} missing or "
            f"left over ({len(wrong)}) in {folder}. Copy the whole folder again."
        )
    tensors = read_tensors(folder, files, {name: name for name in shapes}, shapes, make_holder(spec, held_as))
    return Transformer.from_tensors(spec, tensors, dropout=dropout).eval()


def _read_own_spec(folder: Path) -> ModelSpec:
    config = read_json(folder, CONFIG)
    if config.get("model_type") != MODEL_TYPE:
        law = f"model_type must be {MODEL_TYPE} in our own layout"
        raise CheckpointError(f"{law}. Got {config.get('model_type')!r} in {folder / CONFIG}. Use load_model.")
    try:
        return ModelSpec.from_json(json.dumps(config.get("spec")))
    except ModelSpecError as error:
        raise CheckpointError(f"{error} The description is from {folder / CONFIG}. Mend the file.") from error


def save_model(model: Transformer, folder: str | Path, tokenizer_json: str | Path | None = None) -> None:
    """Write a Hugging Face checkpoint where a family expresses the model, else our own layout.

    Raises:
        CheckpointError: see ``save_hf``.
    """
    save = save_checkpoint if write_config(model.spec) is None else save_hf
    save(model, folder, tokenizer_json)


def load_model(path: str | Path, *, dropout: float = 0.0, held_as: str = "float32") -> Transformer:
    """Open a folder of either layout, with the heads that it has. ``held_as``: see ``load_hf``.

    Raises:
        CheckpointError: see ``load_hf`` and ``load_checkpoint``.
    """
    load = load_checkpoint if is_own(path) else load_hf
    return load(path, dropout=dropout, held_as=held_as)


def load_classifier(
    path: str | Path, labels: Sequence[str], *, seed: int = 0, replace_head: bool = False, held_as: str = "float32"
) -> Transformer:
    """Open a folder of either layout as a classifier of these labels; see ``load_hf``, also for the arguments.

    Raises:
        CheckpointError: see ``load_hf``; or the folder is in our own layout and holds no classifier.
    """
    if not is_own(path):
        return load_hf(path, labels=labels, seed=seed, replace_head=replace_head, held_as=held_as)
    model, wanted = load_checkpoint(path, held_as=held_as), _with_labels(_read_own_spec(Path(path)), labels, Path(path))
    tensors, place = dict(model.state_dict()), f"heads.{model.find_head('classifier')}.output."
    outputs = {name: tensor for name, tensor in tensors.items() if name.startswith(place)}
    known = model.spec.labels
    if sorted(known) == sorted(labels):
        order = torch.tensor([known.index(label) for label in labels])
        return Transformer.from_tensors(wanted, tensors | {n: tensor[order] for n, tensor in outputs.items()}).eval()
    if not replace_head:
        raise CheckpointError(
            f"the checkpoint's classes must be those that are asked for. Got {len(known)} others in {path}. Use the "
            "same labels, or fine-tune the checkpoint on yours."
        )
    with seeded(seed):
        fresh = Transformer(wanted).state_dict()
    return Transformer.from_tensors(wanted, tensors | {name: fresh[name] for name in outputs}).eval()


def read_spec(path: str | Path, *, labels: Sequence[str] | None = None) -> ModelSpec:
    """What ``load_model`` would build from a folder of either layout, from its config alone.

    Args:
        path: the folder; only ``config.json`` is read.
        labels: describe a classifier of these labels instead, as ``load_classifier`` with ``replace_head`` makes it.
    Raises:
        CheckpointError: the config is missing, damaged or not supported, or our own layout has no classifier.
    """
    if not is_own(path):
        return describe_hf(path, labels=labels)
    spec = _read_own_spec(Path(path))
    return spec if labels is None else _with_labels(spec, labels, Path(path))


def is_own(path: str | Path) -> bool:
    """Whether a folder is in our own layout.

    Raises:
        CheckpointError: it holds no ``config.json``.
    """
    return bool(read_json(Path(path), CONFIG).get("model_type") == MODEL_TYPE)


def _with_labels(spec: ModelSpec, labels: Sequence[str], place: Path) -> ModelSpec:
    """The spec with other classes in its classifier, which stays what it is else."""
    heads = {
        name: replace(head, labels=tuple(labels)) for name, head in spec.heads.items() if head.kind == "classifier"
    }
    if len(heads) != 1:
        raise CheckpointError(
            f"a checkpoint in our own layout teaches classes with the one classifier that it has. Got {len(heads)} in "
            f"{place}. Choose another checkpoint."
        )
    return replace(spec, heads={**spec.heads, **heads})
