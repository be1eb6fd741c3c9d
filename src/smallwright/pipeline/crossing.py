"""A teacher of language that reads other tokens than its student: its own tokenizer, its own reading of the text, and
its answers where both end a token on the same byte.

Enters: a recipe whose objectives cross tokenizers, the data, the student's tokenizer and lessons. Leaves: outcomes.
Not here: the other stages, which are those of every generator (generate.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallwright.data import Shard
from smallwright.data.cross_answers import CrossAnswers
from smallwright.pipeline.lessons import lesson_stage
from smallwright.pipeline.shared import TEACHER_FOLDER, open_tokenizer, tokenizer_stage
from smallwright.pipeline.stage import Outcome, hash_folder
from smallwright.pipeline.teach import described_load, held_as
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.teacher.settings import NetworkSettings
from smallwright.tokenizer.alignment import Alphabet, align, read_alphabet
from smallwright.tokenizer.settings import TokenizerSettings


def teacher_reading(recipe: Recipe, shop: Workshop, data: Outcome) -> tuple[Outcome, Outcome]:
    """The teacher's tokenizer, whole, and the text as its tokens."""
    theirs = recipe.model_copy(update={"tokenizer": TokenizerSettings(kind="teacher", trim=False)})
    tokenizer = tokenizer_stage(theirs, shop, data, "teacher-tokenizer")
    return tokenizer, lesson_stage(theirs, shop, data, tokenizer, name="teacher-shards")


def cross_answers_stage(
    recipe: Recipe,
    shop: Workshop,
    tokenizers: tuple[Outcome, Outcome],
    lessons: tuple[Outcome, Outcome],
    teacher: Outcome,
) -> Outcome:
    """The teacher's answers at the student's positions, asked for once, whichever objective learns from them.

    Args:
        tokenizers, lessons: the teacher's and the student's.
    """

    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.model import load_model
        from smallwright.teacher.cross_tokenizer import answer_across
        from smallwright.train.precision import choose_precision

        alphabets = _read_alphabet(tokenizers[0]), _read_alphabet(tokenizers[1])
        theirs, mine = (Shard.open(part.folder / "train") for part in lessons)
        documents = [[shard.document(number) for number in range(len(shard))] for shard in (theirs, mine)]
        alignment = align(documents[0], documents[1], alphabets)
        model = load_model(teacher.folder / TEACHER_FOLDER, held_as=held_as(teacher))
        context = min(recipe.student.context, model.spec.context)
        answers = answer_across(
            model,
            theirs,
            alignment,
            folder,
            vocabulary=mine.vocabulary,
            context=context,
            top=recipe.distill.top,
            precision=choose_precision(recipe.distill.precision, model.embedding.device),
        )
        return {
            "positions": len(answers),
            "aligned": float((alignment.at >= 0).mean()),
            "torn": float(alignment.torn.mean()),
            "shared_tokens": int((alignment.shared >= 0).sum()),
        }

    settings = {"top": recipe.distill.top, "context": recipe.student.context, "precision": recipe.distill.precision}
    given = recipe.teacher
    assert isinstance(given, NetworkSettings) and given.path is not None  # the recipe demands it
    settings |= described_load(given)
    # One that is not trained here answers the same under every seed: it is not asked again.
    source = teacher if given.finetune is not None else hash_folder(recipe.root / given.path)
    inputs: dict[str, str | Outcome] = {"teacher": source, "teacher-shards": lessons[0], "shards": lessons[1]}
    return shop.run("cross-answers", run, settings=settings, inputs=inputs)


def open_cross_answers(answers: Outcome, lessons: Outcome) -> CrossAnswers:
    """What the stage left, for the student's lessons."""
    from smallwright.teacher.language import ANSWERS

    return CrossAnswers.open(answers.folder / ANSWERS, Shard.open(lessons.folder / "train").vocabulary)


def _read_alphabet(tokenizer: Outcome) -> Alphabet:
    reader = open_tokenizer(tokenizer)
    return read_alphabet(reader.tokenizer, reader.roles)
