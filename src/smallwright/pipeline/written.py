"""The stage of sequence-level distillation: the teacher completes the training prompts, the student learns its text.

Enters: the data, the tokenizer and the trained teacher. Leaves: ``train.jsonl``, rows with the teacher's completions.
Not here: asking and keeping (teacher/text.py), tokens (lessons.py), the teacher's logits (generate.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from smallwright.compress.settings import QuantizeSettings
from smallwright.data import Row
from smallwright.errors import DataError
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.shared import (
    TEACHER_FOLDER,
    make_provenance,
    open_tokenizer,
    package_model,
    quantize_settings,
)
from smallwright.pipeline.stage import Outcome, write_atomically
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.teacher.text import write_texts

_WRITER = "teacher.gguf"


def written_stage(recipe: Recipe, shop: Workshop, data: Outcome, tokenizer: Outcome, teacher: Outcome) -> Outcome:
    """The training rows with the teacher's completions in place of the data's.

    Answers that were cut short, empty ones and prompts beyond the context cannot be learned from: they are counted.
    """
    schema = recipe.read_schema()

    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.model import load_model

        reader, rows = open_tokenizer(tokenizer), read_split(data, "train")
        package = folder / _WRITER
        package_model(
            load_model(teacher.folder / TEACHER_FOLDER),
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
        pairs = list(zip(rows, texts, strict=True))
        kept = [_rewrite(row, text.text) for row, text in pairs if text.whole and text.text.strip()]
        counts = {
            "rows": len(kept),
            "unread": sum(not text.asked for text in texts),
            "cut": sum(text.asked and not text.whole for text in texts),
            "empty": sum(text.whole and not text.text.strip() for text in texts),
        }
        if not kept:
            raise DataError(
                f"a student learns from answers that its teacher finished. Got none of {len(rows)}: {counts['cut']} "
                f"cut short after {recipe.evaluate.answer_tokens} tokens, {counts['empty']} empty, {counts['unread']} "
                "prompts longer than its context. Train the teacher longer, or raise evaluate.answer_tokens."
            )
        write_atomically(folder / "train.jsonl", "".join(row.to_json() + "\n" for row in kept))
        return counts

    settings = {
        "prompt": recipe.task.prompt.model_dump(),
        "format": _gentle(quantize_settings(recipe).alone()).model_dump(mode="json"),
        "schema": schema,
        "answer_tokens": recipe.evaluate.answer_tokens,
    }
    inputs = {"data": data, "tokenizer": tokenizer, "teacher": teacher}
    return shop.run("teacher-text", run, settings=settings, inputs=inputs)


def _gentle(asked: QuantizeSettings) -> QuantizeSettings:
    """The recipe's rounding, but no coarser than 8 bits: the budget is the student's, not its teacher's."""
    coarse = {name: "q8_0" for name in ("format", "embedding", "head") if getattr(asked, name) == "q4_0"}
    return asked.model_copy(update=coarse)


def _rewrite(row: Row, completion: str) -> Row:
    return replace(row, text=f"{row.prompt}{completion}", completion=completion)
