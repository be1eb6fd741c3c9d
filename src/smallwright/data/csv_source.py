"""CSV by RFC 4180 with a header line, read record by record, with recovery after a broken record.

Enters: a file. Leaves: rows and rejects.
Not here: what a record must hold (records.py), which files are CSV (sources.py).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from smallwright.data.records import BAD_ENCODING, EncodingTally, Wanted, build_row, check_head
from smallwright.data.row import Reject, SourceRow, cut_excerpt
from smallwright.errors import DataError

MAX_FIELD_CHARS = 16 * 1024 * 1024

# The csv module's own limit (131072) is process-wide and too small for documents; it is only ever raised.
csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARS))


class _Lines:
    """Hands decoded lines to csv.reader and remembers where the current record began, so that it can be left again."""

    def __init__(self, stream: BinaryIO, tally: EncodingTally) -> None:
        self.stream = stream
        self.tally = tally
        self.line = 0
        self.offset = 0
        self.record: list[tuple[int, int]] = []
        self.first = ""
        self.clean = True

    def begin_record(self) -> None:
        self.record, self.first, self.clean = [], "", True

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw = self.stream.readline()
        if not raw:
            raise StopIteration
        self.line += 1
        self.offset += len(raw)
        if self.line == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        text, clean = self.tally.decode(raw, self.line)
        self.record.append((self.line, self.offset))
        self.first = self.first or text
        self.clean = self.clean and clean
        return text

    def rewind(self) -> None:
        """Go back to the line after the one on which the current record began."""
        self.line, self.offset = self.record[0]
        self.stream.seek(self.offset)


def read_csv(path: Path, file: str, wanted: Wanted, delimiter: str = ",") -> Iterator[SourceRow | Reject]:
    """Rows of a CSV file whose first record names the columns.

    A record that breaks the rules (a quote that never closes, text after a closing quote, a wrong number of columns)
    is one reject; reading goes on at the line after the one on which it began, so that a stray quote costs one line.

    Args:
        path: the file.
        file: its name for messages.
        wanted: which columns to take.
        delimiter: one character.
    Raises:
        DataError: no header, a wanted column missing or there twice, or a file in another encoding.
    Source: RFC 4180; a byte-order mark, bare line feeds and trailing blank lines are tolerated.
    """
    tally = EncodingTally(file)
    with path.open("rb") as stream:
        check_head(stream.read(4096), file)
        stream.seek(0)
        lines = _Lines(stream, tally)
        header = _read_header(lines, file, delimiter)
        if header is None:
            return
        _check_header(header, wanted, file)
        while (outcome := _next_record(lines, delimiter)) is not None:
            if isinstance(outcome, str):
                yield Reject(file, lines.record[0][0], "bad CSV", cut_excerpt(lines.first.rstrip("\r\n")), outcome)
                lines.rewind()
            elif outcome or lines.first.strip():
                yield _make_row(outcome, header, wanted, file, lines)
    tally.check()


def _next_record(lines: _Lines, delimiter: str) -> list[str] | str | None:
    """The next record, or what is wrong with it, or None at the end of the file."""
    lines.begin_record()
    try:
        record = next(csv.reader(lines, delimiter=delimiter, strict=True))
    except StopIteration:
        return None
    except csv.Error as error:
        return "a quote is never closed" if "unexpected end" in str(error) else str(error)
    return record


def _read_header(lines: _Lines, file: str, delimiter: str) -> list[str] | None:
    header = _next_record(lines, delimiter)
    if isinstance(header, str):
        raise DataError(
            f"a CSV file must begin with a line that names its columns. Got {header} in {file}, line 1. "
            f"Quote names as RFC 4180 says."
        )
    return None if header is None else [name.strip() for name in header]


def _check_header(header: Sequence[str], wanted: Wanted, file: str) -> None:
    for name in wanted.fields:
        if header.count(name) != 1:
            found = "twice" if name in header else "not at all"
            raise DataError(
                f"a CSV file must have the column {name!r} once. Got it {found} in {file}, whose columns are "
                f"{', '.join(repr(column[:40]) for column in header[:20])}. Name the right one under fields."
            )


def _make_row(
    record: Sequence[str], header: Sequence[str], wanted: Wanted, file: str, lines: _Lines
) -> SourceRow | Reject:
    line, raw = lines.record[0][0], lines.first.rstrip("\r\n")
    if not lines.clean:
        return Reject(file, line, BAD_ENCODING, cut_excerpt(raw), "not UTF-8")
    if len(record) != len(header):
        return Reject(
            file, line, "wrong number of columns", cut_excerpt(raw), f"{len(record)}, the header has {len(header)}"
        )
    return build_row(dict(zip(header, record, strict=True)), wanted, file, line, raw)
