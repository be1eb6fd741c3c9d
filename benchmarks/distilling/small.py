"""How small may a file be and still keep a fine-tuned MiniLM's accuracy on 150 intents?

Two recipes, of at most 2 MB and 500 kB. What is kept is measured against MiniLM alone, also where it taught together
with a linear classifier. The strongest simple neighbours stand beside them: TF-IDF + linear SVM (in the report), and
the mean of MiniLM's token embeddings with logistic regression.

Not here: what is common to all parts (distillation.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import smallwright
from claims import ROOT, Claims
from distilling.static_embeddings import fit_static, measure_static
from smallwright.data import read_rows
from smallwright.evaluate.report import Report
from smallwright.recipe import Recipe

LIMITS = {"clinc150_2mb": (2_000_000, 0.985), "clinc150_500kb": (500_000, 0.95)}


def check_small(claims: Claims, folder: Path, *, only: Sequence[str] = (), overrides: Sequence[str] = ()) -> None:
    """Build each recipe (those named, or both) below ``folder``; finished stages there are used again."""
    claims.numbers["small"] = {}
    for name, (most_bytes, kept) in LIMITS.items():
        if only and name not in only:
            continue
        path = ROOT / "recipes" / f"{name}.yaml"
        report = smallwright.build(str(path), out=folder, overrides=overrides).report
        one = Claims(name, "")
        one.record(report)
        lines = {line.kind: line for line in report.neighbours}
        student, network = lines["package"].accuracy, _network_accuracy(report)
        claims.numbers["small"][name] = {**one.numbers, "minilm": network}
        claims.check(f"{name}: test rows", report.quality and report.quality.accuracy.rows, "==", 4500)
        claims.check(f"{name}: fine-tuned MiniLM", round(network, 4), ">=", 0.95)
        claims.check(f"{name}: file bytes", lines["package"].size_bytes, "<=", most_bytes)
        claims.check(f"{name}: share of MiniLM's accuracy kept", round(student / network, 4), ">=", kept)
        claims.check(f"{name}: verdict", report.verdict.headline, "==", "ship")
        if "static" not in claims.numbers["small"]:
            claims.numbers["small"]["static"] = _measure_static(Recipe.load(path, overrides), folder / name)


def _network_accuracy(report: Report) -> float:
    """Of the fine-tuned network alone: in an ensemble it is the first voice."""
    if report.ensemble is not None:
        return report.ensemble.voices[0].accuracy.accuracy
    return next(line.accuracy for line in report.neighbours if line.kind == "teacher" and line.accuracy is not None)


def _measure_static(recipe: Recipe, home: Path) -> dict[str, float]:
    """On the very rows that the build used."""
    (data,) = (card.parent for card in (home / "stages").glob("data-*/report.json"))
    train, validation, test = (read_rows(data / f"{split}.jsonl") for split in ("train", "validation", "test"))
    assert recipe.teacher is not None and recipe.teacher.path is not None
    fitted = fit_static(
        Path(recipe.teacher.path),
        [row.text for row in train],
        [str(row.label) for row in train],
        [row.text for row in validation],
        [str(row.label) for row in validation],
    )
    return measure_static(fitted, [row.text for row in test], [str(row.label) for row in test])
