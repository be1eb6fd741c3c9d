"""Answers to prompts, judged: exactly right or not, and field by field where they are JSON.

Enters: expected answers and given texts. Leaves: scores.
Not here: running any system (cost.py), what makes text JSON of a schema (run/schema.py).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smallwright.errors import DataError
from smallwright.evaluate.calibration import Calibration
from smallwright.evaluate.comparison import Comparison
from smallwright.evaluate.free_text import FreeTextQuality
from smallwright.evaluate.metrics import Accuracy, accuracy
from smallwright.evaluate.quality import WrongAnswer
from smallwright.run.schema import write_whole


@dataclass(frozen=True)
class FieldScore:
    """One field over all rows. ``support``: how often it is expected. A value counts as right when field and value are
    expected; None where nothing of the kind was given (precision) or expected (recall)."""

    field: str
    precision: float | None
    recall: float | None
    f1: float
    support: int


@dataclass(frozen=True)
class AnswerScore:
    """One system's answers. ``exact``: equal as values (the order of keys does not matter). ``whole``: share that ended
    by itself; ``valid``: share that are answers that the schema allows (None without a schema). ``field_f1``: over all
    fields of all rows together, None without fields."""

    exact: Accuracy
    whole: float
    valid: float | None
    field_f1: float | None
    fields: tuple[FieldScore, ...]


@dataclass(frozen=True)
class AnswerQuality:
    """What a package's answers to the test prompts are worth.

    ``enforced``: as it ships, under its schema where it has one; ``free``: the same package with the schema left
    unenforced, None without a schema. ``calibration``: of the probabilities that it gives its answers, None where the
    package holds none. ``comparisons``: with other systems, row by row, exactly right or not. ``free_text``: None for
    answers that are JSON; where it is not, it shows answers good and bad, and ``wrong_answers`` is empty.
    """

    enforced: AnswerScore
    free: AnswerScore | None
    calibration: Calibration | None
    comparisons: tuple[Comparison, ...]
    wrong_answers: tuple[WrongAnswer, ...]
    free_text: FreeTextQuality | None = None


def read_value(text: str) -> Any:
    """What a text says: its JSON value where it is JSON, else the text with single spaces for white space of any kind
    and none around it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text.split())


def list_fields(value: Any) -> Counter[tuple[str, str]]:
    """(field, value) pairs of an answer; a list counts item by item, an inner object by ``outer.inner``."""
    found: Counter[tuple[str, str]] = Counter()

    def walk(path: str, part: Any) -> None:
        if isinstance(part, Mapping):
            for name, inner in part.items():
                walk(f"{path}.{name}" if path else str(name), inner)
        elif isinstance(part, list) and path:
            for item in part:
                walk(path, item)
        elif path:
            found[path, _spell(part)] += 1

    walk("", value)
    return found


def score_answers(
    expected: Sequence[str], given: Sequence[str], *, whole: Sequence[bool], valid: Sequence[bool] | None = None
) -> AnswerScore:
    """Judge answers.

    Args:
        expected: (N,) right answers, JSON or text.
        given: (N,) what a system said; text that is no JSON has no fields.
        whole: (N,) whether each ended by itself; one that was cut short is never right.
        valid: (N,) whether the schema allows it; None without a schema.
    Raises:
        DataError: lengths differ, or there are no rows.
    """
    if not expected or not len(expected) == len(given) == len(whole):
        raise DataError(f"answers must be one a row. Got {len(given)} for {len(expected)} rows.")
    wanted, said = [read_value(text) for text in expected], [read_value(text) for text in given]
    right = are_right(expected, given, whole)
    hits, asked, told = Counter[str](), Counter[str](), Counter[str]()
    for want, got in zip(wanted, said, strict=True):
        a, b = list_fields(want), list_fields(got)
        for total, pairs in ((asked, a), (told, b), (hits, a & b)):
            for (field, _), count in pairs.items():
                total[field] += count
    fields = tuple(_score_field(name, hits[name], told[name], asked[name]) for name in asked)
    return AnswerScore(
        exact=accuracy([True] * len(right), right),
        whole=sum(whole) / len(whole),
        valid=None if valid is None else sum(valid) / len(valid),
        field_f1=_f1(hits.total(), told.total(), asked.total()) if asked else None,
        fields=fields,
    )


def _score_field(name: str, hits: int, told: int, asked: int) -> FieldScore:
    return FieldScore(
        name, hits / told if told else None, hits / asked if asked else None, _f1(hits, told, asked), asked
    )


def _f1(hits: int, told: int, asked: int) -> float:
    return 2 * hits / (told + asked) if told + asked else 0.0


def are_right(expected: Sequence[str], given: Sequence[str], whole: Sequence[bool]) -> list[bool]:
    """(N,) whether each answer ended by itself and is exactly the expected one, as a value."""
    pairs = zip(expected, given, whole, strict=True)
    return [ends and (want == got or _spell(read_value(want)) == _spell(read_value(got))) for want, got, ends in pairs]


def _spell(value: Any) -> str:
    """The same text for values that are equal as JSON: 1 and 1.0 are, 1 and true are not."""
    return json.dumps(_whole(value), sort_keys=True, ensure_ascii=False)


def _whole(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(part) for part in value]
    return {name: _whole(part) for name, part in value.items()} if isinstance(value, dict) else write_whole(value)
