"""Verbs that make a package: ``build`` and ``demo``. They need the build extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from smallwright.errors import BudgetError

if TYPE_CHECKING:
    from smallwright.pipeline import BuildResult


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    app.command()(build)
    app.command()(demo)


def build(
    recipe: Annotated[str, typer.Argument(help="A recipe (.yaml).")],
    out: Annotated[str, typer.Option(help="Folder that receives NAME/.")] = "out",
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the recipe.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show the resolved recipe and what it will cost, then stop.")
    ] = False,
) -> None:
    """Run a recipe from data to a measured file. Safe to interrupt: the same command continues.

    Leaves with 10 when the file was built and measured but breaks the budget.
    """
    from smallwright import pipeline
    from smallwright.recipe import Recipe

    document = Recipe.load(recipe, overrides or ())
    if plan:
        print(pipeline.render_plan(document, pipeline.make_plan(document)))
        return
    _finish(pipeline.build(document, out=out))


def demo(
    out: Annotated[str, typer.Option(help="Folder that receives the demo's files.")] = "out",
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the demo's recipe.")
    ] = None,
) -> None:
    """Build the smart-home assistant from nothing (no download), then answer three commands with it."""
    from smallwright import pipeline

    _finish(pipeline.build_demo(out=out, overrides=overrides or ()))


def _finish(result: BuildResult) -> None:
    from smallwright.evaluate.report.terminal import print_report

    print_report(result.report)
    print(f"package  {result.package}\nreport   {result.report_html}")
    for line in result.answers:
        print(line)
    if not result.ship:
        raise BudgetError(f"the verdict is: do not ship. See the budget in {result.report_html}.")
