"""How sure a package that answers prompts may be: fitted on its own answers to validation rows.

Enters: a package, the data. Leaves: slope and offset of its confidence.
Not here: the fit itself (evaluate/calibration.py).
"""

from __future__ import annotations

from pathlib import Path

from smallwright.evaluate.answers import are_right
from smallwright.evaluate.calibration import calibrate_answers
from smallwright.evaluate.cost import answer_prompts
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.stage import Outcome
from smallwright.recipe import Recipe

MOST_CALIBRATION_ROWS, LEAST_CALIBRATION_ROWS = 2000, 50


def calibrate_package(recipe: Recipe, package: Path, data: Outcome) -> dict[str, float] | None:
    """Slope and offset from the package's own answers to the validation rows; None where they are too few."""
    rows = read_split(data, "validation")[:MOST_CALIBRATION_ROWS]
    if not rows:
        return None
    answers = answer_prompts(
        package,
        [str(row.prompt) for row in rows],
        max_tokens=recipe.evaluate.answer_tokens,
        threads=recipe.threads or 0,
        timeout_seconds=recipe.evaluate.timeout_seconds,
    )
    right = are_right([str(row.completion) for row in rows], answers.texts, answers.whole)
    scored = zip(answers.scores, right, answers.whole, strict=True)
    whole = [(score, hit) for score, hit, ended in scored if ended and score is not None]  # others have no probability
    if len(whole) < LEAST_CALIBRATION_ROWS:
        return None
    slope, offset = calibrate_answers([score for score, _ in whole], [hit for _, hit in whole])
    return {"slope": slope, "offset": offset}
