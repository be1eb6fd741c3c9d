"""What a recipe's models will be, and what of it cannot be: known before anything is trained or asked.

Enters: a recipe; later its tokenizer and classes. Leaves: descriptions of its models, or an error within seconds.
Not here: contradictions of keys (recipe.py), refusals of one compression (compress.py), time and tokens (plan.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from smallwright.errors import CheckpointError, ModelSpecError, RecipeError
from smallwright.model import preset, read_spec
from smallwright.pipeline.compress import check_compression, check_room
from smallwright.pipeline.heads import make_heads
from smallwright.pipeline.shared import Reader, foresee_beside, quantize_settings
from smallwright.recipe import Recipe
from smallwright.spec import ModelSpec
from smallwright.teacher.settings import NetworkSettings

_LABELS = ("0", "1")  # as few as there can be, before the data is read
_BYTES = 256  # tokens of the smallest byte-level vocabulary


def check_recipe(recipe: Recipe) -> ModelSpec:
    """Refuse what the recipe's models cannot be, from presets and from configs on disk alone.

    Returns:
        The student over as few tokens and classes as there can be.
    Raises:
        RecipeError: an unknown preset; layers, widths or positions that the teacher has not; a width that a format or a
            pattern cannot store; a method that the student's architecture has no place for; a size that its weights
            exceed without any vocabulary.
        CheckpointError: a teacher's config cannot be read, or is of a model for another task.
    """
    student = check_models(recipe)
    with _told_of("compress"):
        check_compression(recipe, student)
        check_room(recipe, student)
    return student


def check_models(recipe: Recipe) -> ModelSpec:
    """The same without what is said of compression, which an exploration tries way by way."""
    with _told_of("teacher"):
        teachers = teacher_specs(recipe, _fewest_tokens(recipe, None), _labels(recipe))
        _check_task(recipe, teachers)
    teacher = teachers[0][1] if teachers else None
    with _told_of("student"):
        student = student_spec(recipe, _fewest_tokens(recipe, teacher), _labels(recipe), teacher)
    match = recipe.distill.match
    if match is not None and teacher is not None:
        from smallwright.train.matching import check_layers

        pairs = [*(match.layers or ()), *([match.relation_layers] if match.relation_layers else [])]
        check_layers(pairs, len(student.layers), len(teacher.layers))
    return student


def check_prepared(recipe: Recipe, reader: Reader, labels: Sequence[str], threads: int) -> None:
    """Refuse what only the data and the tokenizer tell, still before anything is trained.

    Args:
        reader: of the student.
        labels: the classes; ignored for generation.
        threads: of training; the package names them.
    Raises:
        RecipeError: ``compress.size`` is too small, now with the vocabulary, which the package holds too.
        CheckpointError: a teacher that is used as it is knows other classes.
    """
    teachers = teacher_specs(recipe, reader.size, tuple(labels))
    _check_task(recipe, teachers, labels)
    if quantize_settings(recipe).size is not None:
        student = student_spec(recipe, reader.size, tuple(labels), teachers[0][1] if teachers else None)
        check_room(recipe, student, foresee_beside(recipe, student, reader, threads))


def teacher_specs(recipe: Recipe, vocabulary: int, labels: tuple[str, ...]) -> list[tuple[NetworkSettings, ModelSpec]]:
    """The teacher's network, then the others of its ensemble; none without a teacher, or with one that is asked.

    Args:
        vocabulary: tokens of a teacher from scratch.
        labels: the classes; ignored for generation.
    """
    teacher = recipe.teacher
    if teacher is None or not teacher.offer.network:
        return []
    networks: list[NetworkSettings] = [teacher, *(teacher.ensemble.teachers if teacher.ensemble else ())]
    return [(network, _network_spec(recipe, network, vocabulary, labels)) for network in networks]


def student_spec(recipe: Recipe, vocabulary: int, labels: tuple[str, ...], teacher: ModelSpec | None) -> ModelSpec:
    """The student before it learns.

    Args:
        vocabulary: its tokens; where it keeps all of its teacher's, their number is the teacher's.
        labels: the classes; ignored for generation.
        teacher: the network that it may be made from.
    """
    if recipe.student.source == "teacher" and teacher is not None:
        from smallwright.compress.progressive import plan_cuts

        smaller = plan_cuts(recipe.student, teacher)[-1].spec
        heads = dict(teacher.heads) or make_heads(recipe.task.kind, labels)
        trimmed = recipe.tokenizer.kind == "teacher" and recipe.tokenizer.trim
        return replace(smaller.with_vocabulary(vocabulary) if trimmed else smaller, heads=heads)
    return preset(
        recipe.student.preset,
        vocabulary=vocabulary,
        causal=recipe.task.kind == "generate",
        heads=make_heads(recipe.task.kind, labels),
        context=recipe.student.context,
        bigrams=recipe.student.bigrams,
    )


def _check_task(
    recipe: Recipe, teachers: Sequence[tuple[NetworkSettings, ModelSpec]], labels: Sequence[str] | None = None
) -> None:
    """Refuse a checkpoint of another task; ``labels``: None where the data's are not known yet."""
    from smallwright.teacher.fit import check_known

    for settings, spec in teachers:
        if settings.path is None:
            continue
        folder = recipe.root / settings.path
        if recipe.task.kind == "classify":
            if settings.finetune is None:
                check_known(folder, labels)
        elif not any(head.kind == "language_model" for head in spec.heads.values()):
            heads = ", ".join(head.kind for head in spec.heads.values()) or "none"
            raise CheckpointError(
                f"task.kind: generate needs a teacher with a language-model head. Got {heads} in {folder}. Choose "
                "another checkpoint."
            )


@contextmanager
def _told_of(part: str) -> Iterator[None]:
    """What contradicts itself in a description was asked for by that part of the recipe."""
    try:
        yield
    except ModelSpecError as error:
        raise RecipeError(f"{str(error).rstrip('.')} (recipe: {part}).") from error


def _network_spec(recipe: Recipe, settings: NetworkSettings, vocabulary: int, labels: tuple[str, ...]) -> ModelSpec:
    if settings.path is not None:
        classes = labels if recipe.task.kind == "classify" else None
        return read_spec(recipe.root / settings.path, labels=classes)
    return preset(
        settings.preset,
        vocabulary=vocabulary,
        causal=recipe.task.kind == "generate",
        heads=make_heads(recipe.task.kind, labels),
        context=recipe.student.context,
        bigrams=settings.bigrams,
    )


def _labels(recipe: Recipe) -> tuple[str, ...]:
    return _LABELS if recipe.task.kind == "classify" else ()


def _fewest_tokens(recipe: Recipe, teacher: ModelSpec | None) -> int:
    """A number of tokens that the student's tokenizer cannot fall below."""
    settings = recipe.tokenizer
    if settings.kind == "train":
        return _BYTES if settings.model == "bpe" else 1
    if teacher is None or not settings.trim:
        return 1 if teacher is None else teacher.embedding.vocabulary
    return max(1, min(settings.keep_first, teacher.embedding.vocabulary))
