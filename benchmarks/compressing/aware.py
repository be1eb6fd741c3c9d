"""What does training through the codes give back of what 3 and 2 bits lose, on 150 intents?

Enters: the recipe clinc150's data, a fine-tuned MiniLM. Leaves: accuracies of the written files, by our engine, on the
4,500 test rows: rounded, by GPTQ, and after training. Not here: 8 and 4 bits (classify.py).

The token table is trimmed to the training texts, as the recipe does it. Nothing is chosen by the test rows: one number
of steps, one learning rate, and of the weights those with the best score on validation rows, as in every training here.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from claims import ROOT, Claims
from compressing.cells import LEARNING_RATE, Subject, Way
from compressing.classify import right_answers
from compressing.learning import classifier_lessons
from smallwright.compress.vocabulary import trim_embedding
from smallwright.evaluate.comparison import compare
from smallwright.model import load_model
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.shared import data_stage, open_tokenizer, tokenizer_stage
from smallwright.pipeline.teach import teacher_stage
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.tokenizer.encode import encode_texts
from smallwright.train.predict import predict_logits

WAYS = tuple(
    Way(f"{format} {using}", format, using=using) for format in ("q3_span", "q2_span") for using in ("round", "gptq")
)


def check_aware(
    claims: Claims, folder: Path, *, teacher: Path | None, texts: int, steps: int, threads: int | None, rows: int | None
) -> None:
    """Code the encoder in 3 and 2 bits, train the 2-bit one through its codes, and classify the test rows.

    Args:
        folder: receives the recipe's stages, the training and the files.
        teacher: a fine-tuned checkpoint of the whole vocabulary; None: the recipe's teacher is fine-tuned.
        texts: training rows for calibration.
        steps: of training.
        threads: of training; None: all.
        rows: test rows, the first ones; None: all.
    """
    recipe = Recipe.load(ROOT / "recipes" / "clinc150.yaml")
    shop = Workshop(folder / "stages", threads=threads)
    data = data_stage(recipe, shop)
    reader = open_tokenizer(words := tokenizer_stage(recipe, shop, data))
    model = load_model(teacher or teacher_stage(recipe, shop, data, words).folder / "teacher")
    if reader.kept is not None:
        model = trim_embedding(model, reader.kept)
    model.eval()
    learned = read_split(data, "train")
    chosen = np.sort(np.random.default_rng(0).choice(len(learned), min(texts, len(learned)), replace=False))
    calibration = encode_texts(reader.tokenizer, [learned[row].text for row in chosen], max_tokens=model.spec.context)
    task = {"kind": "classify", "head": next(iter(model.spec.heads))}
    lessons = classifier_lessons(recipe, shop, data, reader.tokenizer)
    subject = Subject(model, reader.tokenizer, task, calibration, lessons)
    test, labels = read_split(data, "test")[:rows], model.spec.labels
    tokens = encode_texts(reader.tokenizer, [row.text for row in test], max_tokens=model.spec.context)
    whole = right_answers(test, predict_logits(model, tokens), labels)
    found = {"float32, PyTorch": {"accuracy": float(whole.mean())}}

    def judge(name: str, path: Path, facts: dict[str, object]) -> None:
        with load(path, threads=1) as package:
            right = right_answers(test, package.classify_logits([row.text for row in test]), labels)
        apart = asdict(compare(right, whole, name="float32"))
        found[name] = {"accuracy": float(right.mean()), "bytes": path.stat().st_size, **facts, "against": apart}
        print(f"{name:24} {path.stat().st_size:>10,} bytes  accuracy {right.mean():.4f}", flush=True)

    for way in WAYS:
        written = subject.write(way, folder / "files" / f"{way.name.replace(' ', '-')}.gguf")
        judge(way.name, written.path, {"error": written.error})
    way = Way("q2_span trained", "q2_span", train_steps=steps)
    written = subject.write(way, folder / "files" / "q2_span-trained.gguf")
    judge(way.name, written.path, dict(written.training or {}))
    claims.numbers["aware"] = {"test_rows": len(test), "steps": steps, "learning_rate": LEARNING_RATE, "ways": found}
    points = 100 * (found["float32, PyTorch"]["accuracy"] - found["q2_span trained"]["accuracy"])
    claims.check("points that q2_span trained loses of float32", round(points, 2), "<=", 1.5)
