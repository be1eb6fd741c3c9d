"""Beginnings of prompts in files: what was computed for a system prompt, kept for the next process.

Enters: bytes of the engine, and what they belong to. Leaves: a file; or the bytes, where file and package agree.
Not here: what the bytes mean (``csrc/engine``).

Layout: one line of JSON (the SHA-256 of what it belongs to and of the bytes), then the bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

_FORMAT = "smallwright beginning 1"


def name_owner(package: str | PathLike[str], kv_bits: int, tokens: Sequence[int]) -> str:
    """SHA-256 of what a file belongs to: the package's bytes, the bits of keys and values, the tokens."""
    with open(package, "rb") as file:
        owner = {"format": _FORMAT, "package": _digest(file), "kv_bits": kv_bits, "tokens": list(tokens)}
    return hashlib.sha256(json.dumps(owner, sort_keys=True).encode()).hexdigest()


def read_saved(path: str | PathLike[str], owner: str) -> bytes | None:
    """The bytes of a file that is whole and belongs to the owner; else None."""
    try:
        with open(path, "rb") as file:
            head, saved = file.readline(4096), file.read()
    except OSError:
        return None
    return saved if head == _head(owner, saved) else None


def write_saved(path: str | PathLike[str], owner: str, saved: bytes) -> None:
    """Write aside, then rename: the file is whole whenever it is there."""
    aside = f"{fspath(path)}.{os.getpid()}.partial"
    try:
        with open(aside, "wb") as file:
            file.write(_head(owner, saved))
            file.write(saved)
        os.replace(aside, path)
    except BaseException:
        if os.path.exists(aside):
            os.unlink(aside)
        raise


def _head(owner: str, saved: bytes) -> bytes:
    found = {"format": _FORMAT, "belongs": owner, "bytes": hashlib.sha256(saved).hexdigest()}
    return json.dumps(found, sort_keys=True).encode() + b"\n"


def _digest(file: Any) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
