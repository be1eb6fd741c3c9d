"""The stages of a classifier, joined: rows, teacher, tokenizer, soft targets, student, package.

Enters: a recipe with ``task: {kind: classify}``. Leaves: the outcomes of its stages.
Not here: judging the package (judge_classifier.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smallwright.compress.student import make_student
from smallwright.data import Row, read_rows
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
    read_labels,
    tokenizer_stage,
)
from smallwright.pipeline.stage import Outcome, hash_folder
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.tokenizer.encode import encode_texts
from smallwright.tokenizer.load import load_roles, load_tokenizer

if TYPE_CHECKING:
    from smallwright.model import Transformer

SPLITS = ("train", "validation", "test", "out_of_scope")
TEACHER_PACKAGE_FORMAT = "q8_0"


@dataclass(frozen=True)
class Classifier:
    """The finished stages. ``teacher``, ``answers`` and ``teacher_package`` are None without a teacher."""

    data: Outcome
    tokenizer: Outcome
    student: Outcome
    package: Outcome
    teacher: Outcome | None
    answers: Outcome | None
    teacher_package: Outcome | None


def make_classifier(recipe: Recipe, shop: Workshop) -> Classifier:
    """Run every stage up to the package."""
    data = data_stage(recipe, shop)
    tokenizer = tokenizer_stage(recipe, shop, data)
    teacher = _teacher_stage(recipe, shop, data, tokenizer) if recipe.teacher else None
    answers = _answers_stage(recipe, shop, data, teacher) if teacher else None
    student = _student_stage(recipe, shop, data, tokenizer, teacher, answers)
    package = _package_stage(recipe, shop, data, tokenizer, student)
    teacher_package = _teacher_package_stage(recipe, shop, teacher) if teacher else None
    return Classifier(data, tokenizer, student, package, teacher, answers, teacher_package)


def read_split(data: Outcome, split: str) -> list[Row]:
    """The rows of a split, none where the recipe has none of that kind."""
    path = data.folder / f"{split}.jsonl"
    return read_rows(path) if path.is_file() else []


def label_numbers(rows: Sequence[Row], labels: Sequence[str]) -> np.ndarray:
    """(N,) int64: each row's class."""
    number = {label: index for index, label in enumerate(labels)}
    return np.array([number[row.label] for row in rows if row.label is not None], dtype=np.int64)


def _teacher_stage(recipe: Recipe, shop: Workshop, data: Outcome, tokenizer: Outcome) -> Outcome:
    from smallwright.teacher.fit import fit_teacher

    settings = recipe.teacher
    assert settings is not None  # the caller asks only for a recipe with a teacher
    given = recipe.root / settings.path if settings.path is not None else None
    # A teacher from scratch reads the domain's own tokenizer; a given one reads its own, whole.
    inputs: dict[str, str | Outcome] = {"data": data}
    if given is None:
        inputs["tokenizer"] = tokenizer
    else:
        inputs["checkpoint"] = hash_folder(given)

    def run(folder: Path) -> Mapping[str, Any]:
        result = fit_teacher(
            settings,
            rows=read_split(data, "train"),
            validation=read_split(data, "validation"),
            labels=read_labels(data),
            path=given,
            tokenizer=tokenizer.folder / TOKENIZER_FILE if given is None else None,
            context=recipe.student.context,
            out=folder,
            seed=recipe.seed,
            threads=shop.cores,
            quiet=shop.quiet,
        )
        return dict(result)

    dumped = settings.model_dump(mode="json", exclude={"path"})
    how = {"teacher": dumped, "seed": recipe.seed, "threads": shop.cores, "context": recipe.student.context}
    return shop.run("teacher", run, settings=how, inputs=inputs)


def _answers_stage(recipe: Recipe, shop: Workshop, data: Outcome, teacher: Outcome) -> Outcome:
    """The teacher's logits for every split, asked for once."""
    from smallwright.model import load_model
    from smallwright.teacher.answers import answer_logits

    def run(folder: Path) -> Mapping[str, Any]:
        model, tokenizer = _open_teacher(teacher, load_model)
        counts = {}
        for split in SPLITS:
            texts = [row.text for row in read_split(data, split)]
            if texts:
                tokens = encode_texts(tokenizer, texts, max_tokens=model.spec.context)
                np.save(folder / f"{split}.npy", answer_logits(model, tokens, folder / split, threads=shop.cores))
            counts[split] = len(texts)
        return {"answered": counts}

    return shop.run("answers", run, settings={"threads": shop.cores}, inputs={"data": data, "teacher": teacher})


def _student_stage(
    recipe: Recipe, shop: Workshop, data: Outcome, tokenizer: Outcome, teacher: Outcome | None, answers: Outcome | None
) -> Outcome:
    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.model import load_model, save_model
        from smallwright.train.augment import make_augment
        from smallwright.train.loop import train
        from smallwright.train.tasks import ClassificationTask

        reader = open_tokenizer(tokenizer)
        labels = read_labels(data)
        wanted = teacher is not None and recipe.student.source == "teacher"
        student = make_student(
            recipe.student,
            teacher=_open_teacher(teacher, load_model)[0] if wanted and teacher else None,
            kept=reader.kept,
            vocabulary=reader.size,
            heads=make_heads("classify", labels),
            causal=False,
            seed=recipe.seed,
        )
        rows, validation = read_split(data, "train"), read_split(data, "validation")
        encode = [
            encode_texts(reader.tokenizer, [row.text for row in part], max_tokens=student.spec.context)
            for part in (rows, validation)
        ]
        task = ClassificationTask(
            encode[0],
            label_numbers(rows, labels),
            encode[1],
            label_numbers(validation, labels),
            teacher=np.load(answers.folder / "train.npy") if answers else None,
            batch_size=recipe.distill.batch_size,
            seed=recipe.seed,
            augment=make_augment(recipe.distill.token_dropout, reader.tokenizer),
        )
        objective = recipe.distill.make_student_objective(has_teacher=answers is not None)
        options = recipe.distill.loop_options(seed=recipe.seed, threads=shop.cores)
        result = train(student, task, objective, folder / "training", options, name="student", quiet=shop.quiet)
        save_model(student, folder / STUDENT_FOLDER, tokenizer.folder / TOKENIZER_FILE)
        parameters = sum(weight.numel() for weight in student.parameters())
        return {"parameters": parameters, "scores": result.scores, "precision": result.precision, "steps": result.steps}

    settings = {
        "student": recipe.student.model_dump(mode="json"),
        "distill": recipe.distill.model_dump(mode="json", exclude={"checkpoint_seconds"}),
        "seed": recipe.seed,
        "threads": shop.cores,
    }
    inputs: dict[str, str | Outcome] = {"data": data, "tokenizer": tokenizer}
    if answers is not None and teacher is not None:
        inputs |= {"answers": answers, "teacher": teacher}
    return shop.run("student", run, settings=settings, inputs=inputs)


def _package_stage(recipe: Recipe, shop: Workshop, data: Outcome, tokenizer: Outcome, student: Outcome) -> Outcome:
    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.model import load_model

        model = load_model(student.folder / STUDENT_FOLDER)
        reader = open_tokenizer(tokenizer)
        inputs = {"data": data, "tokenizer": tokenizer, "student": student}
        provenance = make_provenance(recipe, inputs, shop.cores)

        def write(path: Path, temperature: float) -> Any:
            return package_model(
                model,
                path,
                name=recipe.name,
                kind="classify",
                tokenizer=reader.tokenizer,
                roles=reader.roles,
                quantize=quantize_settings(recipe),
                provenance=provenance,
                temperature=temperature,
            )

        temperature = _calibrate(write, folder, data)
        info = write(folder / PACKAGE_FILE, temperature)
        return {"size_bytes": info.size_bytes, "sha256": info.sha256, "temperature": temperature}

    settings = {
        "compress": [step.model_dump(mode="json") for step in recipe.compress],
        "name": recipe.name,
        "provenance": make_provenance(recipe, {}, shop.cores),
    }
    return shop.run(
        "package", run, settings=settings, inputs={"data": data, "tokenizer": tokenizer, "student": student}
    )


def _calibrate(write: Any, folder: Path, data: Outcome) -> float:
    """The temperature that fits the validation rows, answered by the engine from the very weights that ship."""
    from smallwright.run import load
    from smallwright.train.calibrate import fit_temperature

    rows = read_split(data, "validation")
    if not rows:
        return 1.0
    draft = folder / "draft.gguf"
    write(draft, 1.0)
    with load(str(draft)) as package:
        logits = package.classify_logits([row.text for row in rows])
    draft.unlink()
    return fit_temperature(logits, label_numbers(rows, read_labels(data)))


def _teacher_package_stage(recipe: Recipe, shop: Workshop, teacher: Outcome) -> Outcome:
    """The teacher itself, quantised and run by our engine: an honest neighbour of the student."""
    from smallwright.compress.settings import QuantizeSettings
    from smallwright.model import load_model

    def run(folder: Path) -> Mapping[str, Any]:
        model, tokenizer = _open_teacher(teacher, load_model)
        info = package_model(
            model,
            folder / PACKAGE_FILE,
            name=f"{recipe.name}-teacher",
            kind="classify",
            tokenizer=tokenizer,
            quantize=QuantizeSettings(format=TEACHER_PACKAGE_FORMAT),
            provenance={"recipe": recipe.name},
            roles=load_roles(teacher.folder / TEACHER_FOLDER),
        )
        return {"size_bytes": info.size_bytes, "sha256": info.sha256}

    settings = {"format": TEACHER_PACKAGE_FORMAT, "name": recipe.name}
    return shop.run("teacher-package", run, settings=settings, inputs={"teacher": teacher})


def _open_teacher(teacher: Outcome, load_model: Any) -> tuple[Transformer, Any]:
    folder = teacher.folder / TEACHER_FOLDER
    return load_model(folder), load_tokenizer(folder)
