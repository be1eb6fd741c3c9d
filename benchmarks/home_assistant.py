"""Does a decoder of two megabytes, trained on Home Assistant's templates, answer its own test sentences in JSON?

Draws the rows, builds recipes/home_assistant.yaml and reads what the report measured on the shipped file.
Needs SMALLWRIGHT_DATA and hassil. ``--out FOLDER`` keeps the build, and goes on with one that is there.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import smallwright
from claims import ROOT, Claims

RECIPE = ROOT / "recipes" / "home_assistant.yaml"


def main() -> None:
    """Build and check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of the build")
    out = parser.parse_args().out
    claims = Claims("home_assistant", "Does a small decoder answer Home Assistant's own test sentences in JSON?")
    data = os.environ.get("SMALLWRIGHT_DATA")
    if not data:
        sys.exit("home_assistant: SMALLWRIGHT_DATA must name the folder of the public data. Got nothing. Export it.")
    with contextlib.ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        rows = ROOT / "recipes" / "home_assistant_rows.py"
        subprocess.run([sys.executable, rows, f"{data}/ha_intents_en", folder / "home_assistant"], check=True)
        shutil.copy(RECIPE, folder)
        result = smallwright.build(str(folder / RECIPE.name), out=str(folder / "out"))
        seconds = time.monotonic() - began
    report, lines = result.report, {line.kind: line for line in result.report.neighbours}
    answers = report.answers
    assert answers is not None and answers.free is not None
    claims.check("test sentences", answers.enforced.exact.rows, "==", 1089)
    claims.check("answers that the schema allows", answers.enforced.valid, "==", 1.0)
    claims.check("exactly right", round(answers.enforced.exact.accuracy, 4), ">=", 0.8)
    claims.check(
        "exactly right, over a linear SVM a field", lines["package"].accuracy, ">", lines["fieldwise"].accuracy
    )
    claims.check("file bytes", lines["package"].size_bytes, "<", 3_000_000)
    claims.record(report)
    claims.numbers["fields"] = {score.field: [score.f1, score.support] for score in answers.enforced.fields}
    claims.numbers["field_f1"] = answers.enforced.field_f1
    claims.numbers["exactly_right_schema_not_enforced"] = answers.free.exact.accuracy
    claims.numbers["seconds"] = seconds
    claims.finish()


if __name__ == "__main__":
    main()
