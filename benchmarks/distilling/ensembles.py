"""Do two different teachers together teach more than the better one alone?

Sets of real customers' sentences, where labels are few: a fine-tuned MiniLM and TF-IDF + linear SVM, apart, with one
vote each, and weighed class by class by competence; and the students of the network alone and of both. The better one
alone is chosen on the test rows themselves, which flatters it. Intervals: paired bootstrap of rows, the seeds'
outcomes averaged row by row.

Not here: what is common to all parts (distillation.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from claims import ROOT, Claims
from distilling.outcomes import Outcomes, ask_file, ask_linear, interval
from smallwright.pipeline.classify import make_classifier
from smallwright.pipeline.rows import label_numbers, read_labels, read_split
from smallwright.pipeline.shared import data_stage, tokenizer_stage
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.teach import answers_stage, linear_stage, teacher_stage
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe

SETS = ("hint3_curekart", "hint3_powerplay11", "hint3_sofmattress")
SEEDS = (0, 1, 2)
WAYS: dict[str, dict[str, Any] | None] = {
    "network": None,
    "uniform": {"linear": 0.5, "weights": "uniform"},
    "competence": {"linear": 0.5, "weights": "competence"},
}


def check_ensembles(
    claims: Claims,
    folder: Path,
    *,
    only: Sequence[str] = (),
    seeds: Sequence[int] = SEEDS,
    students: bool = True,
    overrides: Sequence[str] = (),
) -> None:
    """Measure the sets (those named, or all) below ``folder``; finished stages there are used again.

    ``students``: also train a student of each; else the teachers alone are compared.
    """
    claims.numbers["ensemble"] = {"seeds": list(seeds)}
    for name in only or SETS:
        outcomes = [_measure(name, seed, folder, students, overrides) for seed in seeds]
        right = {system: np.stack([one[system] for one in outcomes]) for system in outcomes[0]}  # (seeds, rows)
        numbers: dict[str, Any] = {
            system: [round(float(row.mean()), 4) for row in rows] for system, rows in right.items()
        }
        best = max(("teacher: network", "teacher: linear"), key=lambda system: right[system].mean())
        numbers["better teacher alone"] = best
        for way in ("uniform", "competence"):
            numbers[f"teacher: {way} - better alone"] = found = interval(right[f"teacher: {way}"], right[best])
            claims.check(f"{name}: points of both teachers, {way}, over the better one alone", found[0], ">", 0)
            if students:
                against = right["student: network"]
                numbers[f"student: {way} - network"] = interval(right[f"student: {way}"], against)
        claims.numbers["ensemble"][name] = numbers


def _measure(name: str, seed: int, folder: Path, students: bool, overrides: Sequence[str]) -> dict[str, Outcomes]:
    """Whether each system is right on each test row, for one seed."""
    found: dict[str, Outcomes] = {}
    for way, ensemble in WAYS.items():
        recipe = Recipe.load(ROOT / "recipes" / f"{name}.yaml", [f"seed={seed}", *overrides])
        document = recipe.model_dump(mode="json", by_alias=True)
        document["teacher"]["ensemble"] = ensemble
        recipe = Recipe.from_mapping(document, root=recipe.root)
        shop = Workshop(folder / name / "stages", threads=recipe.threads)
        if students:
            made = make_classifier(recipe, shop)
            data, linear, answers = made.data, made.linear, made.answers
        else:
            data, linear, answers = _ask_teachers(recipe, shop)
        assert linear is not None and answers is not None
        expected = label_numbers(read_split(data, "test"), read_labels(data))
        found[f"teacher: {way}"] = np.load(answers.folder / "test.npy").argmax(axis=1) == expected
        found["teacher: linear"] = ask_linear(data, linear) == expected
        if students:
            found[f"student: {way}"] = ask_file(made) == expected
    return found


def _ask_teachers(recipe: Recipe, shop: Workshop) -> tuple[Outcome, Outcome, Outcome]:
    """The stages of data, linear classifier and answers; no transfer texts, for nobody learns."""
    data = data_stage(recipe, shop)
    linear = linear_stage(shop, data)
    teacher = teacher_stage(recipe, shop, data, tokenizer_stage(recipe, shop, data))
    together = recipe.teacher is not None and recipe.teacher.ensemble is not None
    answers = answers_stage(recipe, shop, data, teacher, transfer=None, linear=linear if together else None)
    return data, linear, answers
