"""``smallwright compress --explore``: one student, stored in many ways, each file measured on validation rows.

Enters: a recipe. Leaves: ``explore.html`` and ``explore.json`` beside the package, and a stage for every way.
Not here: which ways there are (ways.py), scoring and timing a file (judge_ways.py), the page (evaluate/report/).

Every way is the recipe with another ``compress`` list, so its package is the one that ``build`` would write, and stages
that stand already are found. Test rows are not read: what is chosen here can be judged on them afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallwright.compress.quantize import count_bytes, plan_formats
from smallwright.errors import ModelSpecError, RecipeError
from smallwright.evaluate.report.explore_page import write_exploration
from smallwright.pipeline.beforehand import check_models
from smallwright.pipeline.classify import Classifier, make_classifier
from smallwright.pipeline.compress import check_compression
from smallwright.pipeline.generate import Generator, make_generator
from smallwright.pipeline.judge_ways import Made, judge_ways
from smallwright.pipeline.shared import STUDENT_FOLDER, quantize_settings
from smallwright.pipeline.stage import Outcome, exclusive
from smallwright.pipeline.ways import (
    MIXED,
    MIXED_SHARES,
    REFERENCE,
    Way,
    check_chosen,
    choose_ways,
    default_steps,
    list_ways,
    mixed_way,
    read_steps,
    training_ways,
)
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe

if TYPE_CHECKING:
    from smallwright.evaluate.exploration import Exploration
    from smallwright.spec import ModelSpec

OWN = "the recipe's own"
_OF_A_WAY = ("sparsify", "compress", "package")
TIME_UP = "the time was up; run the same command again, and it goes on from here"


@dataclass(frozen=True)
class Explored:
    """What an exploration left for its user. ``packages``: the file of every way that was made, by its name."""

    page: Path
    document: Path
    exploration: Exploration
    packages: Mapping[str, Path]


@dataclass
class Attempts:
    """The ways as they are made. ``made``: by name; ``left_out``: why, by name."""

    recipe: Recipe
    shop: Workshop
    until: float
    made: dict[str, Made] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    spec: ModelSpec | None = None

    def make(self, ways: Sequence[Way]) -> None:
        """Build the package of each, or say why not."""
        for way in ways:
            reason = self.refusal(way)
            if reason is None:
                reason = self._try(way)
            if reason is not None:
                self.left_out[way.name] = reason
                self.shop.say(f"left out: {way.name}: {reason}")

    def _try(self, way: Way) -> str | None:
        """Make a way; why it failed, None where it did not."""
        self.shop.say(f"way {len(self.made) + 1}: {way.name}")
        changed = way.apply(self.recipe)
        # The first one builds the student, which is worth telling; the others find it.
        shop = Workshop(self.shop.work, self.shop.threads, quiet=self.shop.quiet or bool(self.made))
        try:
            built = _make(changed, shop)
        except RecipeError as error:
            if not self.made:  # the student itself
                raise
            return str(error)  # its training diverged: the other ways stand
        self.made[way.name] = Made(way, built, changed.compress == _own_steps(self.recipe), _seconds(shop))
        self.spec = self.spec or _read_spec(built.student)
        return None

    def refusal(self, way: Way) -> str | None:
        """Why a way cannot be, None if it can; the first one, in float32, always can."""
        if self.spec is None:
            return None
        if time.monotonic() > self.until:
            return TIME_UP
        try:
            check_compression(way.apply(self.recipe), self.spec)
        except (ModelSpecError, RecipeError) as error:
            return str(error)
        return None

    def mixed(self) -> list[Way]:
        """Mixed formats in sizes between those of the coarsest and of the finest format that they choose from."""
        from smallwright.compress.quantizing.mixed import FORMATS_TRIED

        if self.spec is None:
            return []
        first = next(iter(self.made.values()))
        whole, least, most = (
            count_bytes(self.spec, plan_formats(self.spec, name))
            for name in (REFERENCE, FORMATS_TRIED[0], FORMATS_TRIED[-1])
        )
        beside = int(first.built.package.facts["size_bytes"]) - whole  # vocabulary and keys
        sizes = [round(beside + least + share * (most - least)) for share in MIXED_SHARES]
        return [mixed_way(size) for size in sizes]

    def training(self, steps: int | None) -> list[Way]:
        """Ways that train for so many steps; None: what suits the student."""
        first = next(iter(self.made.values()))
        learnt = int(first.built.student.facts["steps"])
        return training_ways(default_steps(learnt) if steps is None else steps)


def explore(
    recipe: Recipe,
    *,
    out: str | Path = "out",
    methods: Sequence[str] = (),
    minutes: float | None = None,
    steps: int | None = None,
    quiet: bool = False,
) -> Explored:
    """Store the recipe's student in every way and measure the files. The student is built first where it is not there.

    Args:
        recipe: its ``compress`` list is one way more.
        out: as of ``build``: receives ``NAME/``, where an earlier build's stages are found.
        methods: only ways of these (``ways.list_methods``), or of these names; none: all.
        minutes: no further way is begun after so many; None: no limit. What was left out stands on the page.
        steps: of each way that trains; None: ``ways.default_steps``.
        quiet: no progress on standard error.
    Raises:
        RecipeError: a method is unknown.
        DataError: there are no validation rows.
        SmallwrightError: whatever building the student refuses.
    """
    check_chosen(methods)
    check_models(recipe)
    home, own = Path(out) / recipe.name, _own_steps(recipe)

    def chosen(ways: Sequence[Way]) -> list[Way]:
        return [way.inherit(recipe) for way in choose_ways(ways, methods)]

    with exclusive(home):
        until = float("inf") if minutes is None else time.monotonic() + 60 * minutes
        found = Attempts(recipe, Workshop(home / "stages", threads=recipe.threads, quiet=quiet), until)
        ways = chosen(list_ways())
        found.make([*ways[:1], *_own_way(own, ways), *ways[1:]])
        mixed = found.mixed() if not methods or MIXED in methods else []
        later = chosen([*mixed, *found.training(steps)])
        found.make([way for way in later if read_steps(way.steps) != own])
        exploration = judge_ways(recipe, found.shop, list(found.made.values()), found.left_out)
        page, document = write_exploration(exploration, home)
    return Explored(page, document, exploration, {name: one.path for name, one in found.made.items()})


def _own_way(own: tuple[Any, ...], ways: Sequence[Way]) -> list[Way]:
    """The recipe's ``compress`` list, unless the table has it."""
    if any(read_steps(way.steps) == own for way in ways):
        return []
    return [Way(OWN, "own", tuple(step.model_dump(mode="json", by_alias=True) for step in own))]


def _own_steps(recipe: Recipe) -> tuple[Any, ...]:
    return recipe.compress or (quantize_settings(recipe),)


def _make(recipe: Recipe, shop: Workshop) -> Classifier | Generator:
    made = make_classifier if recipe.task.kind == "classify" else make_generator
    return made(recipe, shop, neighbours=False)


def _read_spec(student: Outcome) -> ModelSpec:
    from smallwright.model import load_model

    return load_model(student.folder / STUDENT_FOLDER).spec


def _seconds(shop: Workshop) -> float:
    """Processor seconds of what this way alone needed, now or when it was made."""
    return sum(shop.outcomes[name].cost["cpu_seconds"] for name in _OF_A_WAY if name in shop.outcomes)
