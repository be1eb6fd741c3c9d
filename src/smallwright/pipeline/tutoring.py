"""The student's lessons with its teacher beside it, where the recipe asks for that.

Enters: a recipe, its task, both models. Leaves: the task that the training loop is given.
Not here: what a teacher beside the student does (train/tutor.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smallwright.pipeline.stage import Outcome
from smallwright.recipe import Recipe
from smallwright.train.settings import MixingSchedule

if TYPE_CHECKING:
    from smallwright.model import Transformer
    from smallwright.train.loop import TrainResult
    from smallwright.train.matching import Matching
    from smallwright.train.tasks import TrainingTask


@contextmanager
def tutored(
    recipe: Recipe,
    task: TrainingTask,
    student: Transformer,
    teacher: Transformer | None,
    kept: NDArray[np.int64] | None = None,
) -> Iterator[TrainingTask]:
    """``task``, or what becomes of it with a teacher at hand; while open, the student wears what it learns with.

    Args:
        teacher: None leaves the task as it is.
        kept: the teacher's tokens that the student reads, in order; None: all of them.
    """
    from smallwright.compress.vocabulary import trim_embedding
    from smallwright.train.tutor import TutoredTask

    if teacher is None:
        yield task
        return
    wish, own = recipe.distill, recipe.distill.own_texts
    lessons = TutoredTask(
        task,
        teacher if kept is None else trim_embedding(teacher, kept, copy=False),
        matching=_match(recipe, student, teacher),
        answers=not wish.keeps_answers,
        own_texts=(own.start, own.end) if isinstance(own, MixingSchedule) else own,
    )
    with lessons.worn_by(student):
        yield lessons


def describe_lessons(result: TrainResult) -> dict[str, Any]:
    """Facts of a stage that trained: what its balanced losses came to only where they were balanced."""
    facts = {"scores": result.scores, "precision": result.precision, "steps": result.steps}
    return facts | ({"balance": result.balance} if result.balance else {})


def describe_balance(student: Outcome) -> list[str]:
    """Notes for the report on balanced losses; none where they counted as their weights say."""
    balance = student.facts.get("balance")
    if not balance:
        return []
    told = ", ".join(f"{name} {one['factor']:.3g} (mean {one['mean']:.3g})" for name, one in balance.items())
    return [
        f"The student's losses were balanced (distill.balance). In the end their weights were multiplied by: {told}."
    ]


def _match(recipe: Recipe, student: Transformer, teacher: Transformer) -> Matching | None:
    from smallwright.train.matching import Matching, spread_layers

    wish = recipe.distill.match
    if wish is None:
        return None
    mine, theirs = len(student.spec.layers), len(teacher.spec.layers)
    return Matching(
        student.spec,
        teacher.spec,
        hidden_states=wish.hidden_states,
        attention_relations=wish.attention_relations,
        layers=wish.layers or spread_layers(mine, theirs),
        relation_layers=wish.relation_layers or (mine - 1, theirs - 1),
        seed=recipe.seed,
    )
