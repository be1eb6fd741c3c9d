"""From one record of a source to one row, or to the reason why not; and the rules about encoding.

Enters: a record (names to values) or raw bytes. Leaves: ``SourceRow`` or ``Reject``, decoded text, or ``DataError``.
Not here: file formats (sources.py, csv_source.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from smallwright.data.row import Reject, Row, SourceRow, cut_excerpt
from smallwright.errors import DataError

BAD_ENCODING = "wrong encoding"
_HEAD_BYTES = 4096
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip archive"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to take from a record: the names of its fields, and the class names by the source's values.

    ``label`` None: rows have no label. ``prompt`` and ``completion``, given together, stand in for ``text``; a
    completion may be any JSON value. ``form`` writes it as the task wants it, or gives None for what is no
    answer.
    """

    text: str = "text"
    label: str | None = None
    prompt: str | None = None
    completion: str | None = None
    names: Mapping[str, str] | None = None
    form: Callable[[Any], str | None] | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The fields whose texts, one after the other, are the row's text."""
        return (self.text,) if self.prompt is None or self.completion is None else (self.prompt, self.completion)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that a record must have."""
        return self.texts if self.label is None else tuple(dict.fromkeys((*self.texts, self.label)))


def build_row(record: Mapping[str, Any], wanted: Wanted, file: str, line: int, raw: str) -> SourceRow | Reject:
    """Make a row from a record, or say why it cannot be one.

    Args:
        record: the record's values by name.
        wanted: which of them to take.
        file: the file as the recipe names it.
        line: where the record starts, from 1.
        raw: the record as it stands in the file, for the excerpt.
    Returns:
        A row with its place, or a reject with a stable reason.
    """

    def reject(reason: str, detail: str = "") -> Reject:
        return Reject(file, line, reason, cut_excerpt(raw), detail)

    for name in wanted.fields:
        if record.get(name) is None:
            return reject("missing field", f"{name!r}; the record has {_list_names(record)}")
    texts = [record[name] for name in wanted.texts]
    if len(texts) == 2:
        completion = _write_completion(texts[1], wanted)
        if completion is None:
            return reject("completion against the schema", f"{wanted.completion!r} is no answer that could be given")
        texts[1] = completion
    for name, text in zip(wanted.texts, texts, strict=True):
        if not isinstance(text, str):
            return reject("wrong type", f"{name!r} must be text, not {type(text).__name__}")
        if not _is_unicode(text):
            return reject("invalid Unicode", f"{name!r} has half of a surrogate pair")
    if not "".join(texts).strip():
        return reject("empty text")
    label = None
    if wanted.label is not None:
        label, reason, detail = _read_label(record[wanted.label], wanted)
        if reason:
            return reject(reason, detail)
    if len(texts) == 2:
        return SourceRow(Row(texts[0] + texts[1], label, texts[0], texts[1]), file, line)
    return SourceRow(Row(texts[0], label), file, line)


def _write_completion(value: Any, wanted: Wanted) -> Any:
    if wanted.form is None:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return wanted.form(value)


def _read_label(value: Any, wanted: Wanted) -> tuple[str | None, str, str]:
    if isinstance(value, bool):
        key = "true" if value else "false"
    elif isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        key = str(int(value))
    elif isinstance(value, str):
        key = value.strip()
    else:
        return None, "wrong type", f"{wanted.label!r} must be text or a whole number, not {type(value).__name__}"
    if not key:
        return None, "empty label", ""
    if not _is_unicode(key):
        return None, "invalid Unicode", f"{wanted.label!r} has half of a surrogate pair"
    if wanted.names is None:
        return key, "", ""
    if key not in wanted.names:
        return None, "label without a name", f"{key!r} is not among the keys of labels: {_list_names(wanted.names)}"
    return wanted.names[key], "", ""


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _list_names(names: Mapping[str, Any]) -> str:
    shown = ", ".join(repr(str(name)[:40]) for name in list(names)[:10])
    return (shown or "none") + (", ..." if len(names) > 10 else "")


def check_head(head: bytes, file: str) -> None:
    """Refuse a file whose first bytes show that it is not UTF-8 text at all.

    Raises:
        DataError: a foreign byte-order mark, a known binary format, or the many NUL bytes of UTF-16.
    """
    head = head[:_HEAD_BYTES]
    for mark, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            _refuse(file, name)
    if head.count(0) * 10 >= len(head) > 0:
        _refuse(file, "many NUL bytes, as in UTF-16 or a binary file")


def _refuse(file: str, got: str) -> None:
    raise DataError(
        f"a data file must be UTF-8 text. Got {got} in {file}. Save it as UTF-8, for example with "
        f"`iconv -f ENCODING -t UTF-8`, or name its format."
    )


@dataclass(slots=True)
class EncodingTally:
    """Tells a few damaged lines from a file in another encoding.

    A file is taken as wrong when most of its lines beyond ASCII are not UTF-8 and these are more than one and at least
    one in 200: dropping them one by one would quietly remove every row with an accent or a typographic quote.
    """

    file: str
    lines: int = field(default=0)
    valid: int = field(default=0)
    bad: int = field(default=0)
    first_bad: int = field(default=0)

    def decode(self, raw: bytes, line: int) -> tuple[str, bool]:
        """Text of one line and whether it was UTF-8; bytes that are not become lone surrogates."""
        self.lines += 1
        text = raw.decode("utf-8", "surrogateescape")
        if text.isascii():
            return text, True
        if any("\udc80" <= character <= "\udcff" for character in text):
            self.bad += 1
            self.first_bad = self.first_bad or line
            return text, False
        self.valid += 1
        return text, True

    def check(self) -> None:
        """Raise if the file as a whole is in another encoding.

        Raises:
            DataError: by the rule above.
        """
        if self.bad >= 2 and self.bad > self.valid and self.bad * 200 >= self.lines:
            _refuse(
                self.file,
                f"{self.bad} lines of {self.lines} that are not UTF-8, the first at line {self.first_bad} "
                f"(perhaps Latin-1 or Windows-1252)",
            )
