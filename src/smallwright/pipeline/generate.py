"""The stages of a generator, joined: text, tokenizer, shards, teacher, soft targets, student, package.

Enters: a recipe with ``task: {kind: generate}``. Leaves: the outcomes of its stages.
Not here: judging the package (judge_generator.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smallwright.compress.student import make_student
from smallwright.data import Shard, read_rows, write_shard
from smallwright.errors import CheckpointError, DataError
from smallwright.pipeline.heads import make_heads
from smallwright.pipeline.shared import (
    PACKAGE_FILE,
    STUDENT_FOLDER,
    TEACHER_FOLDER,
    TOKENIZER_FILE,
    data_stage,
    make_provenance,
    open_tokenizer,
    package_model,
    quantize_settings,
    tokenizer_stage,
)
from smallwright.pipeline.stage import Outcome, hash_folder
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.tokenizer.describe import describe
from smallwright.train.settings import TrainSettings

if TYPE_CHECKING:
    from smallwright.model import Transformer

TOP_TOKENS = 32
SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Generator:
    """The finished stages. ``teacher`` and ``teacher_package`` are None without a teacher."""

    data: Outcome
    tokenizer: Outcome
    student: Outcome
    package: Outcome
    teacher: Outcome | None
    teacher_package: Outcome | None


def make_generator(recipe: Recipe, shop: Workshop) -> Generator:
    """Run every stage up to the package."""
    data = data_stage(recipe, shop)
    tokenizer = tokenizer_stage(recipe, shop, data)
    shards = _shard_stage(shop, data, tokenizer)
    teacher = _teacher_stage(recipe, shop, tokenizer, shards) if recipe.teacher else None
    answers = _answers_stage(recipe, shop, shards, teacher) if teacher else None
    student = _student_stage(recipe, shop, tokenizer, shards, teacher, answers)
    package = _package_stage(recipe, shop, "package", tokenizer, student, STUDENT_FOLDER)
    teacher_package = (
        _package_stage(recipe, shop, "teacher-package", tokenizer, teacher, TEACHER_FOLDER) if teacher else None
    )
    return Generator(data, tokenizer, student, package, teacher, teacher_package)


def _shard_stage(shop: Workshop, data: Outcome, tokenizer: Outcome) -> Outcome:
    def run(folder: Path) -> Mapping[str, Any]:
        reader = open_tokenizer(tokenizer)
        end = describe(reader.tokenizer, reader.roles).eos
        if end is None:
            raise DataError(
                "a tokenizer for generation must name its end token. Got none. Use one with an eos_token, or train one."
            )
        counts = {}
        for split in SPLITS:
            texts = (row.text for row in read_rows(data.folder / f"{split}.jsonl"))
            documents = ([*reader.tokenizer.encode(text, add_special_tokens=False).ids, end] for text in texts)
            counts[split] = int(write_shard(folder / split, documents, reader.size).tokens.size)
        return {"tokens": counts}

    return shop.run("shards", run, inputs={"data": data, "tokenizer": tokenizer})


def _teacher_stage(recipe: Recipe, shop: Workshop, tokenizer: Outcome, shards: Outcome) -> Outcome:
    settings = recipe.teacher
    assert settings is not None  # the caller asks only for a recipe with a teacher
    given = recipe.root / settings.path if settings.path is not None else None

    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.compress.vocabulary import trim_embedding
        from smallwright.model import Transformer, load_hf, preset, save_model, seeded

        reader = open_tokenizer(tokenizer)
        if given is not None:
            model = load_hf(given, task="generate")
            if reader.kept is not None:
                model = trim_embedding(model, reader.kept)
            if model.spec.embedding.vocabulary < reader.size:
                raise CheckpointError(
                    f"a teacher of language must read the student's tokens. Got {model.spec.embedding.vocabulary} rows "
                    f"for {reader.size} tokens in {given}. Use tokenizer: {{kind: teacher}}."
                )
        else:
            heads = make_heads("generate", ())
            spec = preset(
                settings.preset,
                vocabulary=reader.size,
                causal=True,
                heads=heads,
                context=recipe.student.context,
            )
            with seeded(recipe.seed):
                model = Transformer(spec)
        facts: dict[str, Any] = {"parameters": _count(model)}
        if settings.finetune is not None:
            facts |= _train(recipe, shop, model, shards, settings.finetune, folder, name="teacher")
        save_model(model, folder / TEACHER_FOLDER, tokenizer.folder / TOKENIZER_FILE)
        return facts

    how = {
        "teacher": settings.model_dump(mode="json", exclude={"path"}),
        "context": recipe.student.context,
        "seed": recipe.seed,
        "threads": shop.cores,
    }
    inputs: dict[str, str | Outcome] = {"tokenizer": tokenizer, "shards": shards}
    if given is not None:
        inputs["checkpoint"] = hash_folder(given)
    return shop.run("teacher", run, settings=how, inputs=inputs)


def _answers_stage(recipe: Recipe, shop: Workshop, shards: Outcome, teacher: Outcome) -> Outcome:
    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.model import load_model
        from smallwright.teacher.language import answer_next_tokens

        model, shard = load_model(teacher.folder / TEACHER_FOLDER), Shard.open(shards.folder / "train")
        context = min(recipe.student.context, model.spec.context)
        values, _ = answer_next_tokens(model, shard, folder, context=context, top=TOP_TOKENS)
        return {"positions": len(values), "top": values.shape[1]}

    settings = {"top": TOP_TOKENS, "context": recipe.student.context}
    return shop.run("answers", run, settings=settings, inputs={"shards": shards, "teacher": teacher})


def _student_stage(
    recipe: Recipe,
    shop: Workshop,
    tokenizer: Outcome,
    shards: Outcome,
    teacher: Outcome | None,
    answers: Outcome | None,
) -> Outcome:
    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.model import load_model, save_model
        from smallwright.teacher.language import TOKENS, VALUES

        reader = open_tokenizer(tokenizer)
        from_teacher = recipe.student.source == "teacher" and teacher is not None
        student = make_student(
            recipe.student,
            teacher=load_model(teacher.folder / TEACHER_FOLDER) if from_teacher and teacher else None,
            kept=None,  # the teacher stage trimmed its table already
            vocabulary=reader.size,
            heads=make_heads("generate", ()),
            causal=True,
            seed=recipe.seed,
        )
        soft = None
        if answers is not None:
            soft = (np.load(answers.folder / VALUES, mmap_mode="r"), np.load(answers.folder / TOKENS, mmap_mode="r"))
        facts = _train(recipe, shop, student, shards, recipe.distill, folder, name="student", soft=soft)
        save_model(student, folder / STUDENT_FOLDER, tokenizer.folder / TOKENIZER_FILE)
        return {"parameters": _count(student), **facts}

    settings = {
        "student": recipe.student.model_dump(mode="json"),
        "distill": recipe.distill.model_dump(mode="json", exclude={"checkpoint_seconds"}),
        "seed": recipe.seed,
        "threads": shop.cores,
    }
    inputs: dict[str, str | Outcome] = {"tokenizer": tokenizer, "shards": shards}
    if answers is not None and teacher is not None:
        inputs |= {"answers": answers, "teacher": teacher}
    return shop.run("student", run, settings=settings, inputs=inputs)


def _train(
    recipe: Recipe,
    shop: Workshop,
    model: Transformer,
    shards: Outcome,
    settings: TrainSettings,
    folder: Path,
    *,
    name: str,
    soft: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    from smallwright.train.loop import train
    from smallwright.train.tasks import LanguageModelTask

    context = min(recipe.student.context, model.spec.context)
    held_out = Shard.open(shards.folder / "validation")
    task = LanguageModelTask(
        Shard.open(shards.folder / "train"),
        held_out if len(held_out.blocks(context)) else None,
        context=context,
        batch_size=settings.batch_size,
        seed=recipe.seed,
        teacher=None if soft is None else soft[0],
        teacher_classes=None if soft is None else soft[1],
    )
    is_student = settings is recipe.distill
    objective = (
        recipe.distill.make_student_objective(has_teacher=soft is not None) if is_student else settings.make_objective()
    )
    options = settings.loop_options(seed=recipe.seed, threads=shop.cores)
    result = train(model, task, objective, folder / "training", options, name=name, quiet=shop.quiet)
    return {"scores": result.scores, "precision": result.precision, "steps": result.steps}


def _package_stage(
    recipe: Recipe, shop: Workshop, name: str, tokenizer: Outcome, model: Outcome, folder_name: str
) -> Outcome:
    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.model import load_model

        reader = open_tokenizer(tokenizer)
        info = package_model(
            load_model(model.folder / folder_name),
            folder / PACKAGE_FILE,
            name=recipe.name if name == "package" else f"{recipe.name}-teacher",
            kind="generate",
            tokenizer=reader.tokenizer,
            roles=reader.roles,
            quantize=quantize_settings(recipe),
            provenance=make_provenance(recipe, {"tokenizer": tokenizer, "model": model}, shop.cores),
        )
        return {"size_bytes": info.size_bytes, "sha256": info.sha256}

    settings = {
        "compress": [step.model_dump(mode="json") for step in recipe.compress],
        "name": recipe.name,
        "provenance": make_provenance(recipe, {}, shop.cores),
    }
    return shop.run(name, run, settings=settings, inputs={"tokenizer": tokenizer, "model": model})


def _count(model: Transformer) -> int:
    return sum(weight.numel() for weight in model.parameters())
