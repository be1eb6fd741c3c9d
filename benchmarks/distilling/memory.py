"""One side of the memory comparison, in a process of its own: a student learns a few steps from a large teacher.

Enters: kept or online, and a folder. Leaves: one JSON line: peak bytes above those after the imports.
Not here: what is claimed (distillation.py).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from smallwright.data.shards import write_shard
from smallwright.evaluate.memory import resident
from smallwright.model import Transformer, load_model, preset, save_model, seeded
from smallwright.model.weight_only import HELD_AS, count_held_bytes
from smallwright.spec import HeadSpec, ModelSpec
from smallwright.teacher.language import answer_next_tokens
from smallwright.train.loop import train
from smallwright.train.objectives import make_objective
from smallwright.train.options import LoopOptions
from smallwright.train.tasks import LanguageModelTask
from smallwright.train.tutor import TutoredTask

VOCABULARY, CONTEXT, BATCH, STEPS, TEXT_TOKENS, TOP = 32_000, 128, 8, 3, 4_096, 32
ASKED_TOKENS = 256
HEADS = {"words": HeadSpec("language_model")}


def make_teacher() -> Transformer:
    """At least 100 million random weights: the small preset, wider and deeper."""
    from dataclasses import replace

    small = preset("small", vocabulary=VOCABULARY, causal=True, heads=HEADS, context=CONTEXT)
    mixer = replace(small.layers[0].mixer, heads=12, key_value_heads=12)
    layer = replace(small.layers[0], mixer=mixer, feedforward=replace(small.layers[0].feedforward, width=2048))
    spec: ModelSpec = replace(small, width=768, layers=(layer,) * 12)
    with seeded(0):
        return Transformer(spec).eval()


def make_task(folder: Path) -> LanguageModelTask:
    """Random text: memory does not depend on what it says."""
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, TEXT_TOKENS)
    shard = write_shard(folder / "shard", [tokens.tolist()], VOCABULARY)
    return LanguageModelTask(shard, context=CONTEXT, batch_size=BATCH)


def peak_bytes() -> int:
    """The most memory that this process has held; getrusage would begin with what the process that started it had."""
    peak = resident().peak_bytes
    assert peak is not None  # the system tells
    return peak


def main() -> None:
    """Answer once (answer), or learn with kept answers (kept) or with the teacher beside (online); write the teacher
    (write), or read it and answer, its matrices held as float32, bfloat16 or int8.
    """
    how, folder = sys.argv[1], Path(sys.argv[2])
    before = peak_bytes()
    if how == "write":
        save_model(make_teacher(), folder / "teacher")
        print("{}")
        return
    if how in HELD_AS:
        model = load_model(folder / "teacher", held_as=how)
        loaded = peak_bytes() - before
        tokens = np.random.default_rng(0).integers(0, VOCABULARY, ASKED_TOKENS)
        shard = write_shard(folder / how, [tokens.tolist()], VOCABULARY)
        answer_next_tokens(model, shard, folder / f"{how}-answers", context=CONTEXT, top=TOP)
        weights = count_held_bytes(model.spec, how)
        print(json.dumps({"weights": weights, "loaded": loaded, "answered": peak_bytes() - before}))
        return
    task = make_task(folder / how)
    if how == "answer":
        teacher = make_teacher()
        answers = answer_next_tokens(teacher, task.shard, folder / "answers", context=CONTEXT, top=TOP)
        facts = {"teacher_parameters": sum(weight.numel() for weight in teacher.parameters())}
        print(json.dumps({**facts, "bytes_per_token": answers.records.nbytes / len(answers)}))
        return
    with seeded(1):
        student = Transformer(preset("micro", vocabulary=VOCABULARY, causal=True, heads=HEADS, context=CONTEXT))
    if how == "online":
        lessons = TutoredTask(task, make_teacher())
    else:
        # The same question again: it is read from disk, and no teacher is made.
        lessons = LanguageModelTask(task.shard, context=CONTEXT, batch_size=BATCH, teacher=open_answers(folder))
    options = LoopOptions(epochs=1, max_steps=STEPS, precision="float32")
    train(student, lessons, make_objective(["soft_targets"]), folder / how / "run", options, quiet=True)
    parameters = sum(weight.numel() for weight in student.parameters())
    print(json.dumps({"bytes": peak_bytes() - before, "student_parameters": parameters}))


def open_answers(folder: Path):  # type: ignore[no-untyped-def]
    """What ``answer`` left."""
    from smallwright.data.top_answers import TopAnswers
    from smallwright.teacher.language import ANSWERS

    return TopAnswers.open(folder / "answers" / ANSWERS)


if __name__ == "__main__":
    main()
