"""Writes the package: one GGUF version 3 file, the same bytes for the same inputs.

Enters: a model's float32 tensors, their formats, a tokenizer, a task. Leaves: the file, whole or not at all.
Not here: deciding formats (compress/quantize.py) and measuring the file (evaluate/).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gguf
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from smallwright.compress.quantize import quantize
from smallwright.compress.span_rows import split_planes
from smallwright.errors import PackageError
from smallwright.package.architectures import choose_architecture, list_keys
from smallwright.package.vocabulary import TokenKeys, write_vocabulary
from smallwright.spec.formats import BLOCK_FORMATS, FORMATS, PLANE_FORMATS, SCALE_SPAN
from smallwright.spec.model import ModelSpec
from smallwright.spec.package import (
    ALIGNMENT,
    FORMAT_VERSION,
    INTERLEAVED_ARCHITECTURES,
    KEY_ANSWER_CALIBRATION,
    KEY_CHAT_TEMPLATE,
    KEY_FORMAT,
    KEY_MODEL,
    KEY_PROVENANCE,
    KEY_ROTARY_INTERLEAVED,
    KEY_SCALE_SPAN,
    KEY_SCHEMA,
    KEY_TASK,
    KEY_TEMPERATURE,
)
from smallwright.spec.tensors import TensorSpec, list_tensors
from smallwright.tokenizer.describe import describe

HEAD_KINDS = {"classify": "classifier", "generate": "language_model"}
_FILE_TYPES = {
    "f32": 0,
    "f16": 1,
    "q4_0": 2,
    "q8_0": 7,
    "q5_0": 8,
}  # llama.cpp's general.file_type: the format of most matrices
_GUESSED = 1024  # its flag for files whose tensors must be looked at: our own formats have no number there
_READ_BYTES = 1 << 20
_Kind = TypeVar("_Kind", bound=np.generic)


@dataclass(frozen=True)
class PackageInfo:
    """A written package: where, how large, and the SHA-256 of its bytes (hexadecimal)."""

    path: Path
    size_bytes: int
    sha256: str


def write_package(
    path: str | Path,
    *,
    spec: ModelSpec,
    tensors: Mapping[str, NDArray[np.float32]],
    formats: Mapping[str, str],
    tokenizer: Tokenizer,
    task: Mapping[str, Any],
    name: str,
    temperature: float = 1.0,
    provenance: Mapping[str, Any] | None = None,
    roles: Mapping[str, str] | None = None,
    schema: str | None = None,
    chat_template: str | None = None,
    answer_calibration: Mapping[str, float] | None = None,
    scale_span: int = SCALE_SPAN,
    rows: Mapping[str, NDArray[np.uint8]] | None = None,
) -> PackageInfo:
    """Write a model, its tokenizer and its task as one GGUF file.

    Args:
        path: the file; written aside, flushed to disk and renamed, so that it is whole whenever it is there.
        spec: the model.
        tensors: {our tensor name: float32 array of its shape}, exactly those of ``list_tensors(spec)``.
        formats: {our tensor name: block format}, as ``plan_formats`` makes it.
        tokenizer: a tokenizer that ``describe`` accepts, with no more tokens than the model has rows.
        task: {"kind": "classify" | "generate", "head": a name in ``spec.heads``}, and "prompt" (the fields of a
            ``PromptForm``) where prompts are answered.
        name: what the package calls itself.
        temperature: calibration, above 0: class logits are divided by it.
        provenance: JSON: recipe, versions, seeds, hashes of inputs; no clock, no path.
        roles: spellings of special tokens by role, where a teacher's folder names them (``load_roles``).
        schema: a JSON schema that every generated text obeys, as text.
        chat_template: how messages become a prompt, in the Hugging Face form of Jinja.
        answer_calibration: {"slope", "offset"} of ``calibrate_answers``.
        scale_span: inputs of a row whose scales agree, ``SCALE_SPAN``; 0: every block has a scale of its own.
        rows: {our tensor name: (R, bytes of a row) uint8 in its format} of tensors that were coded already, with such
            scales; they are stored as they are. The others are rounded here.
    Returns:
        Path, size and hash of the file.
    Raises:
        PackageError: task, temperature, tensors or formats do not fit the model.
        ModelSpecError: a tensor cannot be rounded (NaN, width not divisible).
        CheckpointError: the tokenizer is of an unsupported kind.
    """
    listed = list_tensors(spec)
    _check_names(listed, tensors, "tensors")
    _check_names(listed, formats, "formats")
    keys = (temperature, provenance, roles, schema, chat_template, answer_calibration, scale_span)
    writer = _begin(spec, _file_type(listed, formats), tokenizer, task, name, *keys)
    interleaved = choose_architecture(spec) in INTERLEAVED_ARCHITECTURES
    for tensor in listed:
        coded = (rows or {}).get(tensor.name)
        array = _checked(tensor, tensors[tensor.name]) if coded is None else _checked_rows(tensor, coded, formats)
        array = interleave(array, spec, tensor) if interleaved else array
        _add_tensor(writer, tensor, array, formats[tensor.name], scale_span)
    return _save(writer, Path(path))


def count_keys(
    spec: ModelSpec,
    tokenizer: Tokenizer,
    task: Mapping[str, Any],
    name: str,
    *,
    provenance: Mapping[str, Any] | None = None,
    roles: Mapping[str, str] | None = None,
    schema: str | None = None,
    scale_span: int = SCALE_SPAN,
) -> int:
    """Bytes of a package beside its weights: keys, vocabulary and names of tensors, without what aligns these.

    The arguments and errors are those of ``write_package``.
    """
    keys = (1.0, provenance, roles, schema, None, None, scale_span)
    writer = _begin(spec, _GUESSED, tokenizer, task, name, *keys)
    for tensor in list_tensors(spec):
        count = 4 * math.prod(tensor.shape)
        writer.add_tensor_info(tensor.package_name, tensor.shape, np.dtype(np.float32), count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys.gguf"
        try:
            writer.write_header_to_file(path=path)
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
        finally:
            writer.close()
        return path.stat().st_size


def _begin(
    spec: ModelSpec,
    file_type: int,
    tokenizer: Tokenizer,
    task: Mapping[str, Any],
    name: str,
    temperature: float,
    provenance: Mapping[str, Any] | None,
    roles: Mapping[str, str] | None,
    schema: str | None,
    chat_template: str | None,
    answer_calibration: Mapping[str, float] | None,
    scale_span: int,
) -> gguf.GGUFWriter:
    """A writer that knows every key, and no tensor yet."""
    _check_task(spec, task)
    if not (math.isfinite(temperature) and temperature > 0):
        raise PackageError(f"the calibration temperature must be above 0. Got {temperature}.", kind="bad_value")
    architecture = choose_architecture(spec)
    writer = gguf.GGUFWriter(path=None, arch=architecture)
    writer.add_custom_alignment(ALIGNMENT)
    writer.add_string("general.type", "model")
    writer.add_string("general.name", name)
    writer.add_uint32("general.file_type", file_type)
    writer.add_uint32("general.quantization_version", gguf.GGML_QUANT_VERSION)
    _add_keys(writer, list_keys(spec, architecture))
    keys = write_vocabulary(
        describe(tokenizer, roles), rows=spec.embedding.vocabulary, token_types=spec.embedding.token_types
    )
    _add_vocabulary(writer, keys)
    writer.add_uint32(KEY_FORMAT, FORMAT_VERSION)
    writer.add_string(KEY_MODEL, spec.to_json())
    writer.add_string(KEY_TASK, _canonical(dict(task)))
    writer.add_float32(KEY_TEMPERATURE, float(temperature))
    writer.add_string(KEY_PROVENANCE, _canonical(dict(provenance or {})))
    if schema is not None:
        writer.add_string(KEY_SCHEMA, schema)
    if chat_template is not None:
        writer.add_string(KEY_CHAT_TEMPLATE, chat_template)
    if answer_calibration is not None:
        writer.add_string(KEY_ANSWER_CALIBRATION, _canonical(answer_calibration))
    writer.add_bool(KEY_ROTARY_INTERLEAVED, architecture in INTERLEAVED_ARCHITECTURES)
    if scale_span:
        writer.add_uint32(KEY_SCALE_SPAN, scale_span)
    return writer


def interleave(array: NDArray[_Kind], spec: ModelSpec, tensor: TensorSpec) -> NDArray[_Kind]:
    """Reorder rows of a q or k (weight or bias): rotary pairs (i, i + d/2) of each head become (2i, 2i + 1).

    Other tensors come back unchanged.

    Source: the permutation of llama.cpp's converter for the Llama family.
    """
    parts = tensor.name.split(".")
    if parts[0] != "layers" or parts[2] != "mixer" or parts[3] not in ("q", "k"):
        return array
    width = spec.layers[int(parts[1])].mixer.head_width
    halves = array.reshape(-1, 2, width // 2, *array.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(array.shape))


def _check_task(spec: ModelSpec, task: Mapping[str, Any]) -> None:
    head = spec.heads.get(task.get("head", ""))
    kind = HEAD_KINDS.get(task.get("kind", ""))
    if kind is None or head is None or head.kind != kind or set(task) - {"prompt"} != {"kind", "head"}:
        heads = {name: part.kind for name, part in spec.heads.items()}
        raise PackageError(
            f"a task is a kind of {sorted(HEAD_KINDS)} and a head of that kind. Got {dict(task)} for heads {heads}.",
            kind="bad_value",
        )


def _check_names(listed: list[TensorSpec], given: Mapping[str, Any], what: str) -> None:
    names = {tensor.name for tensor in listed}
    missing, strange = sorted(names - set(given)), sorted(set(given) - names)
    if missing or strange:
        raise PackageError(
            f"{what} must be exactly those of the model. Missing: {missing[:3]}; not of the model: {strange[:3]}.",
            kind="missing_tensor",
        )


def _checked(tensor: TensorSpec, array: NDArray[np.float32]) -> NDArray[np.float32]:
    if tuple(array.shape) != tensor.shape or array.dtype != np.float32:
        raise PackageError(
            f"a tensor must be float32 of the model's shape {list(tensor.shape)}. "
            f"Got {array.dtype} {list(array.shape)} in {tensor.name}.",
            kind="bad_shape",
        )
    return np.ascontiguousarray(array)


def _checked_rows(tensor: TensorSpec, rows: NDArray[np.uint8], formats: Mapping[str, str]) -> NDArray[np.uint8]:
    format = formats[tensor.name]
    shape = (*tensor.shape[:-1], FORMATS[format].row_bytes(tensor.shape[-1]))
    if rows.shape != shape or rows.dtype != np.uint8:
        raise PackageError(
            f"coded rows must be uint8 {list(shape)}, as {format} stores the tensor. Got {rows.dtype} "
            f"{list(rows.shape)} in {tensor.name}.",
            kind="bad_shape",
        )
    return np.ascontiguousarray(rows)


def _file_type(listed: list[TensorSpec], formats: Mapping[str, str]) -> int:
    sizes = dict.fromkeys(FORMATS, 0)
    for tensor in listed:
        if tensor.matrix:
            sizes[formats[tensor.name]] += math.prod(tensor.shape)
    return _FILE_TYPES.get(max(sizes, key=lambda name: sizes[name]), _GUESSED)


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _add_keys(writer: gguf.GGUFWriter, keys: Mapping[str, Any]) -> None:
    for key, value in keys.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, value)


def _add_vocabulary(writer: gguf.GGUFWriter, keys: TokenKeys) -> None:
    _add_keys(writer, keys.scalars)
    writer.add_token_list(keys.tokens)
    writer.add_token_types(keys.types)
    if keys.merges:
        writer.add_token_merges(keys.merges)


def _add_tensor(
    writer: gguf.GGUFWriter,
    tensor: TensorSpec,
    array: NDArray[np.float32] | NDArray[np.uint8],
    format: str,
    span: int,
) -> None:
    """``array``: weights, or bytes that are stored as they are."""
    coded = array if array.dtype == np.uint8 else quantize(array, format, span=span, name=tensor.name)
    if format in PLANE_FORMATS:
        for plane, values in split_planes(format, coded, tensor.shape[-1]).items():
            writer.add_tensor(f"{tensor.package_name}.{plane}", values)
        return
    writer.add_tensor(tensor.package_name, coded, raw_dtype=gguf.GGMLQuantizationType(BLOCK_FORMATS[format].ggml_type))


def _save(writer: gguf.GGUFWriter, path: Path) -> PackageInfo:
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        writer.write_header_to_file(path=partial)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
            digest = hashlib.sha256()
            while block := file.read(_READ_BYTES):
                digest.update(block)
        os.replace(partial, path)
        _sync_folder(path.parent)
    finally:
        writer.close()
        partial.unlink(missing_ok=True)
    return PackageInfo(path=path, size_bytes=path.stat().st_size, sha256=digest.hexdigest())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # folders cannot be opened there; a rename is durable enough
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
