"""Prompt to free text without a schema: a teacher writes, a student learns its text, a report says what it is worth."""

from __future__ import annotations

import io
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console
from rouge_score.rouge_scorer import RougeScorer
from tests.parity.tiny_packages import encoder_spec, write_own

from smallwright.data.completions import Completions, write_completions
from smallwright.errors import DataError, RecipeError, SmallwrightError
from smallwright.evaluate import cost
from smallwright.evaluate.copying import CONSTANT_NAME, LEAD_NAME
from smallwright.evaluate.nearest import NEAREST_NAME
from smallwright.evaluate.report.terminal import print_report
from smallwright.model import load_model
from smallwright.pipeline.build import BuildResult, build
from smallwright.pipeline.generate import make_generator
from smallwright.pipeline.measure import measure_package
from smallwright.pipeline.plan import make_plan, render_plan
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.tokenizer.load import load_tokenizer
from smallwright.train.completions import CompletionTask

WHAT = ("a cough", "knee pain", "a rash", "fever", "back pain", "nausea")
WHEN = ("monday", "friday", "june", "last week")


def make_rows() -> list[dict[str, str]]:
    return [
        {"said": f"{please}i have had {what} since {when}", "note": f"Reports {what} since {when.title()}."}
        for what, when, please in product(WHAT, WHEN, ("", "well, ", "doctor, "))
    ]


def make_recipe(folder: Path, **changes: Any) -> Path:
    learning = {"batch_size": 8, "learning_rate": 5e-3, "dropout": 0.0, "precision": "float32"}
    document = {
        "name": "notes",
        "threads": 1,
        "task": {"kind": "generate"},
        "data": {"train": {"path": "rows.jsonl", "fields": {"prompt": "said", "completion": "note"}}},
        "teacher": {"from": "scratch", "preset": "nano", "finetune": {"epochs": 6, **learning}},
        "tokenizer": {"kind": "train", "vocabulary": 320},
        "student": {"from": "scratch", "preset": "nano", "context": 64},
        "distill": {"epochs": 2, "targets": "both", **learning},
        "evaluate": {"latency_rounds": 1, "cold_starts": 1, "bootstrap_resamples": 200, "answer_tokens": 24},
        **changes,
    }
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in make_rows()), encoding="utf-8")
    path = folder / "notes.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    folder = tmp_path_factory.mktemp("notes")
    return build(make_recipe(folder), out=folder / "out", quiet=True)


def stage(built: BuildResult, name: str) -> Path:
    (folder,) = (
        path
        for path in (built.package.parent / "stages").glob(f"{name}-*")
        if path.name.count("-") == name.count("-") + 1
    )
    return folder


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_report_scores_the_files_own_text(built: BuildResult) -> None:
    quality = built.report.answers
    assert quality is not None and quality.free_text is not None and quality.wrong_answers == ()
    rows = read_lines(stage(built, "data") / "test.jsonl")
    with load(built.package, threads=1) as package:
        written = [package.complete(row["prompt"], max_tokens=24) for row in rows]
    scorer = RougeScorer(["rougeL"])
    scores = [
        scorer.score(row["completion"], answer.text)["rougeL"].fmeasure
        for row, answer in zip(rows, written, strict=True)
    ]
    assert quality.free_text.rouge_l.mean == pytest.approx(float(np.mean(scores)), abs=1e-9)
    assert quality.free_text.rouge_l.low <= quality.free_text.rouge_l.mean <= quality.free_text.rouge_l.high
    right = sum(a.whole and a.text == row["completion"] for row, a in zip(rows, written, strict=True))
    assert quality.enforced.exact.correct == right
    assert quality.enforced.whole == sum(answer.whole for answer in written) / len(rows)
    ranked = sorted(scores, reverse=True)
    shown = [sample.rouge_l for sample in quality.free_text.samples]
    assert shown == pytest.approx([ranked[0], ranked[round((len(ranked) - 1) / 2)], ranked[-1]])


def test_the_perplexity_is_that_of_the_references_in_the_torch_reference(built: BuildResult, tmp_path: Path) -> None:
    """The engine rounds weights, activations and keys to 8 bits; torch's float32 is the independent way."""
    quality = built.report.answers
    assert quality is not None and quality.free_text is not None and quality.free_text.language is not None
    language, rows = quality.free_text.language, read_lines(stage(built, "data") / "test.jsonl")
    student = stage(built, "student") / "student"
    tokenizer, model = load_tokenizer(student), load_model(student)
    end = tokenizer.token_to_id("<|endoftext|>")
    assert end is not None
    pairs = [
        (tokenizer.encode(row["prompt"] + "\n").ids, [*tokenizer.encode(row["completion"]).ids, end]) for row in rows
    ]
    completions = write_completions(tmp_path / "test", pairs, tokenizer.get_vocab_size())
    found = CompletionTask(completions, completions).validate(model, "float32")
    assert quality.free_text.language_rows == len(rows)
    assert language.tokens == sum(len(answer) for _, answer in pairs)
    assert language.text_bytes == sum(len(row["completion"].encode()) for row in rows)
    assert language.perplexity == pytest.approx(np.exp(found["loss"]), rel=0.03)
    bits = language.tokens * np.log2(language.perplexity) / language.text_bytes
    assert language.bits_per_byte == pytest.approx(bits)


def test_copying_baselines_stand_beside_it(built: BuildResult) -> None:
    lines = {line.kind: line for line in built.report.neighbours}
    assert set(lines) == {"package", "teacher_quantized", "nearest", "lead", "majority"}
    assert [lines[kind].name for kind in ("nearest", "lead", "majority")] == [NEAREST_NAME, LEAD_NAME, CONSTANT_NAME]
    for line in lines.values():
        assert line.rouge_l is not None and line.rouge_l_low is not None and line.rouge_l_high is not None
        assert line.latency_p50_ms is not None
    assert lines["lead"].note.startswith("5 words")
    assert lines["nearest"].size_bytes == (stage(built, "nearest") / "nearest.pickle").stat().st_size
    assert lines["package"].bits_per_byte is not None and lines["nearest"].bits_per_byte is None
    rows = read_lines(stage(built, "data") / "test.jsonl")
    scorer = RougeScorer(["rougeL"])
    lead = [scorer.score(row["completion"], " ".join(row["prompt"].split()[:5]))["rougeL"].fmeasure for row in rows]
    assert lines["lead"].rouge_l == pytest.approx(float(np.mean(lead)))
    page = built.report_html.read_text(encoding="utf-8")
    shown = io.StringIO()
    print_report(built.report, Console(file=shown, width=120))
    assert "ROUGE-L" in shown.getvalue() and "exact" in shown.getvalue()
    for words in ("ROUGE-L against size", "perplexity", "from the best to the worst", "points of ROUGE-L"):
        assert words in page


def test_the_students_targets_are_the_teachers_text(built: BuildResult) -> None:
    rows = read_lines(stage(built, "data") / "train.jsonl")
    texts = read_lines(stage(built, "teacher-text") / "texts.jsonl")
    with load(stage(built, "teacher-package") / "model.gguf") as teacher:
        answers = teacher.complete([row["prompt"] for row in rows], max_tokens=24)
    assert [text["text"] for text in texts] == [answer.text for answer in answers]
    theirs = [(row["prompt"], text["text"]) for row, text in zip(rows, texts, strict=True) if text["whole"]]
    assert any(text["whole"] and text["text"] != row["completion"] for row, text in zip(rows, texts, strict=True))
    wanted = [*((row["prompt"], row["completion"]) for row in rows), *theirs]
    lessons = Completions.open(stage(built, "student-shards") / "train")
    tokenizer = load_tokenizer(stage(built, "tokenizer"))
    for index, (prompt, completion) in enumerate(wanted):
        document = lessons.shard.document(index).tolist()
        start = int(lessons.starts[index])
        assert tokenizer.decode(document[:start]) == f"{prompt}\n"
        assert tokenizer.decode(document[start:-1]) == completion
    assert len(lessons) == len(wanted)
    held_out = Completions.open(stage(built, "student-shards") / "validation")
    first = read_lines(stage(built, "data") / "validation.jsonl")[0]
    assert tokenizer.decode(held_out.shard.document(0)[held_out.starts[0] : -1].tolist()) == first["completion"]
    assert any(f"completions of its own for {len(theirs)} training rows" in note for note in built.report.notes)


def test_another_student_of_the_same_teacher_asks_it_nothing(
    built: BuildResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the teacher was asked again")

    monkeypatch.setattr("smallwright.teacher.text.answer_batches", refuse)
    out = built.package.parent.parent
    overrides = ["distill.targets=teacher", "distill.epochs=1", "distill.objectives=[cross_entropy]"]
    shop = Workshop(out / "notes" / "stages", threads=1, quiet=True)
    made = make_generator(Recipe.load(out.parent / "notes.yaml", overrides), shop)
    assert made.written is not None and not made.written.ran and made.student.ran and "answers" not in shop.outcomes
    lessons = Completions.open(made.lessons.folder / "train")
    rows = read_lines(made.written.folder / "train.jsonl")
    tokenizer = load_tokenizer(made.tokenizer.folder)
    said = [
        tokenizer.decode(lessons.shard.document(row)[lessons.starts[row] : -1].tolist()) for row in range(len(rows))
    ]
    assert said == [row["completion"] for row in rows] and len(lessons) == len(rows)


def test_a_package_teaches_its_text(built: BuildResult, tmp_path: Path) -> None:
    distil = {"epochs": 1, "targets": "teacher", "objectives": ["cross_entropy"], "batch_size": 8}
    path = make_recipe(tmp_path, teacher={"from": "package", "file": str(built.package)}, distill=distil)
    plan = make_plan(Recipe.load(path))
    assert plan.teacher_parameters is None and f"the package {built.package}" in render_plan(Recipe.load(path), plan)
    result = build(path, out=tmp_path / "out", quiet=True)
    rows = read_lines(stage(result, "data") / "train.jsonl")
    with load(built.package, threads=1) as package:
        said = package.complete([row["prompt"] for row in rows], max_tokens=24)
    wanted = [(row["prompt"], one.text) for row, one in zip(rows, said, strict=True) if one.whole and one.text.strip()]
    learned = read_lines(stage(result, "teacher-text") / "train.jsonl")
    assert [(row["prompt"], row["completion"]) for row in learned] == wanted
    lines = {line.kind: line for line in result.report.neighbours}
    assert lines["teacher_quantized"].size_bytes == built.package.stat().st_size
    assert lines["teacher_quantized"].rouge_l is not None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"file": "none.gguf"}, r"teacher\.file must be a package\. Got .*none\.gguf, which is not there"),
        ({"file": "rows.jsonl"}, "rows.jsonl"),
        ({}, "must have the key 'file'"),
    ],
)
def test_a_teacher_that_is_no_package_is_refused(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    distil = {"targets": "teacher", "objectives": ["cross_entropy"]}
    path = make_recipe(tmp_path, teacher={"from": "package", **changes}, distill=distil)
    with pytest.raises(SmallwrightError, match=told):
        build(path, out=tmp_path / "out", quiet=True)


def test_a_package_that_classifies_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "classes.gguf"
    write_own(file, encoder_spec(), task='{"kind": "classify", "head": "intent"}')
    distil = {"targets": "teacher", "objectives": ["cross_entropy"]}
    path = make_recipe(tmp_path, teacher={"from": "package", "file": str(file)}, distill=distil)
    with pytest.raises(RecipeError, match=r"that of the recipe, generate\. Got task 'classify' in .*classes\.gguf"):
        build(path, out=tmp_path / "out", quiet=True)


def test_a_teacher_that_never_ends_teaches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(package: Path, prompts: list[str], **_: Any) -> Any:
        some = len(prompts)
        yield cost.Answers(("and so on",) * some, (False,) * some, (-1.0,) * some, (None,) * some)

    monkeypatch.setattr("smallwright.teacher.text.answer_batches", cut)
    recipe = make_recipe(tmp_path, teacher={"from": "scratch", "preset": "nano", "finetune": {"max_steps": 1}})
    with pytest.raises(DataError, match=r"answers that its teacher finished\. Got none of \d+: \d+ cut short after 24"):
        build(recipe, out=tmp_path / "out", quiet=True)


def test_it_is_evaluated_on_other_rows(built: BuildResult, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in make_rows()[:10]), encoding="utf-8")
    found = measure_package(str(built.package), str(rows), ["prompt=said", "completion=note"])
    scorer = RougeScorer(["rougeL"])
    with load(built.package) as package:
        scores = [
            scorer.score(row["note"], package.generate(row["said"], max_tokens=256))["rougeL"].fmeasure
            for row in make_rows()[:10]
        ]
    assert found["rouge_l"] == pytest.approx(float(np.mean(scores)))
    assert found["rouge_l_low"] <= found["rouge_l"] <= found["rouge_l_high"]
