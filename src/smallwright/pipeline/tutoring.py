"""The student's lessons with its teacher beside it, where the recipe asks for that.

Enters: a recipe, its task, both models. Leaves: the task that the training loop is given.
Not here: what a teacher beside the student does (train/tutor.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smallwright.recipe import Recipe

if TYPE_CHECKING:
    from smallwright.model import Transformer
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
    wish = recipe.distill
    lessons = TutoredTask(
        task,
        teacher if kept is None else trim_embedding(teacher, kept, copy=False),
        matching=_match(recipe, student, teacher),
        answers=not wish.keeps_answers,
        own_texts=wish.own_texts,
    )
    with lessons.worn_by(student):
        yield lessons


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
