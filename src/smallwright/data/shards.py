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

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallwright.errors import DataError

_CHUNK = 1 << 22
_REMEDY = "Write the shard again"
_OFFSET = np.dtype("<i8")
_CARD_KEYS = ("vocabulary", "tokens", "documents", "tokens_crc32", "offsets_crc32")


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
        dtype, documents = _choose_dtype(card["vocabulary"]), card["documents"]
        tokens = _map(path / "tokens.npy", dtype, card["tokens"])
        offsets = _map(path / "offsets.npy", _OFFSET, documents + 1)
        ordered = offsets[0] == 0 and offsets[-1] == tokens.size and bool(np.all(offsets[:-1] <= offsets[1:]))
        _require(ordered, "order of offsets", "offsets that do not rise from 0 to the number of tokens", path)
        if verify:
            for name, array in (("tokens", tokens), ("offsets", offsets)):
                _require(_checksum(array) == card[f"{name}_crc32"], f"checksum of {name}", "altered bytes", path)
        return cls(tokens, offsets, card["vocabulary"])

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
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        card = _write_arrays(aside, documents, vocabulary)
        (aside / "shard.json").write_bytes(_seal(card))
        if path.exists():
            shutil.rmtree(path)
        aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Shard.open(path, verify=False)


def _choose_dtype(vocabulary: int) -> np.dtype:
    return np.dtype("<u2") if vocabulary <= 2**16 else np.dtype("<u4")


def _write_arrays(folder: Path, documents: Iterable[ArrayLike], vocabulary: int) -> dict[str, int]:
    dtype, offsets, crc = _choose_dtype(vocabulary), [0], 0
    with (folder / "tokens.npy").open("wb") as stream:
        stream.write(_make_header(dtype, 0))
        for number, document in enumerate(documents):
            array = _check_document(document, number, vocabulary)
            raw = np.ascontiguousarray(array, dtype=dtype).tobytes()
            crc = zlib.crc32(raw, crc)
            stream.write(raw)
            offsets.append(offsets[-1] + array.size)
        # The length is known only now; the header has the same size for every length.
        stream.seek(0)
        stream.write(_make_header(dtype, offsets[-1]))
    table = np.asarray(offsets, dtype=_OFFSET).tobytes()
    (folder / "offsets.npy").write_bytes(_make_header(_OFFSET, len(offsets)) + table)
    return {
        "vocabulary": vocabulary,
        "tokens": offsets[-1],
        "documents": len(offsets) - 1,
        "tokens_crc32": crc,
        "offsets_crc32": zlib.crc32(table),
    }


def _make_header(dtype: np.dtype, length: int) -> bytes:
    """The 128 bytes before a one-dimensional array. Source: the .npy format, version 1.0, of numpy.lib.format."""
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': ({length},), }}"
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode("ascii") + b"\n"


def _seal(card: dict[str, int]) -> bytes:
    """The one way to write a card, with a checksum of itself."""
    body = json.dumps(card, sort_keys=True)
    return (json.dumps({**card, "card_crc32": zlib.crc32(body.encode())}, sort_keys=True) + "\n").encode()


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


def _read_card(path: Path) -> dict[str, int]:
    try:
        raw = (path / "shard.json").read_bytes()
        card = json.loads(raw)
        numbers = {name: card[name] for name in _CARD_KEYS}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"a shard must have a whole shard.json. Got {type(error).__name__}: {error} in {path}. {_REMEDY}."
        ) from error
    for name, number in numbers.items():
        _require(type(number) is int and number >= 0, name, number, path)
    _require(_seal(numbers) == raw, "checksum of shard.json", "altered bytes", path)
    return numbers


def _map(path: Path, dtype: np.dtype, length: int) -> np.ndarray:
    header = _make_header(dtype, length)
    try:
        with path.open("rb") as stream:
            _require(stream.read(len(header)) == header, "header", "another one", path)
        size_bytes = path.stat().st_size
        _require(size_bytes == len(header) + length * dtype.itemsize, "size", f"{size_bytes} bytes", path)
        if length == 0:
            return np.empty(0, dtype=dtype)  # nothing to map
        return np.memmap(path, dtype=dtype, mode="r", offset=len(header), shape=(length,))
    except OSError as error:
        raise DataError(f"a shard must have its arrays. Got {error.strerror or error} in {path}. {_REMEDY}.") from error


def _require(condition: bool, law: str, got: object, place: Path) -> None:
    if not condition:
        raise DataError(f"a shard must be as it was written ({law}). Got {got} in {place}. {_REMEDY}.")


def _checksum(array: np.ndarray) -> int:
    crc = 0
    for start in range(0, array.size, _CHUNK):
        crc = zlib.crc32(memoryview(np.ascontiguousarray(array[start : start + _CHUNK])).cast("B"), crc)
    return crc
