"""Judging a package that answers prompts: exactly right and field by field, under its schema and without it.

Enters: the finished stages of a generator whose rows are prompts with completions. Leaves: the report stage, with the
verdict against the budget.
Not here: metrics and measuring themselves (evaluate/).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from smallwright.data import Row
from smallwright.errors import DataError
from smallwright.evaluate import calibration, comparison
from smallwright.evaluate.answers import AnswerQuality, AnswerScore, are_right, score_answers
from smallwright.evaluate.cost import Answers, Cost, answer_prompts, measure_classifiers
from smallwright.evaluate.process import Subject
from smallwright.evaluate.quality import WrongAnswer, surest_first
from smallwright.evaluate.report import Neighbour, Report
from smallwright.pipeline.enlarge import describe_added
from smallwright.pipeline.facts import package_facts
from smallwright.pipeline.generate import Generator
from smallwright.pipeline.judge_text import JudgedText, describe_written, judge_text, warn_of_text
from smallwright.pipeline.report import (
    ASKED,
    QUANTIZED,
    Judged,
    describe_build,
    judge_package,
    make_neighbour,
    run_report,
    warn_of_simple,
)
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.shared import PACKAGE_FILE
from smallwright.pipeline.simple_answers import SimpleNeighbour, simple_neighbours
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.tutoring import describe_balance
from smallwright.pipeline.workshop import Workshop
from smallwright.pipeline.written import TEST_FILE
from smallwright.recipe import Recipe
from smallwright.run.schema import AnswerForm
from smallwright.teacher.endpoint_settings import EndpointSettings

FREE = "the same file, schema not enforced"


@dataclass(frozen=True)
class _Heard:
    """Everyone's answers to the test prompts, by the name in the report; the package's own under its own name."""

    package: Answers
    others: Mapping[str, Answers]


def judge_answers(recipe: Recipe, shop: Workshop, made: Generator) -> Judged:
    """Run the report stage."""
    simple = simple_neighbours(shop, made) if recipe.evaluate.baseline else ()
    inputs: dict[str, Outcome | None] = {
        "package": made.package,
        "data": made.data,
        "lessons": made.lessons,
        "teacher-package": made.teacher_package,
        "written": made.written,
    }
    inputs |= {neighbour.kind: neighbour.outcome for neighbour in simple}
    return run_report(recipe, shop, inputs, lambda: _report(recipe, shop, made, simple))


def _report(recipe: Recipe, shop: Workshop, made: Generator, simple: Sequence[SimpleNeighbour]) -> Report:
    rows = read_split(made.data, "test")
    if not rows:
        raise DataError("a package is judged on test rows. Got none. Give data.test, or a larger data.test_fraction.")
    heard = _ask_everyone(recipe, made, simple, rows)
    costs = _measure(recipe, made, simple, rows, heard)
    form = None if (schema := recipe.read_schema()) is None else AnswerForm(schema)
    expected = [str(row.completion) for row in rows]
    scores = {name: _score(form, expected, answers) for name, answers in _by_name(recipe, heard).items()}
    package, own = package_facts(recipe, made.package), costs["package"]
    enforced, teacher = scores[recipe.name], scores.get(QUANTIZED, scores.get(ASKED))
    kept = enforced.exact.accuracy / teacher.exact.accuracy if teacher and teacher.exact.correct else None
    verdict = judge_package(recipe, package, own, accuracy=enforced.exact.accuracy, kept=kept)
    quality = _quality(recipe, rows, heard, scores)
    text = judge_text(recipe, made, rows, heard.package, heard.others) if made.lessons.facts["free_text"] else None
    if text is not None:  # sentences are hardly ever equal: answers good and bad say more than wrong ones
        quality = replace(quality, free_text=text.quality, wrong_answers=())
    return Report(
        **describe_build(recipe, shop, made, measure="exact" if text is None else "perplexity"),
        verdict=verdict,
        package=package,
        neighbours=tuple(_neighbour(recipe, made, simple, name, score, costs, text) for name, score in scores.items()),
        costs=tuple(costs.values()),
        answers=quality,
        notes=(*_warn(made, quality, simple), *describe_added(shop), *describe_balance(made.student)),
    )


def _by_name(recipe: Recipe, heard: _Heard) -> dict[str, Answers]:
    return {recipe.name: heard.package, **heard.others}


def _ask_everyone(recipe: Recipe, made: Generator, simple: Sequence[SimpleNeighbour], rows: Sequence[Row]) -> _Heard:
    prompts = [str(row.prompt) for row in rows]
    limit, most = recipe.evaluate.timeout_seconds, recipe.evaluate.answer_tokens
    path = made.package.folder / PACKAGE_FILE
    others: dict[str, Answers] = {}
    if recipe.task.answer_schema is not None:
        others[FREE] = answer_prompts(path, prompts, max_tokens=most, free=True, timeout_seconds=limit)
    if made.teacher_package is not None:
        teacher = made.teacher_package.folder / PACKAGE_FILE
        others[QUANTIZED] = answer_prompts(teacher, prompts, max_tokens=most, timeout_seconds=limit)
    if made.written is not None and (made.written.folder / TEST_FILE).is_file():
        said = json.loads((made.written.folder / TEST_FILE).read_text(encoding="utf-8"))
        others[ASKED] = _unscored([one["text"] for one in said], [one["whole"] for one in said])
    for neighbour in simple:
        others[neighbour.name] = _unscored(neighbour.answer(prompts), [True] * len(prompts))
    return _Heard(answer_prompts(path, prompts, max_tokens=most, timeout_seconds=limit), others)


def _unscored(texts: Sequence[str], whole: Sequence[bool]) -> Answers:
    """Answers of a system that is no package."""
    return Answers(tuple(texts), tuple(whole), (0.0,) * len(texts), (None,) * len(texts))


def _measure(
    recipe: Recipe, made: Generator, simple: Sequence[SimpleNeighbour], rows: Sequence[Row], heard: _Heard
) -> dict[str, Cost]:
    """Cost by system; ``package`` is the file on one thread, ``package, all cores`` the same on every core."""
    path, starts = str(made.package.folder / PACKAGE_FILE), recipe.evaluate.cold_starts
    options = {"max_tokens": recipe.evaluate.answer_tokens}
    subjects = [
        Subject("package", path=path, threads=1, task="answer", arguments=options, cold_starts=starts),
        Subject("package, all cores", path=path, threads=0, task="answer", arguments=options),
    ]
    expected = {subject.name: heard.package.texts for subject in subjects}
    if made.teacher_package is not None:
        teacher = str(made.teacher_package.folder / PACKAGE_FILE)
        subjects.append(Subject(QUANTIZED, path=teacher, threads=1, task="answer", arguments=options))
        expected[QUANTIZED] = heard.others[QUANTIZED].texts
    subjects += [neighbour.subject for neighbour in simple]
    expected |= {neighbour.name: heard.others[neighbour.name].texts for neighbour in simple}
    everyone = list(_by_name(recipe, heard).values())  # a teacher's context may be shorter
    fits = [index for index in range(len(rows)) if all(answers.scores[index] is not None for answers in everyone)]
    timed = fits[: recipe.evaluate.max_latency_texts]
    if not timed:
        raise DataError("a test prompt must fit the context. Got none that does. Use a longer student.context.")
    return measure_classifiers(
        subjects,
        [str(rows[index].prompt) for index in timed],
        rounds=recipe.evaluate.latency_rounds,
        expected={name: [texts[index] for index in timed] for name, texts in expected.items()},
        timeout_seconds=recipe.evaluate.timeout_seconds,
    )


def _score(form: AnswerForm | None, expected: Sequence[str], answers: Answers) -> AnswerScore:
    valid = None if form is None else [form.allows(text) for text in answers.texts]
    return score_answers(expected, answers.texts, whole=answers.whole, valid=valid)


def _quality(recipe: Recipe, rows: Sequence[Row], heard: _Heard, scores: Mapping[str, AnswerScore]) -> AnswerQuality:
    expected, own, settings = [str(row.completion) for row in rows], heard.package, recipe.evaluate
    right = are_right(expected, own.texts, own.whole)
    sure = [(p, hit) for p, hit in zip(own.probabilities, right, strict=True) if p is not None]
    calibrated = None
    if sure:
        calibrated = calibration.calibration([p for p, _ in sure], [hit for _, hit in sure], settings.calibration_bins)
    wrong = [
        WrongAnswer(str(row.prompt), want, got, p)
        for row, want, got, p, hit in zip(rows, expected, own.texts, own.probabilities, right, strict=True)
        if not hit
    ]
    return AnswerQuality(
        enforced=scores[recipe.name],
        free=scores.get(FREE),
        calibration=calibrated,
        comparisons=tuple(
            comparison.compare(
                right,
                are_right(expected, answers.texts, answers.whole),
                name=name,
                resamples=settings.bootstrap_resamples,
                seed=settings.seed,
            )
            for name, answers in heard.others.items()
        ),
        wrong_answers=surest_first(wrong, settings.wrong_examples),
    )


def _neighbour(
    recipe: Recipe,
    made: Generator,
    simple: Sequence[SimpleNeighbour],
    name: str,
    score: AnswerScore,
    costs: Mapping[str, Cost],
    text: JudgedText | None,
) -> Neighbour:
    kinds = {recipe.name: "package", FREE: "free", QUANTIZED: "teacher_quantized", ASKED: "teacher"}
    files = {recipe.name: made.package, QUANTIZED: made.teacher_package}
    cost, file = costs.get("package" if name == recipe.name else name), files.get(name)
    copied = next((neighbour for neighbour in simple if neighbour.name == name), None)
    line = make_neighbour(
        name,
        kinds[name] if copied is None else copied.kind,
        score.exact,
        cost,
        copied.size_bytes if copied is not None else None if file is None else file.facts["size_bytes"],
        field_f1=score.field_f1,
        note=_note(recipe, made, name) if copied is None else copied.note,
    )
    if text is None:
        return line
    own, language = text.scores[name], text.languages.get(name)
    return replace(
        line,
        rouge_l=own.mean,
        rouge_l_low=own.low,
        rouge_l_high=own.high,
        bits_per_byte=None if language is None else language.bits_per_byte,
    )


def _note(recipe: Recipe, made: Generator, name: str) -> str:
    """What is particular about a teacher that was asked: its size and latency are nobody's to know here."""
    if name != ASKED or made.written is None or not isinstance(recipe.teacher, EndpointSettings):
        return ""
    return f"{recipe.teacher.model}, asked; median call {made.written.facts['call_ms_p50']:.0f} ms"


def _warn(made: Generator, quality: AnswerQuality, simple: Sequence[SimpleNeighbour]) -> tuple[str, ...]:
    """What takes the shine off the numbers, said where they stand."""
    notes = [note for neighbour in simple for note in warn_of_simple(quality.comparisons, neighbour.name)]
    if quality.free_text is not None:
        notes += warn_of_text(quality.free_text, quality.enforced, {neighbour.name for neighbour in simple})
    if made.written is not None:
        notes.append(describe_written(made.written))
    free = next((found for found in quality.comparisons if found.against == FREE), None)
    if free is not None and free.high < 0:
        notes.append(
            f"Enforcing the schema costs {-free.difference:.1%} of the exactly right answers, beyond the 95% interval."
        )
    for split, count in made.lessons.facts["too_long"].items():
        if count:
            notes.append(f"{count} rows of {split} were longer than the context and could not be learned.")
    return tuple(notes)
