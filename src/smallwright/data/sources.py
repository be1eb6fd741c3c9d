"""Readers: one file or folder in, a stream of rows and rejects out.

Enters: a path, its format and the wanted fields. Leaves: ``SourceRow`` and ``Reject``, in the order of the file.
Not here: CSV's details (csv_source.py), what makes a record a row (records.py), splitting.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from smallwright.data.csv_source import read_csv
from smallwright.data.records import BAD_ENCODING, EncodingTally, Wanted, build_row, check_head
from smallwright.data.row import Reject, Row, SourceRow, cut_excerpt
from smallwright.errors import DataError

FORMATS = ("jsonl", "csv", "tsv", "parquet", "folder", "text", "lines")
# fmt: off
TEXT_SUFFIXES = frozenset((
    ".txt", ".md", ".rst", ".tex", ".html", ".htm", ".xml", ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".sh",
    ".py", ".pyi", ".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".java", ".js", ".ts", ".go", ".rs", ".rb", ".php",
    ".swift", ".kt", ".scala", ".lua", ".r", ".sql", ".css",
))
# fmt: on
_SUFFIX_FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "text",
    ".md": "text",
}


def choose_format(path: Path, file: str, format: str | None, *, documents: bool) -> str:
    """The format of a source: the one named, or the one its extension tells.

    Args:
        path: an existing file or folder.
        file: its name for messages.
        format: one of FORMATS, or None.
        documents: whether a plain text file is one document (language modelling) or a row per line (classification).
    Raises:
        DataError: the format is unknown, or does not fit a file or a folder.
    """
    if format is not None and format not in FORMATS:
        raise DataError(f"format must be one of {', '.join(FORMATS)}. Got {format!r} for {file}. Choose one of them.")
    if path.is_dir():
        if format not in (None, "folder"):
            raise DataError(
                f"format {format} is for files. Got the folder {file}. Name the files, or leave out format."
            )
        return "folder"
    if format == "folder":
        raise DataError(f"format folder is for folders. Got the file {file}. Name the folder, or leave out format.")
    chosen = format or _SUFFIX_FORMATS.get(path.suffix.lower())
    if chosen is None:
        raise DataError(
            f"a data file's extension must tell its format ({', '.join(sorted(_SUFFIX_FORMATS))}). "
            f"Got {path.suffix!r} in {file}. Add format: one of {', '.join(FORMATS)}."
        )
    return "lines" if chosen == "text" and format is None and not documents else chosen


def read_source(
    path: Path, file: str, wanted: Wanted, *, format: str | None = None, documents: bool = False
) -> Iterator[SourceRow | Reject]:
    """Stream the rows of one file or folder.

    Args:
        path: the file or folder.
        file: its name for messages and rejects.
        wanted: which fields to take.
        format: one of FORMATS, None: by extension.
        documents: as in ``choose_format``.
    Raises:
        DataError: a missing or unreadable file, an unknown format, a file in another encoding, a missing column.
    """
    if not path.exists():
        raise DataError(f"a data file must exist. Got {file}, which does not. Check the path in the recipe's data.")
    chosen = choose_format(path, file, format, documents=documents)
    if wanted.label is not None and chosen in ("text", "lines"):
        raise DataError(
            f"rows to classify need labels. Got plain text in {file}. Use JSONL or CSV with a label, or a folder with "
            f"one sub-folder per class."
        )
    try:
        if chosen == "jsonl":
            yield from _read_jsonl(path, file, wanted)
        elif chosen in ("csv", "tsv"):
            yield from read_csv(path, file, wanted, "," if chosen == "csv" else "\t")
        elif chosen == "parquet":
            yield from _read_parquet(path, file, wanted)
        elif chosen == "folder":
            yield from _read_folder(path, file, wanted)
        elif chosen == "lines":
            yield from _read_lines(path, file, wanted)
        else:
            yield _read_text(path, file)
    except OSError as error:
        raise DataError(
            f"a data file must be readable. Got {error.strerror or error} in {file}. Check its permissions."
        ) from error


def _decoded_lines(path: Path, file: str) -> Iterator[tuple[int, str, bool]]:
    """Line number, text without its end, and whether it was UTF-8."""
    tally = EncodingTally(file)
    with path.open("rb") as stream:
        check_head(stream.read(4096), file)
        stream.seek(0)
        for number, raw in enumerate(stream, 1):
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            text, clean = tally.decode(raw.rstrip(b"\r\n"), number)
            yield number, text, clean
    tally.check()


def _read_jsonl(path: Path, file: str, wanted: Wanted) -> Iterator[SourceRow | Reject]:
    for line, text, clean in _decoded_lines(path, file):
        if not clean:
            yield Reject(file, line, BAD_ENCODING, cut_excerpt(text), "not UTF-8")
            continue
        if not text.strip():
            yield Reject(file, line, "empty line", "")
            continue
        try:
            record = json.loads(text)
        except ValueError as error:
            yield Reject(file, line, "not JSON", cut_excerpt(text), str(error))
            continue
        except RecursionError:
            yield Reject(file, line, "not JSON", cut_excerpt(text), "nested too deeply")
            continue
        if isinstance(record, dict):
            yield build_row(record, wanted, file, line, text)
        else:
            yield Reject(file, line, "not a JSON object", cut_excerpt(text), type(record).__name__)


def _read_lines(path: Path, file: str, wanted: Wanted) -> Iterator[SourceRow | Reject]:
    for line, text, clean in _decoded_lines(path, file):
        if not clean:
            yield Reject(file, line, BAD_ENCODING, cut_excerpt(text), "not UTF-8")
        elif not text.strip():
            yield Reject(file, line, "empty line", "")
        else:
            yield SourceRow(Row(text), file, line)


def _read_text(path: Path, file: str) -> SourceRow | Reject:
    raw = path.read_bytes()
    check_head(raw, file)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"a data file must be UTF-8 text. Got byte 0x{raw[error.start]:02x} at position {error.start} in {file}. "
            f"Save it as UTF-8, for example with `iconv -f ENCODING -t UTF-8`."
        ) from error
    return SourceRow(Row(text), file, 0) if text.strip() else Reject(file, 0, "empty text", "")


def _read_parquet(path: Path, file: str, wanted: Wanted) -> Iterator[SourceRow | Reject]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            f"Parquet needs the package pyarrow. Got {file} without it. Run: pip install 'smallwright[build]'."
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            columns = table.schema_arrow.names
            for name in wanted.fields:
                if columns.count(name) != 1:
                    found = "twice" if name in columns else "not at all"
                    raise DataError(
                        f"a Parquet file must have the column {name!r} once. Got it {found} in {file}, whose columns "
                        f"are {', '.join(map(repr, columns[:20]))}. Name the right one under fields."
                    )
            line = 0
            for batch in table.iter_batches(batch_size=4096, columns=list(wanted.fields)):
                for record in batch.to_pylist():
                    line += 1
                    yield build_row(record, wanted, file, line, str(record))
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"a Parquet file must be whole and hold UTF-8 text. Got: {cause} in {file}. Write the file again."
        ) from error


def list_folder(path: Path) -> list[Path]:
    """All visible files below a folder, sorted by their path within it; links to folders are not followed."""
    found: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found, key=lambda entry: entry.relative_to(path).as_posix())


def _read_folder(path: Path, file: str, wanted: Wanted) -> Iterator[SourceRow | Reject]:
    for entry in list_folder(path):
        relative = entry.relative_to(path)
        name = f"{file.rstrip('/')}/{relative.as_posix()}"
        if entry.suffix.lower() not in TEXT_SUFFIXES:
            yield Reject(name, 0, "not a text file", "", f"extension {entry.suffix!r}")
            continue
        try:
            outcome = _read_text(entry, name)
        except DataError as error:
            yield Reject(name, 0, BAD_ENCODING, "", str(error))
            continue
        if isinstance(outcome, Reject) or wanted.label is None:
            yield outcome
        elif len(relative.parts) < 2:
            yield Reject(name, 0, "no class folder", cut_excerpt(outcome.row.text), "not in a sub-folder")
        else:
            record = {wanted.text: outcome.row.text, "folder name": relative.parts[0]}
            folder_wanted = Wanted(text=wanted.text, label="folder name", names=wanted.names)
            yield build_row(record, folder_wanted, name, 0, outcome.row.text)
