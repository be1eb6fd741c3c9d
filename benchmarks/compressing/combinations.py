"""Which student, stored in which way, keeps most of a fine-tuned MiniLM in how many bytes?

Enters: two recipes of small students, a fine-tuned MiniLM. Leaves: of every student in every way the bytes of the file,
its accuracy on the validation rows, by which files are chosen, and on the 4,500 test rows, which choose nothing.
Not here: the picture (picture.py), and what bits alone cost (classify.py, aware.py).

MiniLM itself is a student that does not learn: all layers, the token table trimmed to the training texts.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from claims import ROOT, Claims
from compressing.classify import right_answers
from compressing.picture import draw_combinations
from smallwright.compress.quantize import count_bytes, plan_formats
from smallwright.evaluate.baselines import majority_label
from smallwright.evaluate.comparison import retention
from smallwright.evaluate.linear import LINEAR_NAME
from smallwright.evaluate.pareto import pareto_front
from smallwright.model import read_spec
from smallwright.pipeline import explore
from smallwright.pipeline.rows import read_labels, read_split
from smallwright.pipeline.shared import data_stage, tokenizer_stage
from smallwright.pipeline.stage import CARD, Outcome, hash_file
from smallwright.pipeline.teach import LINEAR_ANSWERS, answers_stage, linear_stage, teacher_stage
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load

STUDENTS, WHOLE = ("clinc150_2mb", "clinc150_500kb"), "minilm"
METHODS = ("round", "gptq", "mixed", "sparsegpt")
TRAINING = ("q3_span trained", "q2_span trained", "q4_sparse healed 50%", "q4_sparse healed 70%")  # dear: only some
SHARE, KEPT = 1 / 40, 0.97
# Time is not what this is about: little of it is spent on measuring it.
CHANGES = ("evaluate.latency_rounds=1", "evaluate.max_latency_texts=50")
QUICK = ("teacher.finetune.max_steps=3", "distill.max_steps=3", "distill.transfer_rows=50")
QUICK_WAYS = ("q8_0 round", "q4_0 gptq", "q2_span trained", "q4_sparse healed 50%")
COMMON = ("data", "linear", "teacher", "transfer", "answers")  # stages
QUICK_ROWS = {"train": 4, "val": 1, "test": 1}  # of each label


@dataclass(frozen=True)
class _Judge:
    """Who is asked the test rows: every file. ``shop`` keeps the answers."""

    data: Outcome
    shop: Workshop

    def mark(self, labels: Sequence[str]) -> np.ndarray:
        """(N,) bool, whether each test row's label is the one given for it."""
        rows = read_split(self.data, "test")
        return np.array([row.label == label for row, label in zip(rows, labels, strict=True)])

    def ask(self, path: Path) -> np.ndarray:
        """(N,) bool, whether a file answers each test row rightly; found where it was asked before."""

        def run(folder: Path) -> Mapping[str, Any]:
            rows = read_split(self.data, "test")
            with load(path, threads=1) as package:
                right = right_answers(rows, package.classify_logits([row.text for row in rows]), package.labels)
            np.save(folder / "right.npy", right)
            return {}

        inputs: dict[str, str | Outcome] = {"package": hash_file(path), "data": self.data}
        right: np.ndarray = np.load(self.shop.run("test-answers", run, inputs=inputs).folder / "right.npy")
        return right


def check_combinations(
    claims: Claims, folder: Path, *, teacher: Path | None, threads: int | None, quick: bool, picture: Path | None
) -> None:
    """Store three students in every way, choose by validation rows, and judge all files by test rows.

    Args:
        folder: receives a folder a student, as of ``build``: a student that stands there already is found.
        teacher: a fine-tuned MiniLM with its tokenizer; None: the one that the first small student learnt from.
        threads: of training; None: all.
        quick: few rows, steps and ways: a smoke test.
        picture: receives an SVG; None: none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shared = [*CHANGES, *([f"threads={threads}"] if threads else []), *(_make_few(folder) if quick else ())]
    learning = [*shared, *(QUICK if quick else ())]
    recipes = [Recipe.load(ROOT / "recipes" / f"{name}.yaml", learning) for name in STUDENTS]
    first = Workshop(folder / STUDENTS[0] / "stages", threads=threads)
    data = data_stage(recipes[0], first)
    judge = _Judge(data, Workshop(folder / "test-answers", quiet=True))
    if teacher is None:
        words = tokenizer_stage(recipes[0], first, data)
        teacher = teacher_stage(recipes[0], first, data, words).folder / "teacher"
    recipes.append(_store_whole(teacher, shared))
    ways, steps = (QUICK_WAYS, 3) if quick else ((*METHODS, *TRAINING), None)
    files: list[dict[str, Any]] = []
    right: list[np.ndarray] = []
    for recipe in recipes:
        _share(first.work, folder / recipe.name / "stages")
        # MiniLM itself is trained through codes by compressing/aware.py, and healed by classify.py.
        own = METHODS if recipe.name == WHOLE and not quick else ways
        explored = explore(recipe, out=folder, methods=own, steps=steps)
        for point in explored.exploration.points:
            right.append(judge.ask(explored.packages[point.name]))
            told = {"student": recipe.name, "way": point.name, "method": point.method, "steps": list(point.steps)}
            told |= {"bytes": point.size_bytes, "sha256": point.sha256, "validation_accuracy": point.score}
            files.append(told | {"test_accuracy": float(right[-1].mean()), "cpu_seconds": point.seconds})
            print(f"{recipe.name:16} {point.name:32} {point.size_bytes:>10,} bytes  {point.score:.4f}", flush=True)
        for name, reason in explored.exploration.left_out.items():
            claims.leave_out(f"{recipe.name}, {name}", reason)
    front = pareto_front([(file["bytes"], -file["validation_accuracy"]) for file in files])
    for file, on in zip(files, front, strict=True):
        file["on_front"] = on
    whole, spec = _ask_whole(recipes[-1], folder, judge), read_spec(teacher)
    found: dict[str, Any] = {
        "test_rows": len(whole),
        "float32": {"accuracy": float(whole.mean()), "bytes": count_bytes(spec, plan_formats(spec, "f32"))},
        "linear": _ask_linear(first, judge),
        "files": files,
    }
    claims.numbers["combinations"] = found
    _check(claims, found, right, whole, judge)
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(draw_combinations(found), encoding="utf-8")


def _share(source: Path, target: Path) -> None:
    """Give a student the stages that it has in common with the first one: their names say what went in."""
    for card in source.glob(f"*/{CARD}"):
        if card.parent.name.rpartition("-")[0] in COMMON and not (target / card.parent.name).exists():
            shutil.copytree(card.parent, target / card.parent.name)


def _store_whole(teacher: Path, changes: Sequence[str]) -> Recipe:
    """The recipe that only stores a fine-tuned MiniLM."""
    parts = {
        "name": WHOLE,
        "teacher": {"from": "hf", "path": str(teacher.resolve())},
        "student": {"from": "teacher", "layers": len(read_spec(teacher).layers), "context": 64},
        "distill": {"epochs": 0, "batch_size": 64, "dropout": 0.0},
        "budget": {},
    }
    told = [f"{key}={json.dumps(value)}" for key, value in parts.items()]
    return Recipe.load(ROOT / "recipes" / f"{STUDENTS[0]}.yaml", [*told, *changes])


def _ask_whole(recipe: Recipe, folder: Path, judge: _Judge) -> np.ndarray:
    """(N,) bool: MiniLM untrimmed, in float32, by PyTorch; its answers were kept when it was asked as a teacher."""
    shop = Workshop(folder / recipe.name / "stages", threads=recipe.threads, quiet=True)
    data = data_stage(recipe, shop)
    model = teacher_stage(recipe, shop, data, tokenizer_stage(recipe, shop, data))
    answers = answers_stage(recipe, shop, data, model, transfer=None, linear=None)
    return right_answers(read_split(judge.data, "test"), np.load(answers.folder / "test.npy"), read_labels(data))


def _ask_linear(shop: Workshop, judge: _Judge) -> dict[str, Any]:
    linear = linear_stage(shop, judge.data)
    said = json.loads((linear.folder / LINEAR_ANSWERS).read_text(encoding="utf-8"))
    accuracy = float(judge.mark(said).mean())
    return {"name": LINEAR_NAME, "accuracy": accuracy, "bytes": linear.facts["size_bytes"]}


def _check(
    claims: Claims, found: dict[str, Any], right: Sequence[np.ndarray], whole: np.ndarray, judge: _Judge
) -> None:
    """Of the files that are small enough, judge the one with the best validation accuracy (of equals the smallest)."""
    files, limit = found["files"], int(SHARE * found["float32"]["bytes"])
    small = [index for index, file in enumerate(files) if file["bytes"] <= limit]
    found |= {"limit_bytes": limit, "chosen": None}
    kept = None
    if small:
        best = min(small, key=lambda index: (-files[index]["validation_accuracy"], files[index]["bytes"]))
        majority = majority_label([str(row.label) for row in read_split(judge.data, "train")])
        told = asdict(retention(right[best], whole, judge.mark([majority] * len(whole))))
        kept, found["chosen"] = told["kept"], {**files[best], "index": best, "retention": told}
        print(f"chosen among {len(small)} files of at most {limit:,} bytes: {found['chosen']['way']}", flush=True)
    claim = f"share of float32 MiniLM's test accuracy kept by the best (validation) file of at most {limit:,} bytes"
    claims.check(claim, None if kept is None else round(kept, 4), ">=", KEPT)


def _make_few(folder: Path) -> list[str]:
    """Files of the first rows of each label; returns what a recipe has to be told to read them."""
    changes = []
    for key, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        source, kept = Path(os.environ["SMALLWRIGHT_DATA"]) / "clinc150" / f"{name}.jsonl", []
        counts: dict[str, int] = defaultdict(int)
        for line in source.read_text(encoding="utf-8").splitlines(keepends=True):
            label = json.loads(line)["label"]
            counts[label] += 1
            if counts[label] <= QUICK_ROWS[name]:
                kept.append(line)
        (folder / f"{name}.jsonl").write_text("".join(kept), encoding="utf-8")
        changes.append(f"data.{key}={json.dumps(str(folder / f'{name}.jsonl'))}")
    return changes
