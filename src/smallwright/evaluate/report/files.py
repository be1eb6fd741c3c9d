"""``report.json`` and ``report.html`` beside the package.

Enters: a ``Report``. Leaves: files, each written aside and renamed; or the ``Report`` that a file holds.
Not here: what the page looks like (html.py).
"""

from __future__ import annotations

import json
import math
import os
import types
import typing
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from smallwright.errors import DataError
from smallwright.evaluate.report.document import SCHEMA_VERSION, Report


def to_json(report: Report) -> str:
    """The report as indented JSON: keys in the order of the schema, equal reports equal bytes.

    Raises:
        DataError: a number is infinite or not a number; such a value should have been None.
    """
    content = asdict(report)
    content = {"schema_version": content.pop("schema_version"), **content}
    _refuse_odd_numbers(content, "report")
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Report:
    """The inverse of ``to_json``.

    Raises:
        DataError: the text is not a report of this schema.
    """
    try:
        content = json.loads(text)
        if content["schema_version"] != SCHEMA_VERSION:
            raise DataError(
                f"a report must have schema_version {SCHEMA_VERSION}. Got {content['schema_version']!r}. "
                "Build it again, or read it with the version that wrote it."
            )
        report: Report = _decode(Report, content)
        return report
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"a report must be the JSON of a Report. Got: {type(error).__name__}: {error}.") from error


def write_report(report: Report, folder: str | Path) -> tuple[Path, Path]:
    """Write both files into a folder.

    Returns:
        The paths of ``report.json`` and ``report.html``.
    Raises:
        DataError: a number is infinite or not a number.
    """
    from smallwright.evaluate.report.html import to_html

    data, page = Path(folder) / "report.json", Path(folder) / "report.html"
    for path, text in ((data, to_json(report)), (page, to_html(report))):
        aside = path.with_name(path.name + ".partial")
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    return data, page


def read_report(path: str | Path) -> Report:
    """Read a ``report.json``.

    Raises:
        DataError: the file is missing, not UTF-8, or not a report of this schema.
    """
    try:
        return from_json(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"a report must be a readable UTF-8 file. Got {error}.") from error


def _refuse_odd_numbers(value: Any, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"a report holds finite numbers, or null where nothing was measured. Got {value} in {place}.")
    if isinstance(value, dict):
        for key, part in value.items():
            _refuse_odd_numbers(part, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            _refuse_odd_numbers(part, f"{place}.{index}")


def _decode(kind: Any, value: Any) -> Any:
    """Rebuild a value of a declared type from plain JSON; unknown and missing keys are errors."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        (kind,) = (part for part in typing.get_args(kind) if part is not types.NoneType)
        return _decode(kind, value)
    if origin is tuple:
        return tuple(_decode(typing.get_args(kind)[0], part) for part in value)
    if origin is dict:
        return {key: _decode(typing.get_args(kind)[1], part) for key, part in value.items()}
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        unknown = set(value) - {member.name for member in fields(kind)}
        if unknown:
            raise KeyError(f"unknown key {sorted(unknown)[0]!r} in {typing.cast(type, kind).__name__}")
        return typing.cast(Any, kind)(**{name: _decode(hints[name], part) for name, part in value.items()})
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, found {value!r}")
    return value
