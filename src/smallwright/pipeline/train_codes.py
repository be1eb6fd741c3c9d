"""Training of a student that has codes already: through them, or of what stands beside them.

Enters: a recipe, the student before and after it was coded, its lessons. Leaves: the student as it will be stored.
Not here: codes and their gradients (compress/quantizing/aware.py), the loop (train/loop.py), the stage (compress.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallwright.compress.settings import QuantizeSettings, TrainCodesSettings
from smallwright.errors import RecipeError
from smallwright.pipeline.tutoring import describe_lessons
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.spec import ModelSpec
from smallwright.spec.formats import SCALE_SPAN
from smallwright.spec.tensors import list_tensors

if TYPE_CHECKING:
    from smallwright.compress.quantizing.model import Quantized
    from smallwright.model import Transformer
    from smallwright.train.tasks import TrainingTask

OpenTask = Callable[["Transformer", bool], "TrainingTask"]
"""What a model learns with; the second argument says whether the teacher's kept answers count."""


def list_learning(spec: ModelSpec, parameters: str) -> list[str]:
    """Tensors that learn beside codes that stay: biases of linear layers, or also gains and shifts of norms."""
    names = [tensor.name for tensor in list_tensors(spec) if not tensor.matrix]
    norms = [name for name in names if "norm" in name.split(".")[-2]]
    biases = [name for name in names if name.endswith(".bias") and name not in norms]
    return biases + (norms if parameters == "biases_and_norms" else [])


def check_train(settings: QuantizeSettings, spec: ModelSpec) -> None:
    """Refuse to train what a model does not have.

    Args:
        spec: with the biases that coding adds.
    Raises:
        RecipeError: only biases are to learn, and there are none.
    """
    wish = settings.train
    if wish is not None and wish.parameters != "all" and not list_learning(spec, wish.parameters):
        raise RecipeError(
            f"compress.train.parameters: {wish.parameters} trains biases. Got a model without any. Use correct_bias: "
            "true, which adds them where the architecture has a place, or parameters: biases_and_norms."
        )


def train_codes(
    recipe: Recipe,
    shop: Workshop,
    settings: QuantizeSettings,
    dense: Transformer,
    coded: Quantized,
    open_task: OpenTask,
    folder: Path,
) -> tuple[Quantized, dict[str, Any]]:
    """Train a coded student in a folder that a run goes on from.

    Args:
        dense: before it was coded.
        coded: what the recipe's method made of it.
    Returns:
        The student as it will be stored, every matrix as its last forward pass multiplied it; and facts: validation
        scores before and after.
    """
    import torch

    from smallwright.compress.quantizing.aware import CodedTask, wear_codes
    from smallwright.model import Transformer
    from smallwright.train.loop import train
    from smallwright.train.precision import choose_precision
    from smallwright.train.tutor import TutoredTask

    wish = settings.train
    assert wish is not None  # the caller asks only then
    tensors = {name: torch.from_numpy(tensor.copy()) for name, tensor in coded.tensors.items()}
    if wish.parameters == "all" and settings.using == "round":  # rounding moves no weight: they begin where they were
        tensors |= {name: tensor for name, tensor in dense.state_dict().items() if name in coded.rows}
    model = Transformer.from_tensors(coded.spec, tensors)
    if wish.parameters == "all":
        span = SCALE_SPAN if settings.scales == "spans" else 0
        wear_codes(model, coded.formats, coded.rows, span, learned=wish.step == "learned")
    else:
        learning = set(list_learning(coded.spec, wish.parameters))
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in learning)
    hears_teacher = wish.source == "teacher"
    task, distill = open_task(model, hears_teacher), recipe.distill
    if not hears_teacher:
        task, distill = TutoredTask(task, dense), distill.model_copy(update={"objectives": ("soft_targets",)})
    lessons, options = CodedTask(task), distill.loop_options(seed=recipe.seed, threads=shop.cores)
    options = replace(
        options,
        epochs=1 + -(-wish.steps * options.accumulate // lessons.count_batches(0)),  # an epoch's last step is smaller
        max_steps=wish.steps,
        learning_rate=wish.learning_rate,
        weight_decay=0.0,  # which would pull weights below their scales
        dropout=0.0,
        patience=None,
    )
    before = lessons.validate(model, choose_precision(options.precision, torch.device("cpu")))
    objective = distill.make_student_objective(has_teacher=True)
    result = train(model, lessons, objective, folder, options, name="codes", quiet=shop.quiet)
    facts = {"best_step": result.best_step, "scores_before": before, **describe_lessons(result)}
    return _gather(model, coded), facts


def _gather(model: Transformer, coded: Quantized) -> Quantized:
    from smallwright.compress.quantize import quantize
    from smallwright.compress.quantizing.aware import take_off_codes

    rows = {**coded.rows, **take_off_codes(model)}
    tensors = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    rows |= {name: quantize(tensors[name], "f32") for name in rows if coded.formats[name] == "f32"}
    return replace(coded, rows=rows, whole={name: value for name, value in tensors.items() if name not in rows})


def describe_training(wish: TrainCodesSettings, facts: Mapping[str, Any]) -> str:
    """A part of the report's line on bytes."""
    what = {
        "all": f"weights trained through their codes with {wish.step} scales",
        "biases": "biases trained, codes as they were",
        "biases_and_norms": "biases and norms trained, codes as they were",
    }[wish.parameters]
    told = f"{what} for {facts['steps']} steps"
    score = next((name for name in ("accuracy", "perplexity", "loss") if name in facts["scores"]), None)
    if score is not None:
        told += f": {score} {facts['scores_before'][score]:.4g} before, {facts['scores'][score]:.4g} after (validation)"
    return told
