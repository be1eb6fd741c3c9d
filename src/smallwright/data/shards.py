"""Token shards: what language modelling reads, mapped from disk and never copied as a whole.

Enters: one array of tokens per document. Leaves: a folder with tokens.npy, offsets.npy and shard.json, and views of it.
Not here: tokenising; the caller ends each document with the tokenizer's end token, nothing else separates documents.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallwright.errors import DataError

_CHUNK = 1 << 22
_REMEDY = "Write the shard again"


@dataclass(frozen=True, slots=True)
class Shard:
    """A mapped shard.

    ``tokens``: (T,) uint16 or uint32, read-only, on disk. ``offsets``: (documents + 1,) int64, on disk: document ``i``
    is ``tokens[offsets[i]:offsets[i + 1]]``. ``vocabulary``: every token is below it.
    """

    tokens: NDArray[np.unsignedinteger]
    offsets: NDArray[np.int64]
    vocabulary: int

    @classmethod
    def open(cls, path: Path, *, verify: bool = True) -> Shard:
        """Map a shard.

        Args:
            path: the folder that ``write_shard`` made.
            verify: read it once and compare its checksums, so that any altered byte is found; False checks only shapes.
        Raises:
            DataError: the shard is missing, incomplete, or altered.
        """
        card = _read_card(path)
        tokens, offsets = _map(path / "tokens.npy"), _map(path / "offsets.npy")
        kinds = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}
        vocabulary = card["vocabulary"]
        _require(card["dtype"] in kinds and tokens.dtype == kinds[card["dtype"]], "dtype", tokens.dtype, path)
        _require(tokens.shape == (card["tokens"],), "number of tokens", tokens.shape, path)
        _require(offsets.dtype == np.dtype("<i8"), "dtype of offsets", offsets.dtype, path)
        _require(offsets.shape == (card["documents"] + 1,), "number of documents", offsets.shape, path)
        ordered = offsets[0] == 0 and offsets[-1] == tokens.size and bool(np.all(offsets[:-1] <= offsets[1:]))
        _require(ordered, "order of offsets", "offsets that do not rise from 0 to the number of tokens", path)
        if verify:
            for name, array in (("tokens", tokens), ("offsets", offsets)):
                _require(_checksum(array) == card[f"{name}_crc32"], f"checksum of {name}", "altered bytes", path)
        return cls(tokens, offsets, vocabulary)

    def __len__(self) -> int:
        """Number of documents."""
        return len(self.offsets) - 1

    def document(self, index: int) -> NDArray[np.unsignedinteger]:
        """The tokens of one document, a view. ``index`` is from 0 to ``len(self) - 1``."""
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    def blocks(self, context: int, start: int = 0) -> NDArray[np.unsignedinteger]:
        """The shard packed into blocks of ``context + 1`` tokens, each beginning with the last token of the one before.

        Inputs are ``blocks[:, :-1]`` and targets ``blocks[:, 1:]``: every token after the first is a target once.
        Blocks run across documents. Tokens after the last whole block are left out.

        Args:
            context: tokens of one input, at least 1.
            start: first token used, from 0.
        Returns:
            (N, context + 1), a read-only view of the mapped file; N is 0 where the shard is shorter than one block.
        Raises:
            DataError: context is below 1 or start is below 0.
        """
        if context < 1 or start < 0:
            raise DataError(
                f"context must be at least 1 and start at least 0. Got context={context}, start={start} in blocks. "
                f"Use larger ones."
            )
        tokens = self.tokens[start:]
        if tokens.size < context + 1:
            return np.empty((0, context + 1), dtype=self.tokens.dtype)
        return np.lib.stride_tricks.sliding_window_view(tokens, context + 1)[::context]


def write_shard(path: Path, documents: Iterable[ArrayLike], vocabulary: int) -> Shard:
    """Write documents as one shard, streaming: no more than one document is in memory.

    Args:
        path: the folder to make; an older shard there is replaced only when the new one is complete.
        documents: (tokens,) integers each, from 0 to ``vocabulary - 1``, ending with the tokenizer's end token.
        vocabulary: number of tokens, 1 to 2**32; up to 65536 a token takes two bytes, above that four.
    Returns:
        The shard, mapped.
    Raises:
        DataError: a document is not a line of integers in range, or the vocabulary is not.
    """
    if not 1 <= vocabulary <= 2**32:
        raise DataError(
            f"vocabulary must be from 1 to 2**32. Got {vocabulary} for the shard {path}. Use the tokenizer's."
        )
    dtype = np.dtype("<u2") if vocabulary <= 2**16 else np.dtype("<u4")
    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        card = _write_arrays(aside, documents, vocabulary, dtype)
        (aside / "shard.json").write_text(json.dumps(card, sort_keys=True) + "\n", encoding="utf-8")
        if path.exists():
            shutil.rmtree(path)
        aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Shard.open(path, verify=False)


def _write_arrays(
    folder: Path, documents: Iterable[ArrayLike], vocabulary: int, dtype: np.dtype
) -> dict[str, int | str]:
    offsets, crc = [0], 0
    with (folder / "tokens.npy").open("wb") as stream:
        _write_header(stream, dtype, 0)
        for number, document in enumerate(documents):
            array = _check_document(document, number, vocabulary)
            raw = np.ascontiguousarray(array, dtype=dtype).tobytes()
            crc = zlib.crc32(raw, crc)
            stream.write(raw)
            offsets.append(offsets[-1] + array.size)
        # The header reserves room for any length (numpy pads it for growing arrays), so it can be filled in afterwards.
        stream.seek(0)
        _write_header(stream, dtype, offsets[-1])
    table = np.asarray(offsets, dtype="<i8")
    np.save(folder / "offsets.npy", table, allow_pickle=False)
    return {
        "vocabulary": vocabulary,
        "dtype": "uint16" if dtype.itemsize == 2 else "uint32",
        "tokens": offsets[-1],
        "documents": len(offsets) - 1,
        "tokens_crc32": crc,
        "offsets_crc32": zlib.crc32(table.tobytes()),
    }


def _write_header(stream: BinaryIO, dtype: np.dtype, length: int) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(stream, header)


def _check_document(document: ArrayLike, number: int, vocabulary: int) -> NDArray[np.integer]:
    array = np.asarray(document)
    if array.size == 0:
        return np.empty(0, dtype=np.int64)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise DataError(
            f"a document must be one line of integer tokens. Got shape {array.shape} of {array.dtype} in document "
            f"{number}. Give the tokenizer's token list."
        )
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= vocabulary:
        raise DataError(
            f"tokens must be from 0 to {vocabulary - 1}. Got {low if low < 0 else high} in document {number}. "
            f"Use the tokenizer that the vocabulary belongs to."
        )
    return array


def _read_card(path: Path) -> dict:
    try:
        card = json.loads((path / "shard.json").read_text(encoding="utf-8"))
        numbers = ("vocabulary", "tokens", "documents", "tokens_crc32", "offsets_crc32")
        for name in numbers:
            _require(type(card[name]) is int and card[name] >= 0, name, card[name], path)
        _require(isinstance(card["dtype"], str), "dtype", card["dtype"], path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"a shard must have a whole shard.json. Got: {error} in {path}. {_REMEDY}.") from error
    return card


def _map(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        # An empty shard has no bytes to map.
        raise DataError(f"a shard's arrays must be whole .npy files. Got: {error} in {path}. {_REMEDY}.") from error
    _require(array.ndim == 1, "shape", array.shape, path)
    return array


def _require(condition: bool, law: str, got: object, place: Path) -> None:
    if not condition:
        raise DataError(f"a shard must be as it was written ({law}). Got {got} in {place}. {_REMEDY}.")


def _checksum(array: np.ndarray) -> int:
    crc = 0
    for start in range(0, array.size, _CHUNK):
        crc = zlib.crc32(memoryview(np.ascontiguousarray(array[start : start + _CHUNK])).cast("B"), crc)
    return crc
