"""The stages of a generator, joined: text, tokenizer, lessons, teacher, soft targets, student, package.

Enters: a recipe with ``task: {kind: generate}``. Leaves: the outcomes of its stages.
Not here: tokens and batches (lessons.py), judging the package (judge_generator.py, judge_answers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallwright.compress.student import make_student
from smallwright.data.cross_answers import CrossAnswers
from smallwright.data.top_answers import TopAnswers
from smallwright.errors import CheckpointError
from smallwright.package.write import PackageInfo
from smallwright.pipeline.beforehand import check_prepared
from smallwright.pipeline.calibrate_answers import calibrate_package
from smallwright.pipeline.compress import (
    Calibrated,
    compress_stage,
    describe_compression,
    draw_lessons,
    open_quantized,
)
from smallwright.pipeline.crossing import cross_answers_stage, open_cross_answers, teacher_reading
from smallwright.pipeline.cuts import Part, run_cuts
from smallwright.pipeline.enlarge import augmented_stage
from smallwright.pipeline.heads import make_heads
from smallwright.pipeline.lessons import answer_lessons, lesson_stage, open_lessons, sample_lessons
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
from smallwright.pipeline.sparsify import sparsify_stage
from smallwright.pipeline.stage import Outcome, hash_folder
from smallwright.pipeline.teach import described_load, held_as
from smallwright.pipeline.teach_package import package_stage
from smallwright.pipeline.tutoring import describe_lessons, tutored
from smallwright.pipeline.workshop import Workshop
from smallwright.pipeline.written import (
    asked_text_stage,
    package_text_stage,
    wording_stage,
    written_stage,
)
from smallwright.recipe import Recipe
from smallwright.spec import ModelSpec
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.package_settings import PackageSettings
from smallwright.teacher.settings import NetworkSettings
from smallwright.train.options import LOOP_VERSION
from smallwright.train.settings import TrainSettings

if TYPE_CHECKING:
    from smallwright.compress.quantizing.model import Quantized
    from smallwright.model import Transformer
    from smallwright.train.tasks import TrainingTask


@dataclass(frozen=True)
class Generator:
    """The finished stages. ``lessons``: what the student learned from; ``teacher`` and ``teacher_package`` are None
    without a teacher, ``written`` where the student did not learn from its text, ``sparse`` where no weights were
    dropped."""

    data: Outcome
    tokenizer: Outcome
    lessons: Outcome
    student: Outcome
    package: Outcome
    teacher: Outcome | None
    teacher_package: Outcome | None
    written: Outcome | None = None
    sparse: Outcome | None = None


def make_generator(recipe: Recipe, shop: Workshop, *, neighbours: bool = True) -> Generator:
    """Run every stage up to the package, and those of what a report sets beside it unless not ``neighbours``."""
    given = data_stage(recipe, shop)
    data = augmented_stage(recipe, shop, given)
    tokenizer = tokenizer_stage(recipe, shop, data)
    check_prepared(recipe, open_tokenizer(tokenizer), (), shop.cores)
    lessons = lesson_stage(recipe, shop, data, tokenizer)
    crosses = recipe.distill.crosses_tokenizers
    reader, reading = teacher_reading(recipe, shop, data) if crosses else (tokenizer, lessons)
    teacher = written = teacher_package = None
    if isinstance(recipe.teacher, PackageSettings):
        teacher = teacher_package = package_stage(recipe, recipe.teacher, shop)
        written = package_text_stage(recipe, shop, data, teacher)
    elif isinstance(recipe.teacher, EndpointSettings):
        teacher = wording_stage(recipe, recipe.teacher, shop, given)
        written = asked_text_stage(recipe, recipe.teacher, shop, data, teacher)
    elif recipe.teacher:
        teacher = _teacher_stage(recipe, shop, reader, reading)
        if recipe.distill.targets != "data":
            written = written_stage(recipe, shop, data, tokenizer, teacher)
    if written:
        lessons = lesson_stage(recipe, shop, data, tokenizer, written, name="student-shards")
    answers = None
    if teacher and crosses:
        answers = cross_answers_stage(recipe, shop, (reader, tokenizer), (reading, lessons), teacher)
    elif teacher and _hears_teacher(recipe):
        answers = _answers_stage(recipe, shop, lessons, teacher)
    student = _student_stage(recipe, shop, tokenizer, lessons, teacher, answers)
    sparse = _sparsify(recipe, shop, tokenizer, lessons, student, answers)
    ready = sparse or student
    package = _package_stage(recipe, shop, "package", tokenizer, ready, STUDENT_FOLDER, data, lessons, answers)
    if neighbours and teacher and recipe.teacher and recipe.teacher.offer.network:
        teacher_package = _package_stage(recipe, shop, "teacher-package", reader, teacher, TEACHER_FOLDER, data)
    return Generator(data, tokenizer, lessons, student, package, teacher, teacher_package, written, sparse)


def _hears_teacher(recipe: Recipe) -> bool:
    """Whether an objective asks for the teacher's kept logits."""
    from smallwright.train.objectives import OBJECTIVES

    return recipe.distill.keeps_answers and any(OBJECTIVES[name].needs_teacher for name in recipe.distill.objectives)


def _teacher_stage(recipe: Recipe, shop: Workshop, tokenizer: Outcome, lessons: Outcome) -> Outcome:
    settings = recipe.teacher
    assert isinstance(settings, NetworkSettings)  # the caller asks only for a recipe with such a teacher
    given = recipe.root / settings.path if settings.path is not None else None

    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.compress.vocabulary import trim_embedding
        from smallwright.model import Transformer, load_hf, preset, save_model, seeded
        from smallwright.model.weight_only import AS_STORED
        from smallwright.teacher.fit import describe_network

        reader = open_tokenizer(tokenizer)
        if given is not None:
            # What is to be held in fewer bytes is written on as it is, and rounded when it is opened to answer.
            model = load_hf(given, task="generate", held_as="float32" if settings.load == "float32" else AS_STORED)
            if reader.kept is not None:
                model = trim_embedding(model, reader.kept, copy=False)
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
        facts = describe_network(model.spec, settings.load)
        if settings.finetune is not None:
            facts |= _train(recipe, shop, model, lessons, settings.finetune, folder)
        save_model(model, folder / TEACHER_FOLDER, tokenizer.folder / TOKENIZER_FILE)
        return facts

    how = {
        "teacher": settings.model_dump(mode="json", exclude={"path", "load"}),
        "context": recipe.student.context,
        "seed": recipe.seed,
        "threads": shop.cores,
        **described_load(settings),
    }
    inputs: dict[str, str | Outcome] = {"tokenizer": tokenizer, "shards": lessons}
    if given is not None:
        inputs["checkpoint"] = hash_folder(given)
    return shop.run("teacher", run, settings=how, inputs=inputs, version=LOOP_VERSION)


def _answers_stage(recipe: Recipe, shop: Workshop, lessons: Outcome, teacher: Outcome) -> Outcome:
    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.model import load_model

        model = load_model(teacher.folder / TEACHER_FOLDER, held_as=held_as(teacher))
        answers = answer_lessons(recipe, lessons, model, folder)
        return {"positions": len(answers), "top": answers.top}

    settings = {"top": recipe.distill.top, "context": recipe.student.context}
    return shop.run("answers", run, settings=settings, inputs={"shards": lessons, "teacher": teacher}, version=2)


def _student_stage(
    recipe: Recipe,
    shop: Workshop,
    tokenizer: Outcome,
    lessons: Outcome,
    teacher: Outcome | None,
    answers: Outcome | None,
) -> Outcome:
    def learn(folder: Path, part: Part) -> Mapping[str, Any]:
        from smallwright.model import load_model, save_model

        reader, own = open_tokenizer(tokenizer), part.recipe
        beside = own.distill.needs_teacher_beside
        model = None
        if teacher and (beside or part.is_cut_from_teacher):
            model = load_model(teacher.folder / TEACHER_FOLDER, held_as=held_as(teacher))
        narrower = own.student.width is not None or own.student.feedforward is not None
        student = make_student(
            own.student,
            teacher=part.open_before(model),
            kept=None,  # the teacher stage trimmed its table already
            vocabulary=reader.size,
            heads=make_heads("generate", ()),
            causal=True,
            seed=recipe.seed,
            sample=sample_lessons(recipe, lessons) if narrower else (),
        )
        soft = _open_answers(own, answers, lessons)
        tutor = model if beside else None
        facts = _train(own, shop, student, lessons, own.distill, folder, part=part, soft=soft, tutor=tutor)
        save_model(student, folder / STUDENT_FOLDER, tokenizer.folder / TOKENIZER_FILE)
        return {"parameters": _count(student), **facts}

    inputs: dict[str, str | Outcome] = {"tokenizer": tokenizer, "shards": lessons}
    if teacher is not None:
        inputs["teacher"] = teacher
    if answers is not None:
        inputs["answers"] = answers
    return run_cuts(recipe, shop, teacher, learn, inputs)


def _open_answers(recipe: Recipe, answers: Outcome | None, lessons: Outcome) -> TopAnswers | CrossAnswers | None:
    from smallwright.teacher.language import ANSWERS

    if answers is None:
        return None
    crosses = recipe.distill.crosses_tokenizers
    return open_cross_answers(answers, lessons) if crosses else TopAnswers.open(answers.folder / ANSWERS)


def _sparsify(
    recipe: Recipe, shop: Workshop, tokenizer: Outcome, lessons: Outcome, student: Outcome, answers: Outcome | None
) -> Outcome | None:
    """The student with fewer weights; what it heals with are the student's own lessons."""
    read = {"lessons": lessons, "answers": answers}
    draw, open_task = _openers(recipe, lessons, answers)
    return sparsify_stage(recipe, shop, student, tokenizer, read, draw, open_task)


def _openers(
    recipe: Recipe, lessons: Outcome, answers: Outcome | None
) -> tuple[Callable[[Calibrated, ModelSpec], Any], Callable[[Transformer, bool], TrainingTask]]:
    """How calibration texts are drawn, as tokens, and what a student that is compressed learns with."""

    def draw(asked: Calibrated, spec: ModelSpec) -> Any:
        return draw_lessons(recipe, lessons, asked, spec)

    def open_task(model: Transformer, hears_teacher: bool) -> TrainingTask:
        soft = _open_answers(recipe, answers if hears_teacher else None, lessons)
        context = min(recipe.student.context, model.spec.context)
        return open_lessons(recipe, lessons, recipe.distill, context=context, soft=soft)

    return draw, open_task


def _train(
    recipe: Recipe,
    shop: Workshop,
    model: Transformer,
    lessons: Outcome,
    settings: TrainSettings,
    folder: Path,
    *,
    part: Part | None = None,
    soft: TopAnswers | CrossAnswers | None = None,
    tutor: Transformer | None = None,
) -> dict[str, Any]:
    from smallwright.train.loop import train

    context = min(recipe.student.context, model.spec.context)
    task = open_lessons(recipe, lessons, settings, context=context, soft=soft)
    is_student = settings is recipe.distill
    taught = soft is not None or (tutor is not None and not recipe.distill.keeps_answers)
    objective = recipe.distill.make_student_objective(has_teacher=taught) if is_student else settings.make_objective()
    options, name = settings.loop_options(seed=recipe.seed, threads=shop.cores), "teacher"
    if part is not None:
        options, name = part.share(options, task), part.name
    with tutored(recipe, task, model, tutor) as given:
        result = train(model, given, objective, folder / "training", options, name=name, quiet=shop.quiet)
    return describe_lessons(result)


def _package_stage(
    recipe: Recipe,
    shop: Workshop,
    name: str,
    tokenizer: Outcome,
    model: Outcome,
    folder_name: str,
    data: Outcome,
    lessons: Outcome | None = None,
    answers: Outcome | None = None,
) -> Outcome:
    """The package. One that answers prompts is asked the validation rows, and learns how sure it may be.

    ``lessons``: what the student learned from, from which calibration texts are drawn; None: the weights are rounded.
    """
    schema, rounding = recipe.read_schema(), quantize_settings(recipe)
    write = _make_writer(recipe, shop, name, tokenizer, model, folder_name, schema)

    compressed = None
    if lessons is not None:
        draw, open_task = _openers(recipe, lessons, answers)
        compressed = compress_stage(recipe, shop, model, folder_name, lessons, draw, write, open_task, answers)

    def run(folder: Path) -> Mapping[str, Any]:
        quantized = open_quantized(compressed)
        info, calibration = write(folder / PACKAGE_FILE, None, quantized), None
        if recipe.answers_prompts:
            calibration = calibrate_package(recipe, folder / PACKAGE_FILE, data)
            info = write(folder / PACKAGE_FILE, calibration, quantized)
        detail = describe_compression(rounding if lessons else rounding.alone(), compressed and compressed.facts)
        return {"size_bytes": info.size_bytes, "sha256": info.sha256, "calibration": calibration, "weights": detail}

    settings: dict[str, Any] = {
        "compress": [step.model_dump(mode="json") for step in recipe.compress],
        "name": recipe.name,
        "provenance": make_provenance(recipe, {}, shop.cores),
    }
    inputs: dict[str, str | Outcome] = {"tokenizer": tokenizer, "model": model}
    if compressed is not None:
        inputs["compress"] = compressed
    if recipe.answers_prompts:
        settings |= {"schema": schema, "answer_tokens": recipe.evaluate.answer_tokens}
        inputs["data"] = data
    return shop.run(name, run, settings=settings, inputs=inputs, version=2)


def _make_writer(
    recipe: Recipe,
    shop: Workshop,
    name: str,
    tokenizer: Outcome,
    model: Outcome,
    folder_name: str,
    schema: str | None,
) -> Callable[..., PackageInfo]:
    """What writes the package to a path: rounded, or as it was coded; with an answer calibration or without."""
    rounding = quantize_settings(recipe)

    def write(
        path: Path, calibration: Mapping[str, float] | None = None, quantized: Quantized | None = None
    ) -> PackageInfo:
        from smallwright.model import load_model
        from smallwright.model.weight_only import AS_STORED

        reader = open_tokenizer(tokenizer)
        return package_model(
            load_model(model.folder / folder_name, held_as=AS_STORED),
            path,
            name=recipe.name if name == "package" else f"{recipe.name}-teacher",
            kind="generate",
            tokenizer=reader.tokenizer,
            roles=reader.roles,
            quantize=rounding if quantized else rounding.alone(),
            provenance=make_provenance(recipe, {"tokenizer": tokenizer, "model": model}, shop.cores),
            prompt=recipe.task.prompt.form if recipe.answers_prompts else None,
            schema=schema,
            answer_calibration=calibration,
            quantized=quantized,
        )

    return write


def _count(model: Transformer) -> int:
    return sum(weight.numel() for weight in model.parameters())
