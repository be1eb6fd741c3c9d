"""Does a student gain where it is cut from its teacher in several steps, each model taught before the next is cut?

The student of recipes/clinc150_500kb.yaml (a MiniLM's 6 layers of 384 channels to 2 of 96) in one, two and three cuts,
at equal steps, all hearing the same kept answers on the same texts; and in one cut with twice the steps, for models on
the way are larger and cost more. Seeds draw the order of batches: teacher and answers are made once. Validation rows
judge; runs of less than an epoch are validated at their end alone, so that nothing is chosen. No test row is read.

Not here: what is common to all parts (distillation.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from claims import ROOT, Claims
from distilling.outcomes import Outcomes, interval
from smallwright.model import load_model
from smallwright.pipeline.classify import student_stage
from smallwright.pipeline.rows import label_numbers, read_labels, read_split
from smallwright.pipeline.shared import STUDENT_FOLDER, data_stage, open_tokenizer, tokenizer_stage
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.teach import answers_stage, teacher_stage, transfer_stage
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.tokenizer.encode import encode_texts
from smallwright.train.predict import predict_logits

RECIPE = ROOT / "recipes" / "clinc150_500kb.yaml"
SEEDS = (0, 1)
STEPS = 240
WAYS = {"one cut": (1, STEPS), "two cuts": (2, STEPS), "three cuts": (3, STEPS), "one cut, twice": (1, 2 * STEPS)}


def check_progressive(
    claims: Claims,
    folder: Path,
    *,
    only: Sequence[str] = (),
    seeds: Sequence[int] = SEEDS,
    overrides: Sequence[str] = (),
) -> None:
    """Train a student each way (those named, or all) and seed, below ``folder``; finished stages are used again."""
    recipe = Recipe.load(RECIPE, overrides)
    shop = Workshop(folder / recipe.name / "stages", threads=recipe.threads, quiet=True)
    data = data_stage(recipe, shop)
    tokenizer = tokenizer_stage(recipe, shop, data)
    teacher, transfer = teacher_stage(recipe, shop, data, tokenizer), transfer_stage(recipe, shop, data)
    answers = answers_stage(recipe, shop, data, teacher, transfer=transfer, linear=None)
    outcomes: dict[str, Outcomes] = {}
    steps: dict[str, list[int]] = {}
    seconds: dict[str, list[float]] = {}
    for way in only or WAYS:
        found = []
        for seed in seeds:
            one = _change(recipe, *WAYS[way], seed)
            student = student_stage(one, shop, data, tokenizer, teacher, answers, transfer)
            found.append(_judge(student, data, tokenizer))
            stages = [student, *(shop.outcomes[f"cut-{number}"] for number in range(1, one.student.cuts))]
            steps.setdefault(way, []).append(sum(stage.facts["steps"] for stage in stages))
            seconds.setdefault(way, []).append(sum(stage.cost["cpu_seconds"] for stage in stages))
        outcomes[way] = np.stack(found)
    numbers: dict[str, Any] = {"seeds": list(seeds), "steps": steps, "cpu_seconds": seconds}
    numbers["teacher"] = teacher.facts["scores"]["accuracy"]
    for way, right in outcomes.items():
        numbers[way] = [round(float(row.mean()), 4) for row in right]
        if way != "one cut" and "one cut" in outcomes:
            numbers[f"{way} - one cut"] = interval(right, outcomes["one cut"])
    claims.numbers["progressive"] = numbers
    claims.check("validation rows", next(iter(outcomes.values())).shape[1], "==", 2995)
    for way, made in steps.items():
        claims.check(f"steps of every run, all cuts together: {way}", sorted(set(made)), "==", [WAYS[way][1]])


def _change(recipe: Recipe, cuts: int, steps: int, seed: int) -> Recipe:
    student = recipe.student.model_copy(update={"progressive": cuts})
    distill = recipe.distill.model_copy(update={"max_steps": steps})
    return recipe.model_copy(update={"student": student, "distill": distill, "seed": seed})


def _judge(student: Outcome, data: Outcome, tokenizer: Outcome) -> Any:
    """Whether it is right on each validation row, in float32."""
    model, rows = load_model(student.folder / STUDENT_FOLDER), read_split(data, "validation")
    tokens = encode_texts(
        open_tokenizer(tokenizer).tokenizer, [row.text for row in rows], max_tokens=model.spec.context
    )
    return predict_logits(model, tokens).argmax(axis=1) == label_numbers(rows, read_labels(data))
