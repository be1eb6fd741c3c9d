"""``smallwright compress --explore``: one student, stored in many ways, each file measured on validation rows.

Enters: a recipe. Leaves: ``explore.html`` and ``explore.json`` beside the package, and a stage for every way.
Not here: which ways there are (ways.py), scoring and timing a file (judge_ways.py), the page (evaluate/report/).

Every way is the recipe with another ``compress`` list, so its package is the one that ``build`` would write, and stages
that stand already are found. Test rows are not read: what is chosen here can be judged on them afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smallwright.compress.quantize import count_bytes, plan_formats
from smallwright.errors import ModelSpecError, RecipeError
from smallwright.evaluate.report.explore_page import write_exploration
from smallwright.pipeline.classify import Classifier, make_classifier
from smallwright.pipeline.compress import check_compression
from smallwright.pipeline.generate import Generator, make_generator
from smallwright.pipeline.judge_ways import Made, judge_ways
from smallwright.pipeline.shared import STUDENT_FOLDER, quantize_settings
from smallwright.pipeline.stage import Outcome, exclusive
from smallwright.pipeline.ways import MIXED, MIXED_SHARES, REFERENCE, Way, choose_ways, mixed_way, read_steps
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
    """What an exploration left for its user."""

    page: Path
    document: Path
    exploration: Exploration


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
            if reason is not None:
                self.left_out[way.name] = reason
                self.shop.say(f"left out: {way.name}: {reason}")
                continue
            self.shop.say(f"way {len(self.made) + 1}: {way.name}")
            changed = way.apply(self.recipe)
            # The first one builds the student, which is worth telling; the others find it.
            shop = Workshop(self.shop.work, self.shop.threads, quiet=self.shop.quiet or bool(self.made))
            built = _make(changed, shop)
            self.made[way.name] = Made(way, built, changed.compress == _own_steps(self.recipe), _seconds(shop))
            self.spec = self.spec or _read_spec(built.student)

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
        return [mixed_way(size).inherit(self.recipe) for size in sizes]


def explore(
    recipe: Recipe,
    *,
    out: str | Path = "out",
    methods: Sequence[str] = (),
    minutes: float | None = None,
    quiet: bool = False,
) -> Explored:
    """Store the recipe's student in every way and measure the files. The student is built first where it is not there.

    Args:
        recipe: its ``compress`` list is one way more.
        out: as of ``build``: receives ``NAME/``, where an earlier build's stages are found.
        methods: only ways of these (``ways.list_methods``); none: all.
        minutes: no further way is begun after so many; None: no limit. What was left out stands on the page.
        quiet: no progress on standard error.
    Raises:
        RecipeError: a method is unknown.
        DataError: there are no validation rows.
        SmallwrightError: whatever building the student refuses.
    """
    ways = [way.inherit(recipe) for way in choose_ways(methods)]
    home = Path(out) / recipe.name
    with exclusive(home):
        until = float("inf") if minutes is None else time.monotonic() + 60 * minutes
        found = Attempts(recipe, Workshop(home / "stages", threads=recipe.threads, quiet=quiet), until)
        found.make([*ways[:1], *_own_way(recipe, ways), *ways[1:]])
        if not methods or MIXED in methods:
            found.make(found.mixed())
        exploration = judge_ways(recipe, found.shop, list(found.made.values()), found.left_out)
        page, document = write_exploration(exploration, home)
    return Explored(page, document, exploration)


def _own_way(recipe: Recipe, ways: Sequence[Way]) -> list[Way]:
    """The recipe's ``compress`` list, unless the table has it."""
    own = _own_steps(recipe)
    if any(read_steps(way.steps) == own for way in ways):
        return []
    return [Way(OWN, "own", tuple(step.model_dump(mode="json") for step in own))]


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
