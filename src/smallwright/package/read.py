"""Looks into a package from the build half: what stands in it, and its tokenizer as the tokenizers library knows it.

Enters: a path. Leaves: plain values. Not here: running the package, and opening hostile files; the engine does both.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import gguf

from smallwright.errors import PackageError
from smallwright.package.vocabulary import rebuild_tokenizer
from smallwright.spec.formats import BLOCK_FORMATS
from smallwright.spec.model import ModelSpec
from smallwright.spec.package import KEY_MODEL, KEY_PROVENANCE, KEY_TASK, KEY_TEMPERATURE, KEY_TOKENIZER
from smallwright.spec.tensors import list_tensors
from smallwright.spec.tokenizer import TokenizerSpec

PLANES = ("codes", "scales", "mask")  # what a matrix in one of our own formats is stored as
_FORMAT_NAMES = {row.ggml_type: row.name for row in BLOCK_FORMATS.values()}


def read_info(path: str | Path) -> dict[str, Any]:
    """What stands in a package.

    Args:
        path: a package.
    Returns:
        ``architecture``, ``name``, ``size_bytes``, ``parameters``, ``bytes_by_format``, ``model``, ``task``,
        ``tokenizer``, ``temperature``, ``provenance`` (None where an ordinary GGUF file has no such key).
    Raises:
        PackageError: the file is not a GGUF file.
    """
    reader = _open(path)
    shapes = _shapes(reader)
    by_format: dict[str, int] = {}
    parameters = 0
    for tensor in reader.tensors:
        whole, _, plane = str(tensor.name).rpartition(".")
        name = _FORMAT_NAMES.get(int(tensor.tensor_type), tensor.tensor_type.name.lower())
        if plane in PLANES:
            name = _plane_format(reader, whole, shapes)
            parameters += math.prod(shapes.get(whole, (0,))) if plane == "codes" else 0
        else:
            parameters += int(tensor.n_elements)
        by_format[name] = by_format.get(name, 0) + int(tensor.n_bytes)
    documents = {
        "model": KEY_MODEL,
        "task": KEY_TASK,
        "tokenizer": KEY_TOKENIZER,
        "provenance": KEY_PROVENANCE,
    }
    return {
        "architecture": _value(reader, "general.architecture"),
        "name": _value(reader, "general.name"),
        "size_bytes": Path(path).stat().st_size,
        "parameters": parameters,
        "bytes_by_format": by_format,
        "temperature": _value(reader, KEY_TEMPERATURE),
        **{name: _document(reader, key) for name, key in documents.items()},
    }


def export_tokenizer(path: str | Path) -> str:
    """The package's tokenizer as a Hugging Face tokenizer.json: it encodes as the one that was packaged.

    Raises:
        PackageError: the file is not a GGUF file, or carries no Smallwright tokenizer.
    """
    reader = _open(path)
    document = _document(reader, KEY_TOKENIZER)
    if document is None:
        raise PackageError(
            f"only packages carry {KEY_TOKENIZER}. Got a file without it: {path}. Use a file built by smallwright.",
            kind="missing_key",
        )
    facts: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in document.items()}
    spec = TokenizerSpec(**facts)
    merges = _value(reader, "tokenizer.ggml.merges") or []
    return rebuild_tokenizer(
        spec, _value(reader, "tokenizer.ggml.tokens"), _value(reader, "tokenizer.ggml.token_type"), merges
    )


def _shapes(reader: gguf.GGUFReader) -> dict[str, tuple[int, ...]]:
    """{name in the package: shape} of the model that the package describes; empty where it describes none."""
    document = _value(reader, KEY_MODEL)
    return {} if document is None else {t.package_name: t.shape for t in list_tensors(ModelSpec.from_json(document))}


def _plane_format(reader: gguf.GGUFReader, whole: str, shapes: dict[str, tuple[int, ...]]) -> str:
    """Which of our formats a matrix's planes hold: docs/format.md, "Planes"."""
    sizes = {str(tensor.name): int(tensor.n_bytes) for tensor in reader.tensors}
    if f"{whole}.mask" in sizes:
        return "q4_sparse"
    return "q3_span" if 8 * sizes[f"{whole}.codes"] == 3 * math.prod(shapes.get(whole, (0,))) else "q2_span"


def _open(path: str | Path) -> gguf.GGUFReader:
    try:
        return gguf.GGUFReader(path)
    except FileNotFoundError as error:
        raise PackageError(f"a package must be there to be read. Got none at {path}.", kind="missing_file") from error
    except (ValueError, IndexError, KeyError, OSError) as error:
        raise PackageError(
            f"a package must be a whole GGUF file. Got: {error} in {path}. Build or copy it again.", kind="invalid"
        ) from error


def _value(reader: gguf.GGUFReader, key: str) -> Any:
    field = reader.get_field(key)
    return None if field is None else field.contents()


def _document(reader: gguf.GGUFReader, key: str) -> Any:
    text = _value(reader, key)
    return None if text is None else json.loads(text)
