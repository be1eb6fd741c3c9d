"""What a recipe will do and cost, before it does it.

Enters: a recipe. Leaves: a text: the resolved recipe, parameters, bytes, tokens, a time estimate, what is done already.
Not here: running stages; only the data is read, and the tokenizer made, in a temporary folder.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import median

import torch

from smallwright.compress.progressive import Cut, plan_cuts
from smallwright.compress.quantize import count_bytes
from smallwright.data import read_rows
from smallwright.pipeline.beforehand import check_prepared, check_recipe, student_spec, teacher_specs
from smallwright.pipeline.compress import check_compression
from smallwright.pipeline.shared import Reader, prepare_rows, quantize_settings, read_training_texts
from smallwright.pipeline.teach_endpoint import word_questions
from smallwright.pipeline.written import word_requests
from smallwright.recipe import Recipe
from smallwright.spec import ModelSpec
from smallwright.spec.tensors import list_tensors
from smallwright.teacher.completing import Wording
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.new_rows import MOST_ROUNDS
from smallwright.teacher.package_settings import PackageSettings
from smallwright.teacher.questions import Questions
from smallwright.tokenizer.load import load_roles, load_tokenizer
from smallwright.tokenizer.train import train_tokenizer
from smallwright.tokenizer.trim import trim
from smallwright.train.precision import choose_precision

_PROBE = 512  # side of the square products that time the machine


@dataclass(frozen=True)
class Asked:
    """What a teacher behind an endpoint will be asked.

    Attributes:
        questions: at most so many: equal texts are asked once, and what was answered before is not asked again.
        question_chars: median length of the whole prompt of one of them, in characters.
    """

    questions: int
    question_chars: int


@dataclass(frozen=True)
class Plan:
    """The numbers of a plan. Sizes in bytes, counts in units; ``seconds`` is that of the matrix products.

    ``asked`` is None where the teacher is no endpoint. ``cuts``: what each model on the way from teacher to student
    keeps, the student last; empty where there is none on the way.
    """

    student_parameters: int
    teacher_parameters: int | None  # of all networks of an ensemble
    package_bytes: int
    vocabulary: int
    training_rows: int
    training_tokens: int
    seconds: float
    asked: Asked | None = None
    cuts: tuple[Cut, ...] = ()


def count_parameters(spec: ModelSpec) -> int:
    """All weights of a model; a tied table counts once."""
    return sum(prod(tensor.shape) for tensor in list_tensors(spec))


def make_plan(recipe: Recipe) -> Plan:
    """Read the data, make the tokenizer, and count.

    Raises:
        SmallwrightError: whatever the build itself would refuse about recipe, data or teacher.
    """
    check_recipe(recipe)
    with tempfile.TemporaryDirectory() as folder:
        prepare_rows(recipe, Path(folder))
        rows = read_rows(Path(folder) / "train.jsonl")
        texts = read_training_texts(recipe, Path(folder))
        asked = _count_questions(recipe, Path(folder))
    labels = tuple(sorted({row.label for row in rows if row.label is not None}))
    reader = _make_tokenizer(recipe, texts)
    tokenizer, vocabulary = reader.tokenizer, reader.size
    # Rows that are made later are about as long as those that are there.
    training_rows = (1 + _copies(recipe)) * (len(rows) + _count_new_rows(recipe, len(labels)))
    tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(texts))
    tokens = round(tokens * training_rows / max(1, len(rows)))
    networks = teacher_specs(recipe, vocabulary, labels)
    teacher = networks[0][1] if networks else None
    student = student_spec(recipe, vocabulary, labels, teacher)
    formats, most = check_compression(recipe, student), quantize_settings(recipe).size
    sparsity = 0.0 if recipe.sparsify is None else recipe.sparsify.share
    check_prepared(recipe, reader, labels, recipe.threads or 1)
    heard = tokens * (1 + recipe.distill.transfer_rows / max(1, training_rows))
    learnt = heard * recipe.distill.epochs + _count_later_tokens(recipe, tokens / max(1, training_rows))
    cuts = plan_cuts(recipe.student, teacher) if recipe.student.cuts > 1 and teacher is not None else ()
    learners = [cut.spec for cut in cuts] or [student]  # each hears an equal share
    active = sum(_active(spec) for spec in learners) / len(learners)
    seconds = 6 * active * learnt / _measure_flops(recipe.distill.precision)
    for settings, spec in networks:
        finetune = settings.finetune
        epochs, precision = (finetune.epochs, finetune.precision) if finetune else (0, "float32")
        seconds += _active(spec) * (6 * tokens * epochs + 2 * heard) / _measure_flops(precision)
    return Plan(
        student_parameters=count_parameters(student),
        teacher_parameters=sum(count_parameters(spec) for _, spec in networks) if networks else None,
        package_bytes=min(count_bytes(student, formats, sparsity), most or sys.maxsize),
        vocabulary=vocabulary,
        training_rows=training_rows,
        training_tokens=tokens,
        seconds=seconds,
        asked=asked,
        cuts=cuts,
    )


def render_plan(recipe: Recipe, plan: Plan) -> str:
    """The plan as text for a person: the resolved recipe, then the numbers."""
    teacher = "none" if plan.teacher_parameters is None else f"{plan.teacher_parameters:,} parameters"
    if isinstance(recipe.teacher, PackageSettings):
        teacher = f"the package {recipe.teacher.file}"
    if plan.asked is not None and isinstance(recipe.teacher, EndpointSettings):
        teacher = (
            f"at most {plan.asked.questions:,} questions of about {plan.asked.question_chars:,} characters to "
            f"{recipe.teacher.model} at {recipe.teacher.url}"
        )
    lines = [
        recipe.to_yaml().rstrip(),
        "",
        f"training data      {plan.training_rows:,} rows, {plan.training_tokens:,} tokens of {plan.vocabulary:,}",
        f"teacher            {teacher}",
        *(f"cut {number}              {_describe_cut(cut)}" for number, cut in enumerate(plan.cuts, 1)),
        f"student            {plan.student_parameters:,} parameters",
        f"weights in file    {plan.package_bytes / 1e6:.2f} MB (the vocabulary comes on top)",
        f"training time      about {plan.seconds / 60:.1f} minutes here for matrix products; tiny models take longer",
    ]
    return "\n".join(lines)


def _describe_cut(cut: Cut) -> str:
    layers = ", ".join(str(layer) for layer in cut.layers)
    neurons = min(layer.feedforward.width for layer in cut.spec.layers)
    return f"the teacher's layers {layers}; {cut.spec.width} channels, {neurons} neurons a layer"


def _make_tokenizer(recipe: Recipe, texts: list[str]) -> Reader:
    if recipe.tokenizer.kind == "train" or recipe.teacher is None or recipe.teacher.path is None:
        return Reader(train_tokenizer(texts, recipe.tokenizer), None, None)
    path = recipe.root / recipe.teacher.path
    tokenizer = load_tokenizer(path)
    if recipe.tokenizer.trim:
        wish = recipe.tokenizer
        tokenizer, _ = trim(tokenizer, texts, keep_first=wish.keep_first, min_count=wish.min_count)
    return Reader(tokenizer, None, load_roles(path))


def _count_questions(recipe: Recipe, folder: Path) -> Asked | None:
    """What the stages of teach_endpoint.py or written.py will ask; None where the teacher is no endpoint."""
    if not isinstance(recipe.teacher, EndpointSettings):
        return None
    parts = {split: folder / f"{split}.jsonl" for split in ("train", "test", "unlabelled")}
    rows = read_rows(parts["train"])
    texts = {row.question for path in parts.values() if path.is_file() for row in read_rows(path)}
    labels = sorted({row.label for row in rows if row.label is not None})
    if recipe.task.kind == "classify":
        words: Questions | Wording = word_questions(recipe, recipe.teacher, labels, rows)
    else:
        words = word_requests(recipe, recipe.teacher, rows)
    lengths = [words.count_chars(text) for text in texts]
    made = recipe.distill.transfer_rows + _copies(recipe) * len(rows)
    wish = recipe.teacher.new_rows
    if wish is not None:  # every list may have to be asked for so often, and each of its texts is asked about
        lists = MOST_ROUNDS * -(-wish.per_class // wish.at_once) * len(labels)
        made += lists * (1 + wish.at_once) + _copies(recipe) * _count_new_rows(recipe, len(labels))
    return Asked(len(texts) + made, int(median(lengths)))


def _count_new_rows(recipe: Recipe, classes: int) -> int:
    """Rows that the teacher is to write, all classes together."""
    wish = recipe.teacher.new_rows if isinstance(recipe.teacher, EndpointSettings) else None
    return 0 if wish is None else wish.per_class * classes


def _count_later_tokens(recipe: Recipe, tokens_per_row: float) -> float:
    """Tokens that a student learns on while it is compressed; a third more where the one before answers beside it."""
    whole_texts = recipe.task.kind == "generate" and not recipe.answers_prompts
    length = float(recipe.student.context) if whole_texts else tokens_per_row
    row = recipe.distill.accumulate * recipe.distill.batch_size * length
    heal = None if recipe.sparsify is None else recipe.sparsify.heal
    return sum(
        wish.steps * row * (1.0 if wish.source == "teacher" else 4 / 3)
        for wish in (heal, quantize_settings(recipe).train)
        if wish is not None
    )


def _copies(recipe: Recipe) -> int:
    """Variants of each training row."""
    return 0 if recipe.data.augment is None else recipe.data.augment.copies


def _active(spec: ModelSpec) -> int:
    """Weights that multiply each token: everything but the token table."""
    return sum(prod(t.shape) for t in list_tensors(spec) if t.matrix and not t.name.startswith("embedding."))


def _measure_flops(precision: str) -> float:
    """Floating-point operations a second that training gets here: a third of a small matrix product's.

    Args:
        precision: what the recipe wishes, see ``choose_precision``.
    """
    wanted = torch.bfloat16 if choose_precision(precision, torch.device("cpu")) == "bfloat16" else torch.float32
    a, best = torch.ones(_PROBE, _PROBE, dtype=wanted), float("inf")
    for _ in range(24):  # the fastest: what else runs on the machine now will be gone
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 2 * _PROBE**3 / best / 3
