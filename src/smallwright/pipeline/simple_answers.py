"""The simple neighbours of a package that answers prompts: what an afternoon without a language model would give.

Enters: the finished data stage. Leaves: neighbours that answer, and that can be timed like any other subject.
Not here: how they answer (evaluate/fieldwise.py, nearest.py, copying.py), judging (judge_answers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallwright.data import Row
from smallwright.evaluate.answers import read_value
from smallwright.evaluate.copying import (
    CONSTANT_NAME,
    LEAD_NAME,
    count_lead,
    most_frequent,
    open_constant,
    open_lead,
)
from smallwright.evaluate.fieldwise import FIELDWISE_NAME, MOST_VALUES, fit_fieldwise
from smallwright.evaluate.linear import read_pickle
from smallwright.evaluate.nearest import NEAREST_NAME, fit_nearest
from smallwright.evaluate.process import Subject
from smallwright.pipeline.generate import Generator
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.workshop import Workshop

FIELDWISE_FILE, NEAREST_FILE = "fieldwise.pickle", "nearest.pickle"


@dataclass(frozen=True)
class SimpleNeighbour:
    """One that answers prompts without a language model.

    ``kind``: as in the report. ``outcome``: the stage that fitted it, None where nothing had to be. ``target`` and
    ``arguments``: what a fresh process opens, see ``Subject``. ``answer``: (N,) prompts to answers.
    """

    name: str
    kind: str
    outcome: Outcome | None
    target: str
    arguments: Mapping[str, Any]
    answer: Callable[[Sequence[str]], list[str]]
    note: str = ""

    @property
    def subject(self) -> Subject:
        """To be timed."""
        return Subject(self.name, target=self.target, arguments=self.arguments)

    @property
    def size_bytes(self) -> int | None:
        """Of its file; None where it has none."""
        return None if self.outcome is None else int(self.outcome.facts["size_bytes"])


def simple_neighbours(shop: Workshop, made: Generator) -> tuple[SimpleNeighbour, ...]:
    """Those that fit the kind of answers: free text, or JSON objects; none for answers that are other JSON."""
    rows = read_split(made.data, "train")
    if made.lessons.facts["free_text"]:
        return (_nearest(shop, made, rows), *_unfitted(rows))
    if all(isinstance(read_value(str(row.completion)), dict) for row in rows):
        return (_fieldwise(shop, made, rows),)
    return ()


def _fieldwise(shop: Workshop, made: Generator, rows: Sequence[Row]) -> SimpleNeighbour:
    def run(folder: Path) -> Mapping[str, Any]:
        fitted = fit_fieldwise([str(row.prompt) for row in rows], [str(row.completion) for row in rows])
        size, sha256 = fitted.save(folder / FIELDWISE_FILE)
        return {"size_bytes": size, "sha256": sha256}

    outcome = shop.run("fieldwise", run, inputs={"data": made.data})
    note = f"scikit-learn; the {MOST_VALUES} most frequent values of a field"
    return _fitted(FIELDWISE_NAME, "fieldwise", outcome, FIELDWISE_FILE, "fieldwise:open_fieldwise", note)


def _nearest(shop: Workshop, made: Generator, rows: Sequence[Row]) -> SimpleNeighbour:
    def run(folder: Path) -> Mapping[str, Any]:
        fitted = fit_nearest([str(row.prompt) for row in rows], [str(row.completion) for row in rows])
        size, sha256 = fitted.save(folder / NEAREST_FILE)
        return {"size_bytes": size, "sha256": sha256}

    outcome = shop.run("nearest", run, inputs={"data": made.data})
    return _fitted(NEAREST_NAME, "nearest", outcome, NEAREST_FILE, "nearest:open_nearest", "scikit-learn")


def _fitted(name: str, kind: str, outcome: Outcome, file: str, target: str, note: str) -> SimpleNeighbour:
    arguments = {"path": str(outcome.folder / file), "sha256": outcome.facts["sha256"]}
    target = f"smallwright.evaluate.{target}"
    return SimpleNeighbour(name, kind, outcome, target, arguments, read_pickle(**arguments).answer, note)


def _unfitted(rows: Sequence[Row]) -> tuple[SimpleNeighbour, ...]:
    completions = [str(row.completion) for row in rows]
    words, text = count_lead(completions), most_frequent(completions)
    lead, constant = open_lead(words), open_constant(text)
    module = "smallwright.evaluate.copying"
    return (
        SimpleNeighbour(
            LEAD_NAME,
            "lead",
            None,
            f"{module}:open_lead",
            {"words": words},
            lambda prompts: [lead(prompt) for prompt in prompts],
            f"{words} words, the median of the training completions",
        ),
        SimpleNeighbour(
            CONSTANT_NAME,
            "majority",
            None,
            f"{module}:open_constant",
            {"text": text},
            lambda prompts: [constant(prompt) for prompt in prompts],
            f"always {text[:60]!r}{'...' if len(text) > 60 else ''}",
        ),
    )
