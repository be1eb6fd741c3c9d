"""Answers that were paid for, kept on disk at once: a file that only grows.

Enters: a question's key and its answer. Leaves: the answer, for ever, also after a kill at any instant.
Not here: asking (asking.py). One process at a time may have a journal open: the caller holds a lock on its folder.

One JSON object a line. A line counts when it is whole: what a kill cut off is dropped at the next opening, and a line
that the disk has spoilt is asked again. The file holds answers and hashes of questions, no text of the user's.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

JOURNAL = "answers.jsonl"
_SYNC_SECONDS = 1.0


def make_key(url: str, body: bytes) -> str:
    """The name of a question: a hash of where it is asked and of the whole request, the model's name included."""
    return hashlib.sha256(url.encode() + b"\0" + body).hexdigest()


class Journal:
    """Answers by key, in a file of the given folder. A context manager; any thread may use it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / JOURNAL, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._lock = threading.Lock()
        self._places: dict[bytes, tuple[int, int]] = {}
        self._synced = time.monotonic()
        self._end = 0
        for start, line in self._whole_lines():
            self._end = start + len(line)
            record = _read(line)
            if record is not None:
                self._places[bytes.fromhex(record["key"])] = (start, len(line))
        os.ftruncate(self._file, self._end)

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._places

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> Any:
        """The answer of that key, as it was kept.

        Raises:
            KeyError: there is none.
        """
        start, length = self._places[bytes.fromhex(key)]
        record = _read(os.pread(self._file, length, start))
        if record is None:
            raise KeyError(key)
        return record["answer"]

    def keep(self, key: str, answer: Any) -> None:
        """Write an answer. When this returns it outlives this process; a second later, also a failing machine.

        Args:
            key: from ``make_key``.
            answer: anything JSON can write.
        Raises:
            OSError: the disk is full, or gone.
        """
        line = json.dumps({"key": key, "answer": answer}, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            # A line that a full disk cut short stays without its end: it must not run into the next one.
            os.ftruncate(self._file, self._end)
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            self._places[bytes.fromhex(key)] = (self._end, len(line))
            self._end += len(line)
            if time.monotonic() - self._synced >= _SYNC_SECONDS:
                os.fsync(self._file)
                self._synced = time.monotonic()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            os.fsync(self._file)
            os.close(self._file)

    def _whole_lines(self) -> Iterator[tuple[int, bytes]]:
        """Where each line starts, and the line; none that lacks its end."""
        start = 0
        with os.fdopen(os.dup(self._file), "rb") as stream:
            stream.seek(0)
            for line in stream:
                if line.endswith(b"\n"):
                    yield start, line
                start += len(line)


def _read(line: bytes) -> dict[str, Any] | None:
    """A record; None where the line is none."""
    try:
        record = json.loads(line)
        whole = len(bytes.fromhex(record["key"])) == 32 and "answer" in record
    except (ValueError, KeyError, TypeError):
        return None
    return record if whole else None
