"""A student's stages: one, or one for each cut from its teacher where it is made progressively.

Enters: a recipe, and what teaches a model. Leaves: the student's outcome.
Not here: what each cut keeps (compress/progressive.py), what a model learns from (classify.py, generate.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallwright.compress.progressive import Cut, plan_cuts
from smallwright.errors import RecipeError
from smallwright.pipeline.shared import STUDENT_FOLDER, TEACHER_FOLDER
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.train.options import LOOP_VERSION, LoopOptions
from smallwright.train.settings import MatchSettings

if TYPE_CHECKING:
    from smallwright.model import Transformer
    from smallwright.train.tasks import TrainingTask


@dataclass(frozen=True)
class Part:
    """One model on the way to the student, which is the last.

    Attributes:
        name: its stage's.
        recipe: the whole recipe as it is for this model alone: what it keeps of the one before it, and which of its
            layers are compared with which of the teacher's.
        number, count: which cut, from 0, of how many.
        before: the stage of the model that it is cut from; None: the teacher.
    """

    name: str
    recipe: Recipe
    number: int
    count: int
    before: Outcome | None

    @property
    def is_cut_from_teacher(self) -> bool:
        """Whether the teacher's weights are where it starts."""
        return self.recipe.student.source == "teacher" and self.before is None

    def open_before(self, teacher: Transformer | None) -> Transformer | None:
        """What it is cut from; None: it starts from scratch."""
        from smallwright.model import load_model

        if self.before is not None:
            return load_model(self.before.folder / STUDENT_FOLDER)
        return teacher if self.is_cut_from_teacher else None

    def share(self, options: LoopOptions, task: TrainingTask) -> LoopOptions:
        """An equal share of the steps that the options are for, with a schedule of its own.

        Raises:
            RecipeError: there are fewer steps than cuts.
        """
        from smallwright.train.loop import count_steps

        if self.count == 1:
            return options
        steps = count_steps(task, options)
        if steps < self.count:
            raise RecipeError(
                f"student.progressive needs a training step for each cut. Got {steps} steps for {self.count} cuts. "
                "Use fewer cuts, or more steps."
            )
        first, end = (steps * number // self.count for number in (self.number, self.number + 1))
        return replace(options, max_steps=end - first)


def run_cuts(
    recipe: Recipe,
    shop: Workshop,
    teacher: Outcome | None,
    learn: Callable[[Path, Part], Mapping[str, Any]],
    inputs: Mapping[str, str | Outcome],
) -> Outcome:
    """Run a stage for each cut, each reading the one before it; the last one is ``student``.

    Args:
        teacher: the stage of the network that a student ``from: teacher`` is cut from.
        learn: makes a model, teaches it, saves it in the stage's folder, and returns facts for the card.
        inputs: of every one of the stages.
    """
    settings = {
        "student": recipe.student.described,
        "distill": recipe.distill.described,
        "seed": recipe.seed,
        "threads": shop.cores,
    }
    count, before = recipe.student.cuts, None
    if count == 1:
        whole = Part("student", recipe, 0, 1, None)
        return shop.run(
            "student", lambda folder: learn(folder, whole), settings=settings, inputs=inputs, version=LOOP_VERSION
        )
    for number in range(count):
        name = "student" if number == count - 1 else f"cut-{number + 1}"

        def run(folder: Path, name: str = name, number: int = number, before: Outcome | None = before) -> Any:
            from smallwright.model import read_spec

            assert teacher is not None  # the recipe refuses a student from a teacher without one
            cuts = plan_cuts(recipe.student, read_spec(teacher.folder / TEACHER_FOLDER))
            part = Part(name, _recipe_of(recipe, cuts, number), number, count, before)
            return {**learn(folder, part), "teacher_layers": list(cuts[number].layers)}

        read = dict(inputs) if before is None else {**inputs, "before": before}
        before = shop.run(name, run, settings={**settings, "cut": number}, inputs=read, version=LOOP_VERSION)
    assert before is not None  # there is a last cut
    return before


def _recipe_of(recipe: Recipe, cuts: tuple[Cut, ...], number: int) -> Recipe:
    match, student = recipe.distill.match, cuts[number].settings
    if match is not None:
        match = match_of(match, cuts[-1].layers, cuts[number].layers)
    distill = recipe.distill.model_copy(update={"match": match})
    return recipe.model_copy(update={"student": student, "distill": distill})


def match_of(match: MatchSettings, final: tuple[int, ...], now: tuple[int, ...]) -> MatchSettings:
    """The student's layer map, for a model on the way: its layers that will be the student's."""

    def find(layer: int) -> int:
        if not 0 <= layer < len(final):
            raise RecipeError(
                f"a layer map must name the student's layers 0 to {len(final) - 1}. Got {layer} in distill.match. "
                "Correct it, or leave it out."
            )
        return now.index(final[layer])

    layers, pair = match.layers, match.relation_layers
    return match.model_copy(
        update={
            "layers": layers and tuple((find(mine), theirs) for mine, theirs in layers),
            "relation_layers": pair and (find(pair[0]), pair[1]),
        }
    )
