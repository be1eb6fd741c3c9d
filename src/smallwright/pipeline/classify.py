"""The stages of a classifier, joined: rows, tokenizer, teacher, soft targets, student, package.

Enters: a recipe with ``task: {kind: classify}``. Leaves: the outcomes of its stages.
Not here: the teacher's own stages (teach.py), judging the package (judge_classifier.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from smallwright.compress.student import make_student
from smallwright.package.write import PackageInfo
from smallwright.pipeline.beforehand import check_prepared
from smallwright.pipeline.compress import Calibrated, compress_stage, describe_compression, draw_rows, open_quantized
from smallwright.pipeline.cuts import Part, run_cuts
from smallwright.pipeline.enlarge import augmented_stage
from smallwright.pipeline.heads import make_heads
from smallwright.pipeline.rows import label_numbers, read_labels, read_split, read_texts
from smallwright.pipeline.shared import (
    PACKAGE_FILE,
    STUDENT_FOLDER,
    TOKENIZER_FILE,
    data_stage,
    make_provenance,
    open_tokenizer,
    package_model,
    quantize_settings,
    tokenizer_stage,
)
from smallwright.pipeline.sparsify import sparsify_stage
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.teach import (
    answers_stage,
    linear_stage,
    more_teachers_stages,
    open_teacher,
    read_heard,
    read_transfer,
    teacher_package_stage,
    teacher_stage,
    transfer_stage,
)
from smallwright.pipeline.teach_endpoint import endpoint_stage, new_rows_stage
from smallwright.pipeline.teach_package import package_stage
from smallwright.pipeline.tutoring import describe_lessons, tutored
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.spec import ModelSpec
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.package_settings import PackageSettings
from smallwright.tokenizer.encode import encode_texts

if TYPE_CHECKING:
    from smallwright.compress.quantizing.model import Quantized
    from smallwright.model import Transformer
    from smallwright.train.tasks import ClassificationTask

SAMPLE_TEXTS = 512


@dataclass(frozen=True)
class Classifier:
    """The finished stages. ``teacher``, ``answers`` and ``teacher_package`` are None without a teacher.

    ``linear`` is None where neither the report nor the teacher's ensemble asks for it. ``more_teachers`` are the other
    networks of that ensemble. ``sparse`` is None where no weights were dropped.
    """

    data: Outcome
    tokenizer: Outcome
    student: Outcome
    package: Outcome
    linear: Outcome | None
    teacher: Outcome | None
    answers: Outcome | None
    teacher_package: Outcome | None
    more_teachers: tuple[Outcome, ...] = ()
    sparse: Outcome | None = None


def make_classifier(recipe: Recipe, shop: Workshop, *, neighbours: bool = True) -> Classifier:
    """Run every stage up to the package, and those of what a report sets beside it unless not ``neighbours``."""
    data, teacher = data_stage(recipe, shop), None
    if isinstance(recipe.teacher, EndpointSettings):
        teacher = endpoint_stage(recipe, recipe.teacher, shop, data)
        data = new_rows_stage(recipe, recipe.teacher, shop, data, teacher)
    elif isinstance(recipe.teacher, PackageSettings):
        teacher = package_stage(recipe, recipe.teacher, shop, read_labels(data))
    plain, data = data, augmented_stage(recipe, shop, data)
    tokenizer = tokenizer_stage(recipe, shop, data)
    check_prepared(recipe, open_tokenizer(tokenizer), read_labels(data), shop.cores)
    together = recipe.teacher.ensemble if recipe.teacher is not None else None
    votes = together is not None and together.linear is not None
    # Variants make the linear classifier worse (docs/distillation.md), and a baseline must be no straw man.
    linear = linear_stage(shop, plain) if (recipe.evaluate.baseline and neighbours) or votes else None
    answers = transfer = teacher_package = None
    more: tuple[Outcome, ...] = ()
    if recipe.teacher is not None:
        teacher = teacher or teacher_stage(recipe, shop, data, tokenizer)
        more = more_teachers_stages(recipe, shop, data, tokenizer)
        transfer = transfer_stage(recipe, shop, data) if recipe.hears_teacher_alone else None
        voting = linear if votes else None
        answers = answers_stage(recipe, shop, data, teacher, transfer=transfer, linear=voting, more=more)
    student = student_stage(recipe, shop, data, tokenizer, teacher, answers, transfer)
    sparse = _sparsify(recipe, shop, data, tokenizer, student, answers, transfer)
    package = _package_stage(recipe, shop, data, tokenizer, sparse or student, answers, transfer)
    if neighbours and teacher is not None:
        given = isinstance(recipe.teacher, PackageSettings)
        teacher_package = teacher if given else teacher_package_stage(recipe, shop, teacher)
    return Classifier(data, tokenizer, student, package, linear, teacher, answers, teacher_package, more, sparse)


def student_stage(
    recipe: Recipe,
    shop: Workshop,
    data: Outcome,
    tokenizer: Outcome,
    teacher: Outcome | None,
    answers: Outcome | None,
    transfer: Outcome | None,
) -> Outcome:
    """Make the student and teach it; one that is cut progressively has a stage for each cut.

    Args:
        answers: the teacher's, for rows and transfer texts; None: the student learns from the rows alone.
        transfer: texts without labels; None: there are none.
    """

    def learn(folder: Path, part: Part) -> Mapping[str, Any]:
        from smallwright.model import save_model
        from smallwright.train.loop import train

        reader, own = open_tokenizer(tokenizer), part.recipe
        beside = own.distill.needs_teacher_beside
        model = open_teacher(teacher)[0] if teacher and (beside or part.is_cut_from_teacher) else None
        source = part.open_before(model)
        student = make_student(
            own.student,
            teacher=source,
            kept=reader.kept if part.before is None else None,
            vocabulary=reader.size,
            heads=make_heads("classify", read_labels(data)),
            causal=False,
            seed=recipe.seed,
            sample=_sample(own, data, reader.tokenizer, source),
        )
        task = _make_task(own, data, reader.tokenizer, student.spec.context, answers, transfer)
        objective = own.distill.make_student_objective(has_teacher=answers is not None)
        options = part.share(own.distill.loop_options(seed=recipe.seed, threads=shop.cores), task)
        with tutored(own, task, student, model if beside else None, reader.kept) as lessons:
            result = train(student, lessons, objective, folder / "training", options, name=part.name, quiet=shop.quiet)
        save_model(student, folder / STUDENT_FOLDER, tokenizer.folder / TOKENIZER_FILE)
        parameters = sum(weight.numel() for weight in student.parameters())
        return {"parameters": parameters, **describe_lessons(result)}

    inputs: dict[str, str | Outcome] = {"data": data, "tokenizer": tokenizer}
    if answers is not None and teacher is not None:
        inputs |= {"answers": answers, "teacher": teacher}
    if transfer is not None:
        inputs["transfer"] = transfer
    return run_cuts(recipe, shop, teacher, learn, inputs)


def _sample(recipe: Recipe, data: Outcome, tokenizer: Tokenizer, teacher: Transformer | None) -> list[Any]:
    """The texts by which a student's channels are chosen: none where it keeps them all."""
    if teacher is None or (recipe.student.width is None and recipe.student.feedforward is None):
        return []
    return list(encode_texts(tokenizer, read_texts(data, "train")[:SAMPLE_TEXTS], max_tokens=teacher.spec.context))


def _make_task(
    recipe: Recipe,
    data: Outcome,
    tokenizer: Tokenizer,
    context: int,
    answers: Outcome | None,
    transfer: Outcome | None,
) -> ClassificationTask:
    """The labelled rows, then the transfer texts, for which only the teacher's answers speak."""
    from smallwright.train.augment import make_augment
    from smallwright.train.objectives import NO_LABEL
    from smallwright.train.tasks import ClassificationTask

    labels, settings = read_labels(data), recipe.distill
    rows, validation = read_split(data, "train"), read_split(data, "validation")
    unlabelled, teacher = read_transfer(transfer), None
    if answers is not None:
        teacher = np.load(answers.folder / "train.npy")
        if unlabelled:
            unlabelled, heard = read_heard(answers, unlabelled)
            teacher = np.concatenate([teacher, heard])
    tokens = encode_texts(tokenizer, [*(row.text for row in rows), *unlabelled], max_tokens=context)
    numbers = np.concatenate([label_numbers(rows, labels), np.full(len(unlabelled), NO_LABEL)])
    return ClassificationTask(
        tokens,
        numbers,
        encode_texts(tokenizer, [row.text for row in validation], max_tokens=context),
        label_numbers(validation, labels),
        teacher=teacher,
        batch_size=settings.batch_size,
        seed=recipe.seed,
        augment=make_augment(settings.token_dropout, tokenizer),
    )


def _sparsify(
    recipe: Recipe,
    shop: Workshop,
    data: Outcome,
    tokenizer: Outcome,
    student: Outcome,
    answers: Outcome | None,
    transfer: Outcome | None,
) -> Outcome | None:
    """The student with fewer weights; what it heals with are the student's own lessons."""
    lessons = {"data": data, "answers": answers, "transfer": transfer}
    draw, open_task = _openers(recipe, data, tokenizer, answers, transfer)
    return sparsify_stage(recipe, shop, student, tokenizer, lessons, draw, open_task)


def _openers(
    recipe: Recipe, data: Outcome, tokenizer: Outcome, answers: Outcome | None, transfer: Outcome | None
) -> tuple[Callable[[Calibrated, ModelSpec], Any], Callable[[Transformer, bool], ClassificationTask]]:
    """How calibration texts are drawn, as tokens, and what a student that is compressed learns with."""

    def draw(settings: Calibrated, spec: ModelSpec) -> Any:
        rows = read_texts(data, "train")
        chosen = [rows[index] for index in draw_rows(len(rows), settings)]
        return encode_texts(open_tokenizer(tokenizer).tokenizer, chosen, max_tokens=spec.context)

    def open_task(model: Transformer, hears_teacher: bool) -> ClassificationTask:
        reader, heard = open_tokenizer(tokenizer).tokenizer, answers if hears_teacher else None
        return _make_task(recipe, data, reader, model.spec.context, heard, transfer)

    return draw, open_task


def _package_stage(
    recipe: Recipe,
    shop: Workshop,
    data: Outcome,
    tokenizer: Outcome,
    student: Outcome,
    answers: Outcome | None,
    transfer: Outcome | None,
) -> Outcome:
    inputs: dict[str, str | Outcome] = {"data": data, "tokenizer": tokenizer, "student": student}

    def write(path: Path, temperature: float = 1.0, quantized: Quantized | None = None) -> PackageInfo:
        from smallwright.model import load_model

        reader = open_tokenizer(tokenizer)
        return package_model(
            load_model(student.folder / STUDENT_FOLDER),
            path,
            name=recipe.name,
            kind="classify",
            tokenizer=reader.tokenizer,
            roles=reader.roles,
            quantize=quantize_settings(recipe) if quantized else quantize_settings(recipe).alone(),
            provenance=make_provenance(recipe, {"data": data, "tokenizer": tokenizer, "student": student}, shop.cores),
            temperature=temperature,
            quantized=quantized,
        )

    draw, open_task = _openers(recipe, data, tokenizer, answers, transfer)
    compressed = compress_stage(recipe, shop, student, STUDENT_FOLDER, data, draw, write, open_task, answers)

    def run(folder: Path) -> Mapping[str, Any]:
        quantized = open_quantized(compressed)
        temperature = _calibrate(lambda path: write(path, quantized=quantized), folder, data)
        info = write(folder / PACKAGE_FILE, temperature, quantized)
        detail = describe_compression(quantize_settings(recipe), compressed and compressed.facts)
        return {"size_bytes": info.size_bytes, "sha256": info.sha256, "temperature": temperature, "weights": detail}

    settings = {
        "compress": [step.model_dump(mode="json") for step in recipe.compress],
        "name": recipe.name,
        "provenance": make_provenance(recipe, {}, shop.cores),
    }
    if compressed is not None:
        inputs["compress"] = compressed
    return shop.run("package", run, settings=settings, inputs=inputs, version=2)


def _calibrate(write: Callable[[Path], PackageInfo], folder: Path, data: Outcome) -> float:
    """The temperature that fits the validation rows, answered by the engine from the very weights that ship."""
    from smallwright.run import load
    from smallwright.train.calibrate import fit_temperature

    rows = read_split(data, "validation")
    if not rows:
        return 1.0
    draft = folder / "draft.gguf"
    write(draft)
    with load(str(draft)) as package:
        logits = package.classify_logits([row.text for row in rows])
    draft.unlink()
    return fit_temperature(logits, label_numbers(rows, read_labels(data)))
