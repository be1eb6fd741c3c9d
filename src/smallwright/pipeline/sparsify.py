"""The stage that drops weights of the trained student and heals what is left, where the recipe asks for that.

Enters: a recipe, the trained student, its lessons. Leaves: the sparse student, in a folder as the student's own.
Not here: the methods (compress/sparsifying/), the loop (train/loop.py), codes for what is kept (compress.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smallwright.compress.sparsifying.settings import HealSettings, SparsifySettings
from smallwright.pipeline.coded import Texts, coding_threads
from smallwright.pipeline.compress import Calibrated
from smallwright.pipeline.shared import STUDENT_FOLDER, TOKENIZER_FILE
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.tutoring import describe_lessons
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.spec import ModelSpec
from smallwright.train.options import LOOP_VERSION

if TYPE_CHECKING:
    from torch import Tensor

    from smallwright.compress.sparsifying.masks import Masks
    from smallwright.model import Transformer
    from smallwright.train.tasks import TrainingTask

CHOSEN = "chosen.safetensors"  # kept apart from training, so that a run that goes on trains the very same weights
_MOST_NAMED = 3  # matrices in the report's line


def sparsify_stage(
    recipe: Recipe,
    shop: Workshop,
    student: Outcome,
    tokenizer: Outcome,
    lessons: Mapping[str, Outcome | None],
    draw_texts: Callable[[Calibrated, ModelSpec], Texts],
    open_task: Callable[[Transformer, bool], TrainingTask],
) -> Outcome | None:
    """The sparse student in ``STUDENT_FOLDER``; None where no weights are dropped.

    Args:
        lessons: what texts and task are made of, by name; those that are None did not run.
        draw_texts: the calibration texts as tokens, for the settings and the student's description.
        open_task: what the student heals with; the second argument says whether the teacher's kept answers count.
    """
    settings = recipe.sparsify
    if settings is None:
        return None

    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.compress.quantizing.bias import add_biases
        from smallwright.model import load_model, save_model
        from smallwright.train.checkpoint import read_tensors, write_tensors

        model = load_model(student.folder / STUDENT_FOLDER)
        if settings.correct_bias:
            model = add_biases(model)
        if not (folder / CHOSEN).is_file():
            texts = draw_texts(settings, model.spec)
            with coding_threads(shop.cores):
                write_tensors(folder / CHOSEN, *_choose(settings, model, texts))
        tensors, facts = read_tensors(folder / CHOSEN)
        if settings.schedule == "once":
            model.load_state_dict(tensors, strict=False)
        if settings.heal is not None:
            dense = load_model(student.folder / STUDENT_FOLDER) if settings.heal.source == "dense" else None
            masks = _make_masks(settings, facts["shares"], tensors)
            task = open_task(model, dense is None)
            facts["heal"] = heal_sparse(recipe, shop, settings.heal, model, dense, task, masks, folder / "training")
        save_model(model, folder / STUDENT_FOLDER, tokenizer.folder / TOKENIZER_FILE)
        return {**facts, **_count(model, facts["matrices"])}

    asked: dict[str, Any] = {"sparsify": settings.model_dump(mode="json"), "threads": shop.cores}
    inputs: dict[str, str | Outcome] = {"student": student, "tokenizer": tokenizer}
    inputs |= {name: outcome for name, outcome in lessons.items() if outcome is not None}
    if settings.heal is not None:
        asked |= {"distill": recipe.distill.described}
        asked |= {"seed": recipe.seed}
    return shop.run("sparsify", run, settings=asked, inputs=inputs, version=LOOP_VERSION)


def _choose(settings: SparsifySettings, model: Transformer, texts: Texts) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Sparse matrices (and corrected biases) by name, or, where sparsity rises later, the norms that choose then (none
    for magnitude); and facts: the share of each matrix, and what dropping it at once did to its outputs."""
    import torch

    from smallwright.compress.sparsifying.allocation import allocate, measure_sensitivity
    from smallwright.compress.sparsifying.matrix import SparsifyOptions
    from smallwright.compress.sparsifying.model import list_sparsified, measure_norms, sparsify_model

    options = SparsifyOptions(settings.using, settings.of_each, settings.damping, settings.correct_bias)
    names = [tensor.name for tensor in list_sparsified(model.spec)]
    facts: dict[str, Any] = {"texts": len(texts), "tokens": int(sum(len(text) for text in texts))}
    shares = dict.fromkeys(names, settings.share)
    if settings.allocation == "sensitivity":
        measured = measure_sensitivity(model, texts, settings.share, options)
        shares = allocate(measured, settings.share)
        facts["sensitivity"] = [asdict(one) for one in measured]
    facts |= {"shares": shares, "matrices": {name: {} for name in names}}
    if settings.schedule == "cubic":
        norms = measure_norms(model, texts) if settings.using == "wanda" else {}
        return {name: torch.from_numpy(found) for name, found in norms.items()}, facts
    facts["matrices"] = sparsify_model(model, shares, texts, options)
    facts |= _summarise(facts["matrices"])
    weights = model.state_dict()
    biases = [name.removesuffix(".weight") + ".bias" for name in names] if settings.correct_bias else []
    return {name: weights[name] for name in (*names, *biases)}, facts


def _make_masks(settings: SparsifySettings, shares: Mapping[str, float], tensors: Mapping[str, Tensor]) -> Masks:
    from smallwright.compress.sparsifying.masks import Masks, RisingMasks

    if settings.schedule == "once" or settings.heal is None:
        return Masks(tuple(shares))
    rise_steps = max(1, round(settings.heal.rise * settings.heal.steps))
    return RisingMasks(shares, rise_steps, {name: found.numpy() for name, found in tensors.items()} or None)


def heal_sparse(
    recipe: Recipe,
    shop: Workshop,
    heal: HealSettings,
    model: Transformer,
    dense: Transformer | None,
    task: TrainingTask,
    masks: Masks,
    folder: Path,
) -> dict[str, Any]:
    """Train what is kept: on the answers of ``dense``, or of the teacher, which the task knows then.

    Args:
        model: sparse already; with rising masks dense. It is changed in place.
        dense: the student before; None: the task's own teacher is heard.
        folder: of the training, which a run that was stopped goes on from.
    Returns:
        Steps, validation scores before and after, precision.
    """
    from smallwright.train.loop import train
    from smallwright.train.precision import choose_precision
    from smallwright.train.tutor import TutoredTask

    wish = recipe.distill
    if dense is not None:
        wish = wish.model_copy(update={"objectives": ("soft_targets",)})
        task = TutoredTask(task, dense)
    options = wish.loop_options(seed=recipe.seed, threads=shop.cores)
    batches = heal.steps * options.accumulate
    options = replace(
        options,
        epochs=1 + -(-batches // task.count_batches(0)),  # more than enough: an epoch's last step may be smaller
        max_steps=heal.steps,
        learning_rate=heal.learning_rate,
        patience=None,
    )
    objective = wish.make_student_objective(has_teacher=True)
    device = next(model.parameters()).device
    before = task.validate(model, choose_precision(options.precision, device))
    result = train(model, task, objective, folder, options, constraint=masks, name="heal", quiet=shop.quiet)
    return {"scores_before": before, **describe_lessons(result)}


def _summarise(matrices: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Means over matrices of the outputs' squared error by their squared size, and of the same by magnitude; of
    SparseGPT's Hessians how many were singular, and the most that was added."""
    found = list(matrices.values())
    summary = {name: float(np.mean([one[name] for one in found])) for name in ("error", "magnitude_error")}
    if all("damping" in one for one in found):
        summary["singular"] = sum(one["rank"] < one["inputs"] for one in found)
        summary["most_damping"] = max(one["damping"] for one in found)
    return summary


def _count(model: Transformer, matrices: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The zeros as they are now, matrix by matrix and together."""
    now: dict[str, dict[str, Any]] = {}
    for name, facts in matrices.items():
        weights, kept = model.get_parameter(name).numel(), int(model.get_parameter(name).count_nonzero())
        now[name] = {**facts, "weights": weights, "kept": kept, "sparsity": 1 - kept / weights}
    total = sum(one["weights"] for one in now.values())
    dropped = total - sum(one["kept"] for one in now.values())
    return {"matrices": now, "weights": total, "dropped": dropped, "sparsity": dropped / total}


def describe_sparsity(settings: SparsifySettings, facts: Mapping[str, Any]) -> str:
    """One line for the report."""
    matrices = facts["matrices"]
    shares = [one["sparsity"] for one in matrices.values()]
    parts = [
        f"{facts['sparsity']:.1%} of the layers' {facts['weights']:,} weights dropped by {settings.using} "
        f"({settings.pattern}, {min(shares):.1%} to {max(shares):.1%} a matrix) on {facts['texts']} training texts; "
        "tables, heads, norms and biases keep all"
    ]
    if "error" in facts:
        parts.append(f"outputs' error {facts['error']:.3g} beside {facts['magnitude_error']:.3g} by magnitude")
    if settings.correct_bias:
        parts.append("biases corrected")
    if "singular" in facts:
        parts.append(
            f"Hessians damped by at most {facts['most_damping']:g} of their mean diagonal, {facts['singular']} of "
            f"{len(matrices)} singular"
        )
    if "sensitivity" in facts:
        costly = sorted(facts["sensitivity"], key=lambda one: -max(one["nats"].values()))[:_MOST_NAMED]
        named = ", ".join(f"{one['name']} ({facts['shares'][one['name']]:.0%} dropped)" for one in costly)
        parts.append(f"allocated by sensitivity; the answers depend most on {named}")
    if "heal" in facts:
        heal, rising = facts["heal"], ", sparsity rising meanwhile" if settings.schedule == "cubic" else ""
        score = next((name for name in ("accuracy", "perplexity", "loss") if name in heal["scores"]), None)
        told = ""
        if score is not None:
            before, after = (heal[when][score] for when in ("scores_before", "scores"))
            told = f": validation {score} {before:.4g} before, {after:.4g} after"
        parts.append(f"healed for {heal['steps']} steps{rising}{told}")
    return "; ".join(parts)
