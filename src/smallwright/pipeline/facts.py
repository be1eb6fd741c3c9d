"""What a report says beside the judgement: the file, the data, the training, the cost of the build.

Enters: finished stages. Leaves: parts of a ``Report``.
Not here: answers and their worth (judge_classifier.py, judge_generator.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from smallwright.evaluate.report import (
    BuildStage,
    CompressionStep,
    DataSummary,
    Leakage,
    PackageFacts,
    TrainingCurve,
    TrainingPoint,
)
from smallwright.pipeline.shared import PACKAGE_FILE
from smallwright.pipeline.sparsify import describe_sparsity
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load

METRICS = "training/metrics.jsonl"


def package_facts(recipe: Recipe, package: Outcome) -> PackageFacts:
    """What the engine itself says about the file."""
    with load(str(package.folder / PACKAGE_FILE), threads=1) as opened:
        said = opened.description
        temperature = float(opened.temperature)
    return PackageFacts(
        file=f"{recipe.name}.gguf",
        sha256=package.facts["sha256"],
        size_bytes=package.facts["size_bytes"],
        architecture=said["architecture"],
        parameters=said["parameters"],
        layers=said["layers"],
        width=said["width"],
        vocabulary=said["vocabulary"],
        context=said["context"],
        format=recipe.quantize.format,
        temperature=temperature if recipe.task.kind == "classify" else None,
    )


def data_summary(data: Outcome) -> DataSummary:
    """What became of the user's rows."""
    found = json.loads((data.folder / "report.json").read_text(encoding="utf-8"))
    leaks = tuple(
        Leakage(*pair.split("/"), rows=leak["rows"], dropped=leak["dropped"])
        for pair, leak in sorted(found["leaks"].items())
    )
    labels = len(found["labels"].get("train", {}))
    return DataSummary(found["rows"], labels, found["rejects"], leaks, tuple(found["warnings"]))


def training_curves(models: Mapping[str, Outcome | None], measure: str) -> tuple[TrainingCurve, ...]:
    """How each model learned; models that were not trained here have no curve."""
    curves = []
    for name, outcome in models.items():
        path = outcome.folder / METRICS if outcome is not None else None
        if path is None or not path.is_file():
            continue
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        points = tuple(TrainingPoint(line["step"], line["training_loss"], line.get(measure)) for line in lines)
        curves.append(TrainingCurve(name, measure, points))
    return tuple(curves)


def build_stages(shop: Workshop) -> tuple[BuildStage, ...]:
    """What each stage cost, in the order in which they ran."""
    return tuple(
        BuildStage(
            name=name,
            wall_seconds=float(outcome.cost["wall_seconds"]),
            cpu_seconds=float(outcome.cost["cpu_seconds"]),
            peak_rss_bytes=int(outcome.cost["peak_rss_bytes"]),
            reused=not outcome.ran,
        )
        for name, outcome in shop.outcomes.items()
    )


def compression_steps(
    recipe: Recipe, package: Outcome, teacher: Outcome | None, student: Outcome, sparse: Outcome | None
) -> Sequence[CompressionStep]:
    """Bytes from the teacher (float32) over the student (float32), dense and sparse (what is kept), to the file."""
    student_bytes, file_bytes = 4 * student.facts["parameters"], package.facts["size_bytes"]
    steps = []
    if teacher is not None and "parameters" in teacher.facts:  # one behind an endpoint has a size that nobody tells
        source = "chosen layers and tokens" if recipe.student.source == "teacher" else f"preset {recipe.student.preset}"
        source += f", in {recipe.student.cuts} cuts" if recipe.student.cuts > 1 else ""
        steps.append(CompressionStep("student", 4 * teacher.facts["parameters"], student_bytes, source))
    if sparse is not None and recipe.sparsify is not None:
        kept_bytes = student_bytes - 4 * sparse.facts["dropped"]
        steps.append(
            CompressionStep("sparsify", student_bytes, kept_bytes, describe_sparsity(recipe.sparsify, sparse.facts))
        )
        student_bytes = kept_bytes
    steps.append(
        CompressionStep("quantize", student_bytes, file_bytes, f"{package.facts['weights']}; tokenizer included")
    )
    return steps
