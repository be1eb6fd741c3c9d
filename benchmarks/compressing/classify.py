"""What does a MiniLM fine-tuned on 150 intents lose in each way of storing it?

Enters: the recipe clinc150's data, a fine-tuned checkpoint or the time to make one. Leaves: accuracies of the written
files, by our engine, on the 4,500 test rows. Not here: smaller students (clinc150.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from claims import ROOT, Claims
from compressing.cells import Subject, Way, file_name, list_sparse
from compressing.learning import classifier_lessons
from smallwright.data import Row
from smallwright.evaluate.comparison import compare
from smallwright.model import load_model
from smallwright.pipeline.rows import read_labels, read_split
from smallwright.pipeline.shared import data_stage, tokenizer_stage
from smallwright.pipeline.teach import teacher_stage
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.tokenizer.encode import encode_texts
from smallwright.tokenizer.load import load_tokenizer
from smallwright.train.predict import predict_logits

WAYS = (
    Way("q8_0 round", "q8_0"),
    Way("q4_0 round", "q4_0"),
    Way("q4_0 gptq", "q4_0", using="gptq"),
    Way("q4_0 gptq, biases", "q4_0", using="gptq", correct_bias=True),
    Way("q4_0 round, biases", "q4_0", correct_bias=True),
    Way("q3_span round", "q3_span"),
    Way("q3_span gptq", "q3_span", using="gptq"),
    Way("q2_span round", "q2_span"),
    Way("q2_span gptq", "q2_span", using="gptq"),
)
BEST = "q4_0 gptq, biases"  # named before any test row was read


def check_classifier(
    claims: Claims,
    folder: Path,
    *,
    teacher: Path | None,
    texts: int,
    heal_steps: int,
    threads: int | None,
    rows: int | None = None,
) -> None:
    """Store the fine-tuned encoder in every way and classify the test rows.

    Args:
        folder: receives the recipe's stages and the files.
        teacher: a fine-tuned checkpoint with its tokenizer; None: the recipe's teacher is fine-tuned.
        texts: training rows for calibration.
        heal_steps: of training what is kept, in the ways that do.
        threads: of training; None: all.
        rows: test rows, the first ones; None: all.
    """
    recipe = Recipe.load(ROOT / "recipes" / "clinc150.yaml")
    shop = Workshop(folder / "stages", threads=threads)
    data = data_stage(recipe, shop)
    if teacher is None:
        teacher = teacher_stage(recipe, shop, data, tokenizer_stage(recipe, shop, data)).folder / "teacher"
    model, tokenizer = load_model(teacher), load_tokenizer(teacher)
    learned = read_split(data, "train")
    chosen = np.sort(np.random.default_rng(0).choice(len(learned), min(texts, len(learned)), replace=False))
    calibration = encode_texts(tokenizer, [learned[row].text for row in chosen], max_tokens=model.spec.context)
    task, lessons = (
        {"kind": "classify", "head": next(iter(model.spec.heads))},
        classifier_lessons(recipe, shop, data, tokenizer),
    )
    subject = Subject(model, tokenizer, task, calibration, lessons)
    test, labels = read_split(data, "test")[:rows], model.spec.labels
    assert sorted(labels) == sorted(read_labels(data))  # a given checkpoint answers with the recipe's labels
    tokens = encode_texts(tokenizer, [row.text for row in test], max_tokens=model.spec.context)
    whole = right_answers(test, predict_logits(model, tokens), labels)
    found = {"float32, PyTorch": {"accuracy": float(whole.mean())}}
    for way in (*WAYS, *list_sparse(heal_steps)):
        written = subject.write(way, folder / "files" / file_name(way.name))
        with load(written.path, threads=1) as package:
            right = right_answers(test, package.classify_logits([row.text for row in test]), labels)
        apart = asdict(compare(right, whole, name="float32"))
        found[way.name] = {"accuracy": float(right.mean()), **asdict(written), "path": None, "against": apart}
        print(f"{way.name:24} {written.size_bytes:>10,} bytes  accuracy {right.mean():.4f}", flush=True)
    claims.numbers["classifier"] = {"test_rows": len(test), "calibration_texts": len(calibration), "ways": found}
    points = 100 * (found["float32, PyTorch"]["accuracy"] - found[BEST]["accuracy"])
    claims.check(f"points that {BEST} loses of float32", round(points, 2), "<=", 0.3)


def right_answers(rows: Sequence[Row], logits: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """(N,) bool: rows whose best label is theirs."""
    return np.array([labels[best] == row.label for best, row in zip(logits.argmax(axis=1), rows, strict=True)])
