"""The stages of a classifier's teacher behind an endpoint: its questions worded, rows written, answers asked for.

Enters: a recipe with ``teacher: {from: endpoint}``, the finished data stage. Leaves: outcomes like those of teach.py.
Not here: requests and reading (teacher/), a teacher on disk (teach.py), one that writes completions (written.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smallwright.data import Row
from smallwright.pipeline.enlarge import HELD_OUT, add_rows
from smallwright.pipeline.rows import label_numbers, read_labels, read_split, read_texts
from smallwright.pipeline.stage import Outcome, exclusive, write_atomically
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.teacher.endpoint_settings import EndpointSettings

if TYPE_CHECKING:
    from smallwright.teacher.labelling import Answered
    from smallwright.teacher.questions import Questions

QUESTIONS_FILE = "questions.json"
# How a question travels does not change what is answered.
TRAVEL = {
    "allow_remote",
    "key_variable",
    "concurrency",
    "timeout_seconds",
    "retries",
    "first_wait_seconds",
    "longest_wait_seconds",
}
_READING = {"trust", "most_unread"}


def endpoint_stage(recipe: Recipe, settings: EndpointSettings, shop: Workshop, data: Outcome) -> Outcome:
    """Word the questions: classes, their letters, the examples shown. Nothing is asked yet."""

    def run(folder: Path) -> Mapping[str, Any]:
        questions = word_questions(recipe, settings, read_labels(data), read_split(data, "train"))
        write_atomically(folder / QUESTIONS_FILE, json.dumps(asdict(questions), ensure_ascii=False, indent=1) + "\n")
        return {
            "endpoint": settings.url,
            "model": settings.model,
            "classes": len(questions.labels),
            "examples": len(questions.examples),
            "by_letters": questions.by_letters,
            "offer": asdict(settings.offer),
        }

    how = {"teacher": settings.model_dump(mode="json", exclude=TRAVEL | _READING | {"new_rows"}), "seed": recipe.seed}
    return shop.run("teacher", run, settings=how, inputs={"data": data})


def word_questions(recipe: Recipe, settings: EndpointSettings, labels: Sequence[str], rows: Sequence[Row]) -> Questions:
    """The questions of a recipe: the same for the plan and for the build."""
    from smallwright.teacher.questions import make_questions

    return make_questions(settings, labels, rows, seed=recipe.seed)


def read_questions(teacher: Outcome) -> Questions:
    """What ``endpoint_stage`` worded: the data's own rows stand in it as examples, whatever rows came later."""
    from smallwright.teacher.questions import Questions

    found = json.loads((teacher.folder / QUESTIONS_FILE).read_text(encoding="utf-8"))
    lists = {name: tuple(found[name]) for name in ("labels", "codes")}
    return Questions(**{**found, **lists, "examples": tuple((text, code) for text, code in found["examples"])})


def new_rows_stage(
    recipe: Recipe, settings: EndpointSettings, shop: Workshop, data: Outcome, teacher: Outcome
) -> Outcome:
    """The data with rows that the teacher wrote behind its training rows; the data itself without such a wish."""
    if settings.new_rows is None:
        return data

    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.teacher.journal import Journal
        from smallwright.teacher.new_rows import FATES, write_rows

        rows = read_split(data, "train")
        with exclusive(shop.kept_answers), Journal(shop.kept_answers) as journal:
            found = write_rows(
                rows,
                read_questions(teacher),
                held_out={text for split in HELD_OUT for text in read_texts(data, split)},
                known=read_texts(data, "unlabelled"),
                settings=settings,
                journal=journal,
                seed=recipe.seed,
                say=lambda line: shop.say(f"{'new-rows':<12} {line}"),
            )
        add_rows(data, folder, found.rows)
        fates = {fate: found.fates[fate] for fate in FATES}
        return {"rows": len(rows), "requests": found.requests, "fates": fates, "missing": found.missing}

    how = {"new_rows": settings.new_rows.model_dump(mode="json"), "seed": recipe.seed}
    return shop.run("new-rows", run, settings=how, inputs={"data": data, "teacher": teacher})


def endpoint_answers_stage(
    recipe: Recipe,
    settings: EndpointSettings,
    shop: Workshop,
    data: Outcome,
    teacher: Outcome,
    *,
    transfer: Outcome | None,
    transfer_texts: Sequence[str],
) -> Outcome:
    """The teacher's log-probabilities for training, transfer and test texts, each asked once for all time.

    Nobody needs an answer to the validation rows or to those out of scope, so these are not sent. Where an answer to a
    training row names no class, the row's own label stands in for it; other rows of NaN were not answered.
    """

    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.teacher.journal import Journal
        from smallwright.teacher.labelling import answer_texts
        from smallwright.teacher.reading import name_class

        labels, rows = read_labels(data), read_split(data, "train")
        texts = {
            "train": [row.text for row in rows],
            "transfer": list(transfer_texts),
            "test": read_texts(data, "test"),
        }
        questions = read_questions(teacher)
        with exclusive(shop.kept_answers), Journal(shop.kept_answers) as journal:
            every = [text for part in texts.values() for text in part]
            answered = answer_texts(
                every,
                questions,
                settings=settings,
                journal=journal,
                say=lambda line: shop.say(f"{'answers':<12} {line}"),
            )
        parts = _split(texts, answered.log_probabilities)
        read = _split(texts, answered.read)
        for row in np.flatnonzero(~read["train"]):
            number = int(label_numbers([rows[row]], labels)[0])
            parts["train"][row] = name_class(number, len(labels), settings.trust)
        for name, part in parts.items():
            np.save(folder / f"{name}.npy", part)
        return _facts(texts, read, answered)

    inputs: dict[str, str | Outcome] = {"data": data, "teacher": teacher}
    if transfer is not None:
        inputs["transfer"] = transfer
    return shop.run("answers", run, settings=settings.model_dump(mode="json", include=_READING), inputs=inputs)


def _split(texts: Mapping[str, list[str]], values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """One array for all texts as one for each part."""
    ends = np.cumsum([len(part) for part in texts.values()])[:-1]
    return dict(zip(texts, np.split(values, ends), strict=True))


def _facts(texts: Mapping[str, list[str]], read: Mapping[str, NDArray[np.bool_]], answered: Answered) -> dict[str, Any]:
    return {
        "answered": {name: int(part.sum()) for name, part in read.items()},
        "unread": {name: int((~part).sum()) for name, part in read.items()},
        "questions": len({text for part in texts.values() for text in part}),
        "from_tokens": int(answered.from_tokens.sum()),
        "call_ms_p50": round(float(np.nanmedian(answered.call_ms)), 3),
    }
