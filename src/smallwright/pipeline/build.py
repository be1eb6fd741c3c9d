"""The one command: a recipe in, a measured package out.

Enters: a recipe. Leaves: ``out/NAME/`` with the package, its report and the stages' folders.
Not here: the stages (classify.py, generate.py) and the judging (judge_*.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smallwright.pipeline.beforehand import check_recipe
from smallwright.pipeline.classify import make_classifier
from smallwright.pipeline.generate import make_generator
from smallwright.pipeline.judge_answers import judge_answers
from smallwright.pipeline.judge_classifier import judge_classifier
from smallwright.pipeline.judge_generator import judge_generator
from smallwright.pipeline.shared import PACKAGE_FILE, publish
from smallwright.pipeline.stage import exclusive
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe

if TYPE_CHECKING:
    from smallwright.evaluate.report.document import Report


@dataclass(frozen=True)
class BuildResult:
    """What a build left for its user, all in one folder."""

    package: Path
    report_json: Path
    report_html: Path
    report: Report
    answers: tuple[str, ...] = ()

    @property
    def ship(self) -> bool:
        """Whether the package keeps the budget."""
        return self.report.verdict.ship


def build(
    recipe: Recipe | str | Path, *, out: str | Path = "out", overrides: Sequence[str] = (), quiet: bool = False
) -> BuildResult:
    """Run a recipe. Finished stages are found, not run again; an interrupted one goes on.

    Args:
        recipe: a ``Recipe``, or the path of one.
        out: receives ``NAME/`` (package and report) and in it ``stages/``.
        overrides: ``key.sub=value`` strings, for a path.
        quiet: no progress on standard error.

    Raises:
        SmallwrightError: any user error. What earlier stages wrote stays.
    """
    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe, overrides)
    check_recipe(recipe)
    home = Path(out) / recipe.name
    with exclusive(home):
        shop = Workshop(home / "stages", threads=recipe.threads, quiet=quiet)
        if recipe.task.kind == "classify":
            classifier = make_classifier(recipe, shop)
            outcome, judged = classifier.package, judge_classifier(recipe, shop, classifier)
        else:
            generator = make_generator(recipe, shop)
            judge = judge_answers if recipe.answers_prompts else judge_generator
            outcome, judged = generator.package, judge(recipe, shop, generator)
        package = publish(outcome.folder / PACKAGE_FILE, home / f"{recipe.name}.gguf")
        return BuildResult(
            package=package,
            report_json=publish(judged.folder / "report.json", home / "report.json"),
            report_html=publish(judged.folder / "report.html", home / "report.html"),
            report=judged.report,
        )
