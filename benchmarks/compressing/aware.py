"""What does training through the codes give back of what 3 and 2 bits lose, on 150 intents?

Enters: the recipe clinc150's data, a fine-tuned MiniLM. Leaves: accuracies of the written files, by our engine, on the
4,500 test rows: rounded, by GPTQ, and after training. Not here: 8 and 4 bits (classify.py).

The token table is trimmed to the training texts, as the recipe does it. Nothing is chosen by the test rows: one number
of steps, one learning rate, and of the weights those with the best score on validation rows, as in every training here.
"""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path

import numpy as np

from claims import ROOT, Claims
from compressing.cells import Subject, Way
from compressing.classify import right_answers
from smallwright.compress.quantize import plan_formats
from smallwright.compress.quantizing.matrix import QuantizeOptions
from smallwright.compress.quantizing.model import Quantized, quantize_model
from smallwright.compress.settings import QuantizeSettings
from smallwright.compress.vocabulary import trim_embedding
from smallwright.evaluate.comparison import compare
from smallwright.model import Transformer, load_model
from smallwright.package.write import write_package
from smallwright.pipeline.rows import label_numbers, read_split
from smallwright.pipeline.shared import data_stage, open_tokenizer, tokenizer_stage
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.teach import teacher_stage
from smallwright.pipeline.train_codes import train_codes
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.spec.formats import SCALE_SPAN
from smallwright.tokenizer.encode import encode_texts
from smallwright.train.predict import predict_logits
from smallwright.train.tasks import ClassificationTask

LEARNING_RATE = 2e-4
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
    subject = Subject(model, reader.tokenizer, task, calibration)
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
    quantized, facts = _train(recipe, shop, model, subject, data, steps, folder)
    path = folder / "files" / "q2_span-trained.gguf"
    write_package(
        path,
        spec=quantized.spec,
        tensors=quantized.tensors,
        formats=quantized.formats,
        rows=quantized.rows,
        tokenizer=reader.tokenizer,
        task=task,
        name="q2_span trained",
    )
    judge("q2_span trained", path, facts)
    claims.numbers["aware"] = {"test_rows": len(test), "steps": steps, "learning_rate": LEARNING_RATE, "ways": found}
    points = 100 * (found["float32, PyTorch"]["accuracy"] - found["q2_span trained"]["accuracy"])
    claims.check("points that q2_span trained loses of float32", round(points, 2), "<=", 1.5)


def _train(
    recipe: Recipe, shop: Workshop, model: Transformer, subject: Subject, data: Outcome, steps: int, folder: Path
) -> tuple[Quantized, dict[str, object]]:
    settings = QuantizeSettings(format="q2_span", train={"steps": steps, "learning_rate": LEARNING_RATE})
    coded = quantize_model(
        copy.deepcopy(model), plan_formats(model.spec, "q2_span"), [], QuantizeOptions(span=SCALE_SPAN)
    )

    def open_task(student: Transformer, hears_teacher: bool) -> ClassificationTask:
        both = [read_split(data, split) for split in ("train", "validation")]
        read = [
            encode_texts(subject.tokenizer, [row.text for row in rows], max_tokens=student.spec.context)
            for rows in both
        ]
        numbers = [label_numbers(rows, student.spec.labels) for rows in both]
        batch = recipe.distill.batch_size
        return ClassificationTask(read[0], numbers[0], read[1], numbers[1], batch_size=batch, seed=recipe.seed)

    return train_codes(recipe, shop, settings, model, coded, open_task, folder / "training")
