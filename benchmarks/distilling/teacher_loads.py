"""What does a teacher lose in bfloat16 and in int8, and what does it spare (``teacher.load``)?

The MiniLM of recipes/clinc150_few_labels.yaml, used as it came from its fine-tuning: the same 4,500 test rows answered
with its matrices held each way. And a causal one of 134 million random weights, read from disk and asked: memory above
that after the imports, means of two processes each, in turn.

Not here: what is common to all parts (distillation.py), the processes (memory.py).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax

from claims import ROOT, Claims
from smallwright.model import load_model
from smallwright.model.weight_only import HELD_AS, count_held_bytes
from smallwright.pipeline.rows import label_numbers, read_labels, read_split, read_texts
from smallwright.pipeline.shared import TEACHER_FOLDER, data_stage, tokenizer_stage
from smallwright.pipeline.teach import teacher_stage
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.tokenizer.encode import encode_texts
from smallwright.tokenizer.load import load_tokenizer
from smallwright.train.predict import predict_logits

RECIPE = ROOT / "recipes" / "clinc150_few_labels.yaml"
ROUNDS = 2


def check_loads(claims: Claims, folder: Path, *, overrides: Sequence[str] = ()) -> None:
    """Answers and memory by what a teacher is held as; finished stages below ``folder`` are used again."""
    memory, answers = _measure_memory(), _compare_answers(folder, overrides)
    claims.numbers["load"] = {"answers": answers, "memory": memory}
    claims.check("test rows", answers["rows"], "==", 4500)
    for load, share in (("bfloat16", 0.55), ("int8", 0.3)):
        found, whole = answers[load], answers["float32"]
        claims.check(
            f"weights of the encoder, {load} / float32", round(found["bytes"] / whole["bytes"], 3), "<=", share
        )
        points = round(100 * (found["accuracy"] - whole["accuracy"]), 2)
        claims.check(f"points of accuracy, {load} - float32", points, ">=", -0.5)
        ratio = round(memory[load]["answered"] / memory["float32"]["answered"], 3)
        claims.check(f"peak memory of the causal one above the imports, {load} / float32", ratio, "<=", share + 0.2)


def _compare_answers(folder: Path, overrides: Sequence[str]) -> dict[str, Any]:
    recipe = Recipe.load(RECIPE, overrides)
    shop = Workshop(folder / "load" / "stages", threads=recipe.threads, quiet=True)
    data = data_stage(recipe, shop)
    teacher = teacher_stage(recipe, shop, data, tokenizer_stage(recipe, shop, data)).folder / TEACHER_FOLDER
    expected = label_numbers(read_split(data, "test"), read_labels(data))
    found: dict[str, Any] = {"rows": len(expected)}
    exact: Any = None
    for load in HELD_AS:
        model = load_model(teacher, held_as=load)
        tokens = encode_texts(load_tokenizer(teacher), read_texts(data, "test"), max_tokens=model.spec.context)
        logs = log_softmax(predict_logits(model, tokens).astype(np.float64), axis=1)
        exact = logs if exact is None else exact
        found[load] = {
            "bytes": count_held_bytes(model.spec, load),
            "accuracy": float((logs.argmax(axis=1) == expected).mean()),
            "same class as float32": float((logs.argmax(axis=1) == exact.argmax(axis=1)).mean()),
            "divergence from float32, nats": float((np.exp(exact) * (exact - logs)).sum(axis=1).mean()),
        }
        print(f"{load:9} {found[load]}", flush=True)
    return found


def _measure_memory() -> dict[str, Any]:
    runs: dict[str, list[dict[str, Any]]] = {load: [] for load in HELD_AS}
    with tempfile.TemporaryDirectory() as folder:
        ask_process("write", Path(folder))
        for turn in range(ROUNDS):
            for load, results in runs.items():
                own = Path(folder) / f"{load}-{turn}"
                own.mkdir()
                (own / "teacher").symlink_to(Path(folder) / "teacher")
                results.append(ask_process(load, own))
                print(f"{load:9} {results[-1]}", flush=True)
    return {
        load: {name: statistics.mean(one[name] for one in results) for name in results[0]}
        for load, results in runs.items()
    }


def ask_process(how: str, folder: Path) -> dict[str, Any]:
    """What memory.py prints last, in a process of its own."""
    command = [sys.executable, str(Path(__file__).parent / "memory.py"), how, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
