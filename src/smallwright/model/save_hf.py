"""The torch reference into a Hugging Face checkpoint folder, so that any tool opens it.

Enters: a ``Transformer`` that a known family can express. Leaves: ``config.json``, ``model.safetensors`` (large ones
in shards) and, where given, ``tokenizer.json``. Not here: models of no family (checkpoint.py).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from smallwright.errors import CheckpointError
from smallwright.model.checkpoint_files import CONFIG, INDEX, WEIGHTS
from smallwright.model.families import write_config
from smallwright.model.transformer import Transformer

TOKENIZER = "tokenizer.json"
SHARD_BYTES = 1 << 30
SPECIAL_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")


def save_hf(
    model: Transformer,
    folder: str | Path,
    tokenizer_json: str | Path | None = None,
    special_tokens: Mapping[str, int] | None = None,
) -> None:
    """Write a checkpoint that transformers opens.

    Args:
        model: of a family in families.py.
        folder: made whole beside its place and then moved there; an earlier checkpoint there is replaced.
        tokenizer_json: path of the tokenizer file to put beside the weights.
        special_tokens: ``bos_token_id``, ``eos_token_id`` and ``pad_token_id``, as far as there are such tokens.
            transformers needs the last one to classify batches with a decoder.
    Raises:
        CheckpointError: no family expresses the model, the tokenizer file is missing, or something that is not a
            checkpoint stands at ``folder``.
    """
    written = write_config(model.spec)
    if written is None:
        raise CheckpointError(
            "a Hugging Face checkpoint must be of a known family. Got a model that none of them expresses. "
            "Save it with save_model, in our own layout."
        )
    family, values = written
    unknown = sorted(set(special_tokens or {}) - set(SPECIAL_TOKENS))
    if unknown:
        raise CheckpointError(f"special tokens must be among {', '.join(SPECIAL_TOKENS)}. Got {unknown}. Rename them.")
    config = {**values, **dict.fromkeys(SPECIAL_TOKENS), **(special_tokens or {})}
    kind = str(model.embedding.tokens.weight.dtype).removeprefix("torch.")
    config |= {"dtype": kind, "torch_dtype": kind}  # the second is what older transformers read
    prefixed = bool(model.spec.heads)
    tensors = {family.tensor_name(name, prefixed=prefixed): value for name, value in model.state_dict().items()}
    write_folder(Path(folder), config, tensors, tokenizer_json)


def write_folder(
    folder: Path, config: Mapping[str, object], tensors: Mapping[str, Tensor], tokenizer_json: str | Path | None
) -> None:
    """Write a model folder aside and move it to its place in one step, replacing an earlier one.

    Raises:
        CheckpointError: the tokenizer file is missing, or ``folder`` holds something that is not a checkpoint.
    """
    if tokenizer_json is not None and not Path(tokenizer_json).is_file():
        raise CheckpointError(f"tokenizer_json must be a file. Got {str(tokenizer_json)!r}. Correct the path.")
    if folder.exists() and not (folder.is_dir() and ((folder / CONFIG).is_file() or not any(folder.iterdir()))):
        raise CheckpointError(
            f"a checkpoint must not overwrite other things. Got {folder}, which is not one. Choose another folder."
        )

    def fill(aside: Path) -> None:
        text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        (aside / CONFIG).write_text(text, encoding="utf-8")
        _write_tensors(aside, {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        if tokenizer_json is not None:
            shutil.copyfile(tokenizer_json, aside / TOKENIZER)

    _replace_folder(folder, fill)


def _write_tensors(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """One file, or shards with their index where it would be large: a file is made whole in memory."""
    shards: list[dict[str, Tensor]] = [{}]
    for name, tensor in tensors.items():
        if shards[-1] and sum(one.nbytes for one in (*shards[-1].values(), tensor)) > SHARD_BYTES:
            shards.append({})
        shards[-1][name] = tensor
    if len(shards) == 1:
        save_file(shards[0], folder / WEIGHTS, metadata={"format": "pt"})
        return
    files = [f"model-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
    for file, shard in zip(files, shards, strict=True):
        save_file(shard, folder / file, metadata={"format": "pt"})
    places = {name: file for file, shard in zip(files, shards, strict=True) for name in shard}
    index = {"metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())}, "weight_map": places}
    (folder / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    for leftover in (aside, old):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    aside.mkdir()
    try:
        fill(aside)
        if folder.exists():
            folder.rename(old)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
