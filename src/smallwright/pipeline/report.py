"""The report stage: what every judge does alike.

Enters: finished stages and a function that judges them. Leaves: report.json and report.html in a stage's folder.
Not here: the judgement (judge_*.py), the facts beside it (facts.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from smallwright.evaluate.budget import Measurements, Verdict, judge
from smallwright.evaluate.comparison import Comparison
from smallwright.evaluate.cost import Cost
from smallwright.evaluate.environment import describe_machine
from smallwright.evaluate.metrics import Accuracy
from smallwright.evaluate.report import Neighbour, PackageFacts, Report, read_report, write_report
from smallwright.pipeline.classify import Classifier
from smallwright.pipeline.facts import build_stages, compression_steps, data_summary, training_curves
from smallwright.pipeline.generate import Generator
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe

QUANTIZED = "teacher, quantised in our engine"
ASKED = "teacher (endpoint)"
PACKAGED = "teacher (package)"


@dataclass(frozen=True)
class Judged:
    """The finished report stage: its folder holds report.json and report.html."""

    folder: Path
    report: Report


def run_report(
    recipe: Recipe, shop: Workshop, inputs: Mapping[str, Outcome | None], judge: Callable[[], Report]
) -> Judged:
    """Run the report stage, unless it stands already.

    Args:
        inputs: the stages that the judgement reads, by name; those that are None did not run.
        judge: makes the report.
    Returns:
        The report that stands in the stage's folder, just made or from before.
    """

    def run(folder: Path) -> Mapping[str, Any]:
        report = judge()
        write_report(report, folder)
        return {"verdict": report.verdict.headline}

    settings = {"evaluate": recipe.evaluate.model_dump(mode="json"), "budget": recipe.budget.model_dump(mode="json")}
    read = {name: outcome for name, outcome in inputs.items() if outcome is not None}
    outcome = shop.run("report", run, settings=settings, inputs=read)
    return Judged(outcome.folder, read_report(outcome.folder / "report.json"))


def judge_package(
    recipe: Recipe, package: PackageFacts, cost: Cost, *, accuracy: float | None = None, kept: float | None = None
) -> Verdict:
    """Hold the package against the recipe's budget.

    Args:
        package, cost: the file, and what it costs on one thread.
        accuracy: share of the test rows that it answers rightly; None where nothing is right or wrong.
        kept: that share over the teacher's; None without a teacher.
    """
    return judge(
        recipe.budget,
        Measurements(
            size_bytes=package.size_bytes,
            memory_bytes=cost.added_rss_bytes,
            latency_p50_ms=cost.latency.p50_ms if cost.latency else None,
            latency_p95_ms=cost.latency.p95_ms if cost.latency else None,
            kept_accuracy=kept,
            accuracy=accuracy,
        ),
    )


def make_neighbour(
    name: str,
    kind: str,
    score: Accuracy,
    cost: Cost | None,
    size_bytes: int | None,
    *,
    macro_f1: float | None = None,
    field_f1: float | None = None,
    note: str = "",
) -> Neighbour:
    """One line of the table, of a system that answers rightly or not; ``cost`` None: it was not timed."""
    latency = None if cost is None else cost.latency
    return Neighbour(
        name=name,
        kind=kind,
        accuracy=score.accuracy,
        accuracy_low=score.low,
        accuracy_high=score.high,
        macro_f1=macro_f1,
        size_bytes=size_bytes,
        latency_p50_ms=None if latency is None else latency.p50_ms,
        latency_p95_ms=None if latency is None else latency.p95_ms,
        added_rss_bytes=None if cost is None else cost.added_rss_bytes,
        note=note,
        field_f1=field_f1,
    )


def warn_of_simple(comparisons: Sequence[Comparison], name: str) -> list[str]:
    """A note, where the simple neighbour of that name is better beyond chance."""
    simple = next((found for found in comparisons if found.against == name), None)
    if simple is None or simple.high >= 0:
        return []
    return [
        f"The simple baseline is better: {name} answers {-simple.difference:.1%} more test rows rightly, beyond the "
        "95% interval. Unless size or latency decide, ship that, or train longer."
    ]


def describe_build(recipe: Recipe, shop: Workshop, made: Classifier | Generator, *, measure: str) -> dict[str, Any]:
    """The fields of a ``Report`` that say what was built, of what, how and where.

    Args:
        measure: which number of the training metrics is drawn: ``accuracy`` or ``exact`` (shares), or ``perplexity``.
    Returns:
        Fields by name, to be given to ``Report`` together with the judgement's own.
    """
    return {
        "name": recipe.name,
        "task": recipe.task.kind,
        "data": data_summary(made.data),
        "machine": describe_machine(),
        "training": training_curves(
            {"teacher": made.teacher, "student": made.student, "healing": made.sparse}, measure
        ),
        "compression": tuple(compression_steps(recipe, made.package, made.teacher, made.student, made.sparse)),
        "build": build_stages(shop),
        "provenance": {"recipe": recipe.name, "seed": str(recipe.seed), "training threads": str(shop.cores)},
        "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
