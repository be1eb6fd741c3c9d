"""Verbs that make packages: ``build``, ``compress`` and ``demo``. They need the build extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smallwright.cli.arguments import number, whole
from smallwright.errors import BudgetError, RecipeError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from smallwright.cli.arguments import CommandLine, Parser
    from smallwright.pipeline import BuildResult


def register(command_line: CommandLine) -> None:
    """Add the verbs."""
    parser = command_line.add_verb(build)
    add = parser.add_argument
    add("recipe", metavar="RECIPE", help="A recipe (.yaml).")
    add("--out", metavar="FOLDER", default="out", help="Folder that receives NAME/ [default: %(default)s].")
    _add_overrides(parser, "the recipe")
    add("--plan", action="store_true", help="Show the resolved recipe and what it will cost, then stop.")
    parser = command_line.add_verb(compress)
    add = parser.add_argument
    add("recipe", metavar="RECIPE", help="A recipe (.yaml), built before or not.")
    add("--explore", action="store_true", help="Store the student in many ways and draw what each is worth.")
    add("--out", metavar="FOLDER", default="out", help="Folder that holds NAME/, as of build [default: %(default)s].")
    _add_overrides(parser, "the recipe")
    told = "Only ways of these, with commas between, for example round,gptq,trained [default: all]."
    add("--methods", metavar="NAMES", default="", help=told)
    told = "Begin no further way after so many; the same command goes on later [default: no limit]."
    add("--minutes", metavar="N", type=number(0), help=told)
    told = "Optimizer steps of each way that trains [default: a tenth of the student's own, 200 to 1000]."
    add("--steps", metavar="N", type=whole(1), help=told)
    parser = command_line.add_verb(demo)
    add = parser.add_argument
    add("--out", metavar="FOLDER", default="out", help="Folder that receives the demo's files [default: %(default)s].")
    _add_overrides(parser, "the classifier's recipe (of the assistant's: assistant.KEY=VALUE)")
    told = "Build only this part; may be repeated."
    add("--part", dest="parts", choices=("classifier", "assistant"), action="append", help=told)


def _add_overrides(parser: Parser, recipe: str) -> None:
    told = f"Change one value of {recipe}; may be repeated."
    parser.add_argument("--set", dest="overrides", metavar="KEY=VALUE", action="append", default=[], help=told)


def build(asked: Namespace) -> None:
    """Run a recipe from data to a measured file. Safe to interrupt: the same command continues.

    Leaves with 10 when the file was built and measured but breaks the budget.
    """
    from smallwright.recipe import Recipe

    document = Recipe.load(asked.recipe, asked.overrides)
    # Only now, because it loads torch for seconds: a misspelt recipe is told at once.
    from smallwright import pipeline

    if asked.plan:
        print(pipeline.render_plan(document, pipeline.make_plan(document)))
        return
    _show(result := pipeline.build(document, out=asked.out))
    _judge([result])


def compress(asked: Namespace) -> None:
    """Store a recipe's student in many ways (--explore), measure each file on validation rows, and draw the Pareto
    front of accuracy or perplexity against bytes and against time.
    """
    from smallwright.recipe import Recipe

    if not asked.explore:
        raise RecipeError(
            "compress needs --explore, which compares ways of storing a student. Got none. To store it in one way, "
            f"build it so: smallwright build {asked.recipe} --set compress.0.format=q4_0."
        )
    document = Recipe.load(asked.recipe, asked.overrides)
    from smallwright import pipeline
    from smallwright.evaluate.report.explore_page import list_front

    methods = [name.strip() for name in asked.methods.split(",") if name.strip()]
    found = pipeline.explore(document, out=asked.out, methods=methods, minutes=asked.minutes, steps=asked.steps)
    for line in list_front(found.exploration):
        print(line)
    print(f"page     {found.page}\nnumbers  {found.document}")


def demo(asked: Namespace) -> None:
    """Build the smart-home demo from nothing (no download): a classifier of commands, then an assistant that answers in
    JSON; each answers three commands.
    """
    from smallwright import pipeline

    parts = {} if asked.parts is None else {"parts": asked.parts}
    results = []
    for result in pipeline.build_demo(out=asked.out, overrides=asked.overrides, **parts):
        _show(result)
        results.append(result)
    _judge(results)


def _show(result: BuildResult) -> None:
    from smallwright.evaluate.report.terminal import print_report

    print_report(result.report)
    print(f"package  {result.package}\nreport   {result.report_html}")
    for line in result.answers:
        print(line, flush=True)


def _judge(results: Sequence[BuildResult]) -> None:
    for result in results:
        if not result.ship:
            raise BudgetError(f"the verdict is: do not ship. See the budget in {result.report_html}.")
