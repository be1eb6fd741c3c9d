"""What a generator learns from: tokens of texts, or of prompts with their completions; and the task that reads them.

Enters: the data and the tokenizer. Leaves: tokens on disk, a training task, a teacher's answers to the same tokens.
Not here: models (generate.py), the loop (train/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smallwright.data import Row, Shard, read_rows, write_shard
from smallwright.data.completions import Completions, write_completions
from smallwright.data.cross_answers import CrossAnswers
from smallwright.data.top_answers import TopAnswers
from smallwright.errors import DataError
from smallwright.evaluate.answers import read_value
from smallwright.pipeline.shared import Reader, open_tokenizer
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.spec.prompt import PromptForm
from smallwright.tokenizer.describe import describe
from smallwright.tokenizer.prompt import write_prompt
from smallwright.train.settings import TrainSettings

if TYPE_CHECKING:
    from smallwright.model import Transformer
    from smallwright.train.completions import CompletionTask
    from smallwright.train.tasks import LanguageModelTask

SAMPLE_BLOCKS = 64
SPLITS = ("train", "validation")


def lesson_stage(
    recipe: Recipe,
    shop: Workshop,
    data: Outcome,
    tokenizer: Outcome,
    written: Outcome | None = None,
    *,
    name: str = "shards",
) -> Outcome:
    """The rows as tokens. Pairs longer than the context cannot be learned; they are counted.

    Args:
        tokenizer: the student's, or the teacher's where it reads others.
        written: the teacher's text (``written_stage``), for a student that learns it (``distill.targets``); what it is
            validated on remains the data's.
        name: the stage's.
    """
    context = _context(recipe)

    def run(folder: Path) -> Mapping[str, Any]:
        reader = open_tokenizer(tokenizer)
        end = describe(reader.tokenizer, reader.roles).eos
        if end is None:
            raise DataError(
                "a tokenizer for generation must name its end token. Got none. Use one with an eos_token, or train one."
            )
        counts, too_long = {}, {}
        for split in SPLITS:
            rows = _read_lessons(recipe, data, written, split)
            if recipe.answers_prompts:
                pairs = list(_encode_pairs(reader, rows, recipe.task.prompt.form, end))
                fitting = [pair for pair in pairs if len(pair[0]) + len(pair[1]) <= context]
                too_long[split] = len(pairs) - len(fitting)
                if pairs and not fitting:
                    raise DataError(
                        f"a prompt and its completion must fit the context. Got none of {len(pairs)} in {split} with "
                        f"a context of {context}. Use a longer one."
                    )
                counts[split] = int(write_completions(folder / split, fitting, reader.size).shard.tokens.size)
            else:
                texts = (row.text for row in rows)
                documents = ([*reader.tokenizer.encode(text, add_special_tokens=False).ids, end] for text in texts)
                counts[split] = int(write_shard(folder / split, documents, reader.size).tokens.size)
        if not recipe.answers_prompts:
            return {"tokens": counts}
        return {"tokens": counts, "too_long": too_long, "free_text": is_free_text(recipe, data)}

    settings: dict[str, Any] = {}
    if recipe.answers_prompts:
        settings = {"prompt": recipe.task.prompt.model_dump(), "context": context}
        settings["schema"] = recipe.task.answer_schema is not None
    inputs = {"data": data, "tokenizer": tokenizer}
    if written is not None:
        settings["targets"], inputs["written"] = recipe.distill.targets, written
    return shop.run(name, run, settings=settings, inputs=inputs)


def is_free_text(recipe: Recipe, data: Outcome) -> bool:
    """Whether answers are text for people: there is no schema, and they are not all JSON objects."""
    if not recipe.answers_prompts or recipe.task.answer_schema is not None:
        return False
    rows = read_rows(data.folder / "train.jsonl")
    return not all(isinstance(read_value(str(row.completion)), dict) for row in rows)


def _read_lessons(recipe: Recipe, data: Outcome, written: Outcome | None, split: str) -> list[Row]:
    rows = read_rows(data.folder / f"{split}.jsonl")
    if written is None or split != "train":
        return rows
    theirs = read_rows(written.folder / "train.jsonl")
    return theirs if recipe.distill.targets == "teacher" else [*rows, *theirs]


def _context(recipe: Recipe) -> int:
    """The most tokens that both read: the teacher, where there is one with a context of its own, and the student."""
    if recipe.teacher is None or recipe.teacher.path is None:
        return recipe.student.context
    from smallwright.model import read_spec

    theirs = read_spec(recipe.root / recipe.teacher.path).context
    return theirs if recipe.student.source == "teacher" else min(theirs, recipe.student.context)


def _encode_pairs(
    reader: Reader, rows: Sequence[Row], form: PromptForm, end: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Exactly as the engine encodes a prompt: the prefix, then the written prompt."""
    spec = describe(reader.tokenizer, reader.roles).spec
    if spec.add_prefix_space:
        raise DataError(
            "a tokenizer for answers must not put a space before every text. Got one that does. Use another one."
        )
    prompts = reader.tokenizer.encode_batch_fast(
        [write_prompt(str(row.prompt), form) for row in rows], add_special_tokens=False
    )
    answers = reader.tokenizer.encode_batch_fast([str(row.completion) for row in rows], add_special_tokens=False)
    for prompt, answer in zip(prompts, answers, strict=True):
        yield [*spec.prefix, *prompt.ids], [*answer.ids, end]


def open_lessons(
    recipe: Recipe, lessons: Outcome, settings: TrainSettings, *, context: int, soft: TopAnswers | CrossAnswers | None
) -> LanguageModelTask | CompletionTask:
    """The task that the training loop asks for batches.

    Args:
        context: tokens of one block, where texts are learned.
        soft: a teacher's answers, from ``answer_lessons`` or, of one that reads other tokens, ``answer_across``.
    """
    from smallwright.train.completions import CompletionTask
    from smallwright.train.cross_tokenizer import CrossTokenizerTask
    from smallwright.train.free_text import FreeTextTask
    from smallwright.train.tasks import LanguageModelTask

    if recipe.answers_prompts:
        assert not isinstance(soft, CrossAnswers)  # the recipe refuses it
        task = FreeTextTask if lessons.facts["free_text"] else CompletionTask
        return task(
            Completions.open(lessons.folder / "train"),
            Completions.open(lessons.folder / "validation"),
            batch_size=settings.batch_size,
            seed=recipe.seed,
            teacher=soft,
        )
    text, held_out = Shard.open(lessons.folder / "train"), Shard.open(lessons.folder / "validation")
    judged = held_out if len(held_out.blocks(context)) else None
    how: dict[str, Any] = {"context": context, "batch_size": settings.batch_size, "seed": recipe.seed}
    if isinstance(soft, CrossAnswers):
        return CrossTokenizerTask(text, judged, answers=soft, **how)
    return LanguageModelTask(text, judged, teacher=soft, **how)


def sample_lessons(recipe: Recipe, lessons: Outcome) -> list[NDArray[np.integer]]:
    """Some of the text, as the student's tokens: by it the channels of a narrower student are chosen."""
    shard = Shard.open(lessons.folder / "train")
    blocks = shard.blocks(recipe.student.context)[:SAMPLE_BLOCKS, :-1]
    return [*blocks] or [shard.tokens[: recipe.student.context]]


def answer_lessons(recipe: Recipe, lessons: Outcome, model: Transformer, folder: Path) -> TopAnswers:
    """What a teacher says in place of each token to be learned, kept in the folder."""
    from smallwright.teacher.language import answer_completions, answer_next_tokens

    top = recipe.distill.top
    if recipe.answers_prompts:
        return answer_completions(model, Completions.open(lessons.folder / "train"), folder, top=top)
    context = min(recipe.student.context, model.spec.context)
    return answer_next_tokens(model, Shard.open(lessons.folder / "train"), folder, context=context, top=top)
