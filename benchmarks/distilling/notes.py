"""What does a student of free text gain from its teacher: token by token, from the teacher's own text, from both?

recipes/mts_dialog_notes.yaml: a dialogue of doctor and patient to a section of the note. A decoder from scratch that is
four times larger learns the same rows first. The same student then learns for the same number of steps in each way;
every file is judged on the 200 rows of test set 1, beside the recipe's simple baselines. Test rows chose nothing.

Enters: a folder for the builds, seeds. Leaves: claims, and numbers by way and seed.
Not here: which parts of the benchmark run (distillation.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import smallwright
from claims import ROOT, Claims
from smallwright.evaluate.cost import answer_prompts
from smallwright.evaluate.free_text import compare_means, rouge_l_scores
from smallwright.evaluate.report import Report
from smallwright.pipeline.generate import make_generator
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.shared import PACKAGE_FILE
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe

RECIPE = ROOT / "recipes" / "mts_dialog_notes.yaml"
STEPS = 260  # four times over the rows that fit the context
TEACHER_STEPS = 390  # six times
LEARN = {"batch_size": 16, "optimizer": "muon", "beta2": 0.95, "validate_every": 65}
TEACHER: dict[str, Any] = {
    "from": "scratch",
    "preset": "micro",
    "finetune": {**LEARN, "epochs": 1_000, "learning_rate": 2e-3},
}
# Not tuned: half of each loss of soft targets is the text's own, at temperature 1, as in language.py.
SOFT = {"objectives": ["soft_targets"], "temperature": 1.0, "weight": 0.5}
HARD = {"objectives": ["cross_entropy"]}
ALONE = "no teacher"
WAYS: dict[str, dict[str, Any]] = {
    ALONE: {**HARD, "targets": "data"},
    "token level": {**SOFT, "targets": "data"},
    "sequence level": {**HARD, "targets": "teacher"},
    "sequence level, and the rows' own": {**HARD, "targets": "both"},
    "both levels, and the rows' own": {**SOFT, "targets": "both"},
}


@dataclass(frozen=True)
class Found:
    """One build. ``by_row``: (rows,) ROUGE-L of the file's answers; ``numbers``: for the table; ``stages``: processor
    seconds by stage."""

    report: Report
    by_row: NDArray[np.float64]
    numbers: Mapping[str, Any]
    stages: Mapping[str, float]


def check_notes(
    claims: Claims,
    folder: Path,
    *,
    only: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    teacher_steps: int | None = None,
    student_steps: int | None = None,
    overrides: Sequence[str] = (),
) -> None:
    """Train the student each way (those named, or all) and seed, below ``folder``; finished stages are used again.

    Args:
        teacher_steps, student_steps: optimizer steps; None: those of the table.
    """
    steps = (teacher_steps or TEACHER_STEPS, student_steps or STEPS)
    found: dict[str, list[Found]] = {}
    for seed in seeds:
        for way in only or WAYS:
            found.setdefault(way, []).append(_build(way, folder / "notes", steps, [f"seed={seed}", *overrides]))
            print(f"seed {seed} {way:34} {found[way][-1].numbers}", flush=True)
    every = [one for results in found.values() for one in results]
    claims.numbers["notes"] = {
        "seeds": list(seeds),
        "steps": dict(zip(("teacher", "student"), steps, strict=True)),
        "students": {way: [dict(one.numbers) for one in results] for way, results in found.items()},
        "teachers": [_read_teacher(one.report) for one in found.get("token level", ())],
        "simple": _read_simple(every[0].report),
        "rouge_l - no teacher": {
            way: _compare(results, found[ALONE]) for way, results in found.items() if way != ALONE and ALONE in found
        },
        "stages": {way: [dict(one.stages) for one in results] for way, results in found.items()},
    }
    _hold(claims, steps[1], found)


def _build(way: str, folder: Path, steps: tuple[int, int], overrides: Sequence[str]) -> Found:
    """One recipe from rows to the judged file, and what its stages say. The stages are asked for once more, when they
    are all there, for what the report does not hold."""
    document = Recipe.load(RECIPE, overrides).model_dump(mode="json", by_alias=True)
    finetune = {**TEACHER["finetune"], "max_steps": steps[0]}
    document["teacher"] = None if way == ALONE else {**TEACHER, "finetune": finetune}
    document["distill"] |= {**LEARN, "epochs": 1_000, "max_steps": steps[1], **WAYS[way]}
    recipe = Recipe.from_mapping(document, root=RECIPE.parent)
    report = smallwright.build(recipe, out=folder).report
    shop = Workshop(folder / recipe.name / "stages", threads=recipe.threads, quiet=True)
    made = make_generator(recipe, shop)
    rows, most = read_split(made.data, "test"), recipe.evaluate.answer_tokens
    said = answer_prompts(
        made.package.folder / PACKAGE_FILE, [str(row.prompt) for row in rows], max_tokens=most, threads=1
    )
    scores = rouge_l_scores([str(row.completion) for row in rows], said.texts)
    numbers = {**_read_file(report), **made.student.facts["scores"], "steps": made.student.facts["steps"]}
    numbers["written"] = None if made.written is None else dict(made.written.facts)
    numbers["cpu_seconds"] = made.student.cost["cpu_seconds"]
    return Found(report, scores, numbers, {stage.name: stage.cpu_seconds for stage in report.build})


def _read_file(report: Report) -> dict[str, Any]:
    """The shipped file on the test rows."""
    assert report.answers is not None and report.answers.free_text is not None  # rows are prompts with free text
    text, score = report.answers.free_text, report.answers.enforced
    assert text.language is not None
    return {
        "test_rows": text.rouge_l.rows,
        "rouge_l": asdict(text.rouge_l),
        "exactly_right": asdict(score.exact),
        "whole": score.whole,
        "test_perplexity": text.language.perplexity,
        "test_bits_per_byte": text.language.bits_per_byte,
        "rows_foretold": text.language_rows,
        "words": text.given_words,
        "against": {one.against: asdict(one) for one in text.comparisons},
        "parameters": report.package.parameters,
        "size_bytes": report.package.size_bytes,
    }


def _read_teacher(report: Report) -> dict[str, Any]:
    """The teacher's own file on the test rows, and its best validation perplexity."""
    assert report.answers is not None and report.answers.free_text is not None
    language = report.answers.free_text.teacher_language
    line = next(line for line in report.neighbours if line.kind == "teacher_quantized")
    curve = next(curve for curve in report.training if curve.name == "teacher")
    assert language is not None
    validated = [point.validation for point in curve.points if point.validation is not None]
    seconds = {stage.name: stage.cpu_seconds for stage in report.build}["teacher"]
    return asdict(line) | {
        "test_perplexity": language.perplexity,
        "perplexity": min(validated),
        "validated": validated,
        "cpu_seconds": seconds,
    }


def _read_simple(report: Report) -> list[dict[str, Any]]:
    """The simple baselines' lines."""
    return [asdict(line) for line in report.neighbours if line.kind not in ("package", "teacher_quantized")]


def _compare(ours: Sequence[Found], theirs: Sequence[Found]) -> dict[str, Any]:
    """Mean difference of ROUGE-L, the seeds' scores averaged row by row, with its paired bootstrap interval."""
    both = [np.stack([one.by_row for one in results]).mean(axis=0) for results in (ours, theirs)]
    return asdict(compare_means(*both, name=ALONE))


def _hold(claims: Claims, steps: int, found: Mapping[str, Sequence[Found]]) -> None:
    """What must be so for the table to mean anything; what a teacher is worth is for the table to say."""
    every = [one for results in found.values() for one in results]
    teachers = [_read_teacher(one.report) for way, results in found.items() if way != ALONE for one in results]
    claims.check("test rows, fewest", min(one.numbers["test_rows"] for one in every), "==", 200)
    claims.check("steps of students, fewest", min(one.numbers["steps"] for one in every), "==", steps)
    claims.check("steps of students, most", max(one.numbers["steps"] for one in every), "==", steps)
    claims.check("different sizes of students", len({one.numbers["parameters"] for one in every}), "==", 1)
    learned = [one.numbers["written"]["rows"] for one in every if one.numbers["written"]]
    if learned:
        claims.check("rows that a teacher wrote and a student learned, fewest", min(learned), ">=", 100)
    if teachers and ALONE in found:
        worst = max(teacher["test_perplexity"] for teacher in teachers)
        alone = min(one.numbers["test_perplexity"] for one in found[ALONE])
        claims.check("the teacher's perplexity, below that of the student alone", round(worst, 2), "<", round(alone, 2))
    frequent = next(line for line in _read_simple(every[0].report) if line["name"] == "the most frequent completion")
    least = min(one.numbers["rouge_l"]["low"] for one in every)
    claims.check("lower end of ROUGE-L, every way, above always the same", least, ">", frequent["rouge_l"])
    stages = {entry for one in every for entry in one.stages.items()}
    claims.check("processor minutes of all stages", round(sum(cost for _, cost in stages) / 60, 1), "<=", 30)
