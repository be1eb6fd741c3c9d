"""The stage of sequence-level distillation: the teacher completes the training prompts, the student learns its text.

Enters: the data, and a teacher: trained, in a package, or behind an endpoint. Leaves: ``train.jsonl``, rows with its
completions; of one behind an endpoint ``test.json`` too, what it says to the test prompts.
Not here: asking and keeping (teacher/text.py, completing.py), tokens (lessons.py), the teacher's logits (generate.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallwright.compress.settings import QuantizeSettings
from smallwright.data import Row
from smallwright.errors import DataError
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.shared import (
    PACKAGE_FILE,
    TEACHER_FOLDER,
    make_provenance,
    open_tokenizer,
    package_model,
    quantize_settings,
)
from smallwright.pipeline.stage import Outcome, exclusive, write_atomically
from smallwright.pipeline.teach_endpoint import TRAVEL
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run.schema import AnswerForm
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.text import WrittenText, write_texts

if TYPE_CHECKING:
    from smallwright.teacher.completing import Wording

TEST_FILE = "test.json"
_WRITER, _WORDING = "teacher.gguf", "wording.json"


def written_stage(recipe: Recipe, shop: Workshop, data: Outcome, tokenizer: Outcome, teacher: Outcome) -> Outcome:
    """The training rows with the teacher's completions in place of the data's.

    Answers that were cut short, empty ones and prompts beyond the context cannot be learned from: they are counted.
    """
    schema = recipe.read_schema()

    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.model import load_model
        from smallwright.model.weight_only import AS_STORED

        reader, rows = open_tokenizer(tokenizer), read_split(data, "train")
        package = folder / _WRITER
        package_model(
            load_model(teacher.folder / TEACHER_FOLDER, held_as=AS_STORED),
            package,
            name=f"{recipe.name}-teacher",
            kind="generate",
            tokenizer=reader.tokenizer,
            roles=reader.roles,
            quantize=_gentle(quantize_settings(recipe).alone()),
            provenance=make_provenance(recipe, {"tokenizer": tokenizer, "model": teacher}, shop.cores),
            prompt=recipe.task.prompt.form,
            schema=schema,
        )
        texts = write_texts(
            package,
            [str(row.prompt) for row in rows],
            folder,
            max_tokens=recipe.evaluate.answer_tokens,
            threads=recipe.threads or 0,
            timeout_seconds=recipe.evaluate.timeout_seconds,
        )
        package.unlink()
        return _keep(recipe, rows, texts, folder)

    settings = {
        "prompt": recipe.task.prompt.model_dump(),
        "format": _gentle(quantize_settings(recipe).alone()).model_dump(mode="json"),
        "schema": schema,
        "answer_tokens": recipe.evaluate.answer_tokens,
    }
    inputs = {"data": data, "tokenizer": tokenizer, "teacher": teacher}
    return shop.run("teacher-text", run, settings=settings, inputs=inputs)


def package_text_stage(recipe: Recipe, shop: Workshop, data: Outcome, package: Outcome) -> Outcome:
    """As ``written_stage``, of a teacher that is a package already."""
    schema = recipe.read_schema()

    def run(folder: Path) -> Mapping[str, Any]:
        rows = read_split(data, "train")
        texts = write_texts(
            package.folder / PACKAGE_FILE,
            [str(row.prompt) for row in rows],
            folder,
            max_tokens=recipe.evaluate.answer_tokens,
            threads=recipe.threads or 0,
            timeout_seconds=recipe.evaluate.timeout_seconds,
        )
        if schema is not None:  # its own may be another, or none
            form = _make_form(schema)
            told = [(text, form(text.text) if text.whole else None) for text in texts]
            texts = [replace(text, text=said or text.text, whole=said is not None) for text, said in told]
        return _keep(recipe, rows, texts, folder)

    how = {"answer_tokens": recipe.evaluate.answer_tokens, "schema": schema}
    return shop.run("teacher-text", run, settings=how, inputs={"data": data, "package": package})


def wording_stage(recipe: Recipe, settings: EndpointSettings, shop: Workshop, data: Outcome) -> Outcome:
    """Word the requests for text: the instruction, the examples shown. Nothing is asked yet."""

    def run(folder: Path) -> Mapping[str, Any]:
        wording = word_requests(recipe, settings, read_split(data, "train"))
        write_atomically(folder / _WORDING, json.dumps(asdict(wording), ensure_ascii=False, indent=1) + "\n")
        return {
            "endpoint": settings.url,
            "model": settings.model,
            "examples": len(wording.examples),
            "offer": asdict(settings.offer),
        }

    how = {
        "teacher": settings.model_dump(mode="json", exclude=TRAVEL | {"most_unread"}),
        "answer_tokens": recipe.evaluate.answer_tokens,
        "seed": recipe.seed,
    }
    return shop.run("teacher", run, settings=how, inputs={"data": data})


def word_requests(recipe: Recipe, settings: EndpointSettings, rows: Sequence[Row]) -> Wording:
    """The requests of a recipe: the same for the plan and for the build."""
    from smallwright.teacher.completing import make_wording

    return make_wording(settings, rows, max_tokens=recipe.evaluate.answer_tokens, seed=recipe.seed)


def asked_text_stage(
    recipe: Recipe, settings: EndpointSettings, shop: Workshop, data: Outcome, teacher: Outcome
) -> Outcome:
    """As ``written_stage``, of a teacher behind an endpoint. The validation rows are not sent."""
    schema = recipe.read_schema()

    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.teacher.completing import Wording, complete_prompts
        from smallwright.teacher.journal import Journal

        found = json.loads((teacher.folder / _WORDING).read_text(encoding="utf-8"))
        examples = tuple((prompt, answer) for prompt, answer in found["examples"])
        rows, test = read_split(data, "train"), read_split(data, "test")
        with exclusive(shop.kept_answers), Journal(shop.kept_answers) as journal:
            texts, call_ms = complete_prompts(
                [str(row.prompt) for row in (*rows, *test)],
                Wording(**{**found, "examples": examples}),
                settings=settings,
                journal=journal,
                say=lambda line: shop.say(f"{'teacher-text':<12} {line}"),
                **({} if schema is None else {"form": _make_form(schema)}),
            )
        said = [{"text": text.text, "whole": text.whole} for text in texts[len(rows) :]]
        write_atomically(folder / TEST_FILE, json.dumps(said, ensure_ascii=False) + "\n")
        return {**_keep(recipe, rows, texts[: len(rows)], folder), "call_ms_p50": round(call_ms, 3)}

    how = {"most_unread": settings.most_unread, "schema": schema}
    return shop.run("teacher-text", run, settings=how, inputs={"data": data, "teacher": teacher})


def _make_form(schema: str) -> Callable[[str], str | None]:
    """Writes an answer's text as the schema wants it; None for one that it refuses."""
    form = AnswerForm(schema)

    def write(text: str) -> str | None:
        try:
            return form.write(json.loads(text))
        except (ValueError, RecursionError):
            return None

    return write


def _keep(recipe: Recipe, rows: Sequence[Row], texts: Sequence[WrittenText], folder: Path) -> dict[str, int]:
    """Write the rows whose answers can be learned; gives the counts of all."""
    pairs = list(zip(rows, texts, strict=True))
    kept = [_rewrite(row, text.text) for row, text in pairs if text.whole and text.text.strip()]
    counts = {
        "rows": len(kept),
        "unread": sum(not text.asked for text in texts),
        "cut": sum(text.asked and not text.whole and bool(text.text.strip()) for text in texts),
        "empty": sum(text.asked and not text.text.strip() for text in texts),
    }
    if not kept:
        raise DataError(
            f"a student learns from answers that its teacher finished. Got none of {len(rows)}: {counts['cut']} "
            f"cut short after {recipe.evaluate.answer_tokens} tokens, {counts['empty']} empty, {counts['unread']} "
            "prompts longer than its context. Train the teacher longer, or raise evaluate.answer_tokens."
        )
    write_atomically(folder / "train.jsonl", "".join(row.to_json() + "\n" for row in kept))
    return counts


def _gentle(asked: QuantizeSettings) -> QuantizeSettings:
    """The recipe's rounding, but no coarser than 8 bits: the budget is the student's, not its teacher's."""
    coarse = {name: "q8_0" for name in ("format", "embedding", "head") if getattr(asked, name) == "q4_0"}
    return asked.model_copy(update=coarse)


def _rewrite(row: Row, completion: str) -> Row:
    return replace(row, text=f"{row.prompt}{completion}", completion=completion)
