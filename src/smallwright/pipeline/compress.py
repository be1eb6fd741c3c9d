"""The stage that codes the student's weights with the help of training texts, where the recipe asks for that.

Enters: a recipe, a trained model, its training rows or lessons. Leaves: every matrix as the package will store it.
Not here: the methods (compress/quantizing/), plain rounding, which needs no stage (package/write.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smallwright.compress.quantize import count_bytes, plan_formats
from smallwright.compress.settings import QuantizeSettings
from smallwright.compress.sparsifying.settings import SparsifySettings
from smallwright.data.completions import Completions
from smallwright.data.shards import Shard
from smallwright.errors import RecipeError
from smallwright.package.architectures import choose_architecture
from smallwright.package.write import PackageInfo
from smallwright.pipeline.choose_steps import Workplace, choose_steps, describe_choice, least_bytes
from smallwright.pipeline.coded import (
    CARD,
    Texts,
    coding_threads,
    count_beside,
    count_room,
    mix_formats,
    open_coded,
    read_facts,
    read_options,
    save_coded,
    summarise,
)
from smallwright.pipeline.shared import quantize_settings
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.train_codes import OpenTask, check_train, describe_training, train_codes
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.spec import ModelSpec
from smallwright.train.options import LOOP_VERSION

if TYPE_CHECKING:
    from smallwright.compress.quantizing.answers import Judge
    from smallwright.compress.quantizing.matrix import QuantizeOptions
    from smallwright.compress.quantizing.model import Quantized

CODED = "coded"  # before training: a run that goes on trains the very same codes
_MOST_NAMED = 3  # matrices in the report's line

Calibrated = QuantizeSettings | SparsifySettings  # steps that look at texts


def check_compression(recipe: Recipe, spec: ModelSpec) -> dict[str, str]:
    """Refuse what the recipe's method cannot do with such a model, before anything is trained.

    Args:
        spec: the student, or what it is made from; its number of tokens does not matter.
    Returns:
        The formats of its tensors as far as they are known: where they are mixed, the finest.
    Raises:
        RecipeError: AWQ without norms that can take factors; biases where the architecture has no place for them.
        ModelSpecError: a width that the format cannot store, or that a pattern N:M does not divide.
    """
    from smallwright.compress.quantizing.awq import check_awq
    from smallwright.compress.quantizing.bias import with_biases
    from smallwright.compress.sparsifying.model import check_pattern

    settings = quantize_settings(recipe)
    if recipe.sparsify is not None and recipe.sparsify.of_each is not None:
        check_pattern(spec, recipe.sparsify.of_each)
    formats = plan_formats(spec, settings.uniform, embedding=settings.embedding, head=settings.head)
    if settings.using == "awq":
        check_awq(spec)
    if recipe.corrects_biases:
        before, after = choose_architecture(spec), choose_architecture(with_biases(spec))
        if before != after:
            raise RecipeError(
                f"compress.correct_bias gives a bias to every linear layer. Got the architecture {before}, which has "
                "no place for them. Leave it out."
            )
    check_train(settings, with_biases(spec) if recipe.corrects_biases else spec)
    return formats


def check_room(recipe: Recipe, spec: ModelSpec, beside: int = 0) -> None:
    """Refuse a size for mixed formats that the coarsest weights and what stands beside them exceed.

    Args:
        spec: the student, or one of fewer tokens and classes.
        beside: bytes of vocabulary and keys, as far as they are known.
    Raises:
        RecipeError: ``compress.size`` is too small.
    """
    from smallwright.compress.quantizing.bias import with_biases
    from smallwright.compress.quantizing.mixed import coarsest_formats, fixed_formats

    settings = quantize_settings(recipe)
    if settings.size is None:
        return
    whole = with_biases(spec) if recipe.corrects_biases else spec
    fixed = fixed_formats(whole, settings.embedding, settings.head)
    options = read_options(settings, keep_zeros=recipe.sparsify is not None)
    weights = count_bytes(whole, coarsest_formats(whole, options, fixed))
    if settings.format == "chosen":
        dropped = None if recipe.sparsify is None else recipe.sparsify.share
        weights = min(weights, least_bytes(whole, settings, dropped))
    kept = settings.size - count_room(settings.size, spec, beside)
    if settings.size < weights + kept:
        raise RecipeError(
            f"compress.size must hold all weights in the coarsest formats. Got {settings.size:,} bytes, where those "
            f"take {weights:,} and vocabulary, keys and alignment {kept:,}. Give more, or use a smaller student."
        )


def compress_stage(
    recipe: Recipe,
    shop: Workshop,
    model: Outcome,
    folder_name: str,
    lessons: Outcome,
    draw_texts: Callable[[Calibrated, ModelSpec], Texts],
    write_rounded: Callable[[Path], PackageInfo],
    open_task: OpenTask,
    answers: Outcome | None = None,
) -> Outcome | None:
    """The student's matrices as they will be stored; None where the writer rounds them.

    Args:
        model: the stage that left the student, in its ``folder_name``.
        lessons: where the texts come from.
        draw_texts: the calibration texts as tokens, for the settings and the student's description.
        write_rounded: writes the package with rounded weights: what is in it beside weights counts in ``size``.
        open_task: what the student learns with where codes are trained.
        answers: the teacher's, which ``open_task`` may read.
    """
    settings = quantize_settings(recipe)
    if not settings.chosen_beforehand:
        return None

    place = Workplace(recipe, shop, model.folder / folder_name, draw_texts, write_rounded, open_task)

    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.model import load_model

        if settings.format == "chosen":
            return choose_steps(place, folder)
        if settings.train is None:
            _code(place, folder)
            return read_facts(folder)
        if not (folder / CODED / CARD).is_file():
            (folder / CODED).mkdir(exist_ok=True)
            _code(place, folder / CODED)
        coded, facts = open_coded(folder / CODED), read_facts(folder / CODED)
        dense = load_model(place.student)
        found, facts["train"] = train_codes(recipe, shop, settings, dense, coded, open_task, folder / "training")
        save_coded(found, folder, facts)
        return facts

    asked: dict[str, Any] = {"compress": settings.model_dump(mode="json"), "threads": shop.cores}
    inputs: dict[str, str | Outcome] = {"model": model, "lessons": lessons}
    if settings.train is None:
        return shop.run("compress", run, settings=asked, inputs=inputs)
    asked |= {"distill": recipe.distill.described, "seed": recipe.seed}
    inputs |= {} if answers is None else {"answers": answers}
    return shop.run("compress", run, settings=asked, inputs=inputs, version=LOOP_VERSION)


def _code(place: Workplace, folder: Path) -> None:
    """Code the student in the one way that the recipe names, and leave it in a folder."""
    from smallwright.compress.quantizing.answers import Judge
    from smallwright.compress.quantizing.model import quantize_model
    from smallwright.model import load_model

    settings, student = quantize_settings(place.recipe), load_model(place.student)
    spec = student.spec
    texts = place.draw_texts(settings, spec) if settings.calibrated else ()
    options = read_options(settings, keep_zeros=place.recipe.sparsify is not None)
    facts: dict[str, Any] = {"texts": len(texts), "tokens": int(sum(len(text) for text in texts))}
    with coding_threads(place.shop.cores):
        if settings.format == "mixed":
            room = count_room(settings.size or 0, spec, count_beside(settings, spec, folder, place.write))
            formats, facts["sensitivity"] = mix_formats(settings, student, texts, options, room)
        else:
            formats = plan_formats(spec, settings.uniform, embedding=settings.embedding, head=settings.head)
        judge = Judge(student, texts) if settings.using != "round" or settings.correct_bias else None
        found = quantize_model(student, formats, texts, options)
        if judge is not None:
            facts |= _harm(judge, found, place.student, options)
    save_coded(found, folder, facts | summarise(found))


def _harm(judge: Judge, found: Quantized, student: Path, options: QuantizeOptions) -> dict[str, float]:
    """The divergence of the coded model's answers, and of a rounded one's: what the method did, beside doing nothing.

    One model at a time: the student is read again, for ``quantize_model`` used it up.
    """
    from smallwright.compress.quantizing.model import quantize_model
    from smallwright.model import load_model

    nats = judge.divergence(found.as_model())
    plain = replace(options, using="round", correct_bias=False)
    rounded = quantize_model(load_model(student), found.formats, (), plain)
    return {"nats": nats, "rounding_nats": judge.divergence(rounded.as_model())}


def describe_compression(settings: QuantizeSettings, facts: Mapping[str, Any] | None) -> str:
    """One line for the report."""
    if facts is None:
        return settings.format
    if settings.format == "chosen":
        return describe_choice(settings, facts)
    mixed = ", ".join(f"{count} {name}" for name, count in sorted(facts["formats"].items()))
    parts = [f"{settings.format} by {settings.using} ({mixed})"]
    if settings.calibrated:
        parts[0] += f" on {facts['texts']} training texts"
    if "sensitivity" in facts:
        costly = sorted(facts["sensitivity"], key=lambda one: -_coarsest_nats(one))[:_MOST_NAMED]
        parts.append(
            "most was lost in the coarsest format by "
            + ", ".join(f"{one['name']} ({_coarsest_nats(one):.2g} nats, now {one['format']})" for one in costly)
        )
    if "solved" in facts:
        then = "" if settings.train is None else " before training"
        parts.append(
            f"outputs' error {facts['error'] / facts['rounding_error']:.2f} of rounding's{then}; Hessians "
            f"damped by at most {facts['most_damping']:g} of their mean diagonal, {facts['singular']} of "
            f"{facts['solved']} singular"
        )
    if settings.correct_bias:
        parts.append("biases corrected")
    if "nats" in facts:
        parts.append(_describe_answers(settings, facts["nats"], facts["rounding_nats"]))
    if settings.train is not None:
        parts.append(describe_training(settings.train, facts["train"]))
    return "; ".join(parts)


def _describe_answers(settings: QuantizeSettings, ours: float, rounding: float) -> str:
    then = "" if settings.train is None else " before training"
    said = f"answers to them {ours:.2g} nats from float32's{then}, {rounding:.2g} by rounding in the same formats"
    if ours <= rounding:
        return said
    method = settings.using if settings.using != "round" else "correct_bias"
    instead = "using: round" if settings.using != "round" else "no correct_bias"
    return f"{said}: {method} does harm here, use {instead}" + (", a finer format or train" if not then else "")


def _coarsest_nats(one: Mapping[str, Any]) -> float:
    """Of a ``Sensitivity`` as the card keeps it."""
    return float(one["nats"][min(one["sizes"], key=lambda format: one["sizes"][format])])


def draw_rows(count: int, settings: Calibrated) -> list[int]:
    """Indices of the calibration texts among ``count``, in order."""
    asked = settings.calibration
    generator = np.random.default_rng(asked.seed)
    return sorted(generator.choice(count, min(count, asked.texts), replace=False).tolist())


def draw_lessons(recipe: Recipe, lessons: Outcome, settings: Calibrated, spec: ModelSpec) -> Texts:
    """Calibration texts of a generator: blocks of its training text, or prompts with their completions."""
    context = min(recipe.student.context, spec.context)
    if recipe.answers_prompts:
        shard = Completions.open(lessons.folder / "train").shard
        return [shard.document(row)[:context] for row in draw_rows(len(shard), settings)]
    shard = Shard.open(lessons.folder / "train")
    blocks = shard.blocks(context)
    return [blocks[row, :-1] for row in draw_rows(len(blocks), settings)] or [shard.tokens[:context]]


def open_quantized(outcome: Outcome | None) -> Quantized | None:
    """What ``compress_stage`` left; None where there was none."""
    return None if outcome is None else open_coded(outcome.folder)
