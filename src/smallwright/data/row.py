"""The small types that everything in this room hands on: a row, where it came from, and a row that was refused.

Enters: plain values. Leaves: frozen ``Row``, ``SourceRow`` and ``Reject``.
Not here: reading (sources.py), splitting (splits.py), files (prepare.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

EXCERPT_CHARS = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One example.

    Classification uses ``text`` and ``label``. Language modelling uses ``text``; where the source gave ``prompt`` and
    ``completion``, these are kept and ``text`` is the one followed by the other.
    """

    text: str
    label: str | None = None
    prompt: str | None = None
    completion: str | None = None

    @property
    def question(self) -> str:
        """What a model is given of the row: by it two rows count as the same."""
        return self.text if self.prompt is None else self.prompt

    def to_json(self) -> str:
        """One JSON line without the newline; fields that are None are left out."""
        value = {"text": self.text, "label": self.label, "prompt": self.prompt, "completion": self.completion}
        return json.dumps({name: part for name, part in value.items() if part is not None}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row and its place: ``file`` as the recipe names it, ``line`` counted from 1 (0: the file as a whole)."""

    row: Row
    file: str
    line: int

    @property
    def place(self) -> str:
        """``file, line 3`` for messages."""
        return f"{self.file}, line {self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be used. ``reason`` is a stable phrase to count by; ``detail`` says what differed here."""

    file: str
    line: int
    reason: str
    excerpt: str
    detail: str = ""

    def to_json(self) -> str:
        """One JSON line without the newline."""
        value = {
            "file": self.file,
            "line": self.line,
            "reason": self.reason,
            "detail": self.detail,
            "excerpt": self.excerpt,
        }
        return json.dumps(value, ensure_ascii=False)


def cut_excerpt(raw: str) -> str:
    """The first characters of a raw line, safe to write as UTF-8 (bytes that could not be decoded become U+FFFD)."""
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in raw[:EXCERPT_CHARS])
