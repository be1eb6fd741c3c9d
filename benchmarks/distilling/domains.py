"""Do the recipes of four domains give what they say: finance, health (two sets), customer support of three companies?

Each recipe is built, and its report read. Where the teacher beats the majority class and the linear baseline beyond the
paired 95 % interval, the share of it that the file keeps is a claim; elsewhere the report must say that it makes none.

Not here: what is common to all parts (distillation.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import smallwright
from claims import ROOT, Claims
from smallwright.evaluate.linear import LINEAR_NAME
from smallwright.evaluate.report import Report

RECIPES = ROOT / "recipes"
MOST_LINES = 25


@dataclass(frozen=True)
class Domain:
    """One recipe and what is claimed of it.

    ``rows``: of the test, in scope. ``linear``: least accuracy of TF-IDF + linear SVM, which is to be no straw man.
    ``kept``: least share of the teacher's accuracy; None where it is whatever it is: such a teacher is too near to the
    simple systems for one seed to say whether it beats them beyond chance.
    """

    recipe: str
    rows: int
    linear: float
    kept: float | None


DOMAINS = (
    Domain("twitter_fin_news", 2388, 0.83, 0.97),
    Domain("mts_dialog_sections", 200, 0.66, None),
    Domain("pubmedqa", 500, 0.54, None),
    Domain("hint3_curekart", 459, 0.8, None),
    Domain("hint3_powerplay11", 309, 0.58, None),
    Domain("hint3_sofmattress", 253, 0.7, None),
)


def check_domains(claims: Claims, folder: Path, *, only: Sequence[str] = (), overrides: Sequence[str] = ()) -> None:
    """Build each recipe (those named, or all) below ``folder``; finished stages there are used again."""
    claims.numbers["domains"] = {}
    for domain in DOMAINS:
        if only and domain.recipe not in only:
            continue
        path = _place(domain.recipe, folder)
        report = smallwright.build(str(path), out=folder, overrides=overrides).report
        one = Claims(domain.recipe, "")
        one.record(report)
        claims.numbers["domains"][domain.recipe] = one.numbers
        _check(claims, domain, report)


def _place(name: str, folder: Path) -> Path:
    """The recipe's file, and beside it the rows where a script makes them."""
    script = RECIPES / f"{name}_rows.py"
    if not script.is_file():
        return RECIPES / f"{name}.yaml"
    data = os.environ.get("SMALLWRIGHT_DATA")
    if not data:
        sys.exit("distillation: SMALLWRIGHT_DATA must name the folder of the public data. Got nothing. Export it.")
    subprocess.run([sys.executable, script, f"{data}/pubmedqa_l", folder / name], check=True)
    return Path(shutil.copy(RECIPES / f"{name}.yaml", folder))


def _check(claims: Claims, domain: Domain, report: Report) -> None:
    name, lines = domain.recipe, {line.kind: line for line in report.neighbours}
    quality = report.quality
    assert quality is not None and quality.retention is not None
    text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    claims.check(f"{name}: lines of the recipe", len(text.splitlines()), "<=", MOST_LINES)
    claims.check(f"{name}: test rows", quality.accuracy.rows, "==", domain.rows)
    claims.check(f"{name}: {LINEAR_NAME}, not a straw man", lines["linear"].accuracy, ">=", domain.linear)
    claims.check(f"{name}: verdict", report.verdict.headline, "==", "ship")
    for found in quality.teacher_over:
        points = [round(100 * value, 1) for value in (found.difference, found.low, found.high)]
        claims.numbers["domains"][name][f"teacher over {found.against}"] = points
    refused = any("is not claimed" in note for note in report.notes)
    right = refused == bool(quality.unbeaten)
    claims.check(
        f"{name}: the report claims what is kept, or says that it does not, as the teacher is", right, "==", True
    )
    if domain.kept is None:
        return
    claims.check(f"{name}: simple systems that the teacher does not beat beyond chance", quality.unbeaten, "==", ())
    claims.check(f"{name}: share of the teacher's accuracy kept", quality.retention.kept, ">=", domain.kept)
