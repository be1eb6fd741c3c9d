"""Judging free text: ROUGE-L of everyone's answers, and how well the shipped file foretells the reference ones.

Enters: the finished stages, the test rows and everyone's answers to them. Leaves: numbers for the report.
Not here: the report itself, exactly right answers and costs (judge_answers.py), the metrics (evaluate/free_text.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smallwright.data import Row
from smallwright.evaluate.answers import AnswerScore
from smallwright.evaluate.cost import Answers, score_completions
from smallwright.evaluate.free_text import (
    FreeTextQuality,
    MeanScore,
    choose_samples,
    compare_means,
    mean_score,
    median_words,
    rouge_l_scores,
)
from smallwright.evaluate.metrics import LanguageScore, language_score
from smallwright.pipeline.generate import Generator
from smallwright.pipeline.report import QUANTIZED
from smallwright.pipeline.shared import PACKAGE_FILE
from smallwright.pipeline.stage import Outcome
from smallwright.recipe import Recipe

_MOST_CUT = 0.05  # share of answers that a limit ended, above which the report says so


@dataclass(frozen=True)
class JudgedText:
    """``scores``: ROUGE-L by system; ``languages``: of the systems that are language models, where measured."""

    quality: FreeTextQuality
    scores: Mapping[str, MeanScore]
    languages: Mapping[str, LanguageScore]


def judge_text(
    recipe: Recipe, made: Generator, rows: Sequence[Row], own: Answers, others: Mapping[str, Answers]
) -> JudgedText:
    """Score everyone.

    Args:
        rows: the test rows, at least one.
        own: the package's answers to them.
        others: other systems' answers, by name.
    """
    settings, expected = recipe.evaluate, [str(row.completion) for row in rows]
    heard = {recipe.name: own, **others}
    each = {name: rouge_l_scores(expected, answers.texts) for name, answers in heard.items()}
    draws = {"resamples": settings.bootstrap_resamples, "seed": settings.seed}
    scores = {name: mean_score(values, **draws) for name, values in each.items()}
    files = {recipe.name: made.package, QUANTIZED: made.teacher_package}
    foretold = {
        name: _foretell(recipe, outcome.folder / PACKAGE_FILE, rows)
        for name, outcome in files.items()
        if outcome is not None
    }
    languages = {name: score for name, (score, _) in foretold.items() if score is not None}
    prompts = [str(row.prompt) for row in rows]
    quality = FreeTextQuality(
        rouge_l=scores[recipe.name],
        comparisons=tuple(
            compare_means(each[recipe.name], each[name], name=name, **draws) for name in heard if name != recipe.name
        ),
        language=languages.get(recipe.name),
        language_rows=foretold[recipe.name][1],
        teacher_language=languages.get(QUANTIZED),
        expected_words=median_words(expected),
        given_words=median_words(own.texts),
        samples=choose_samples(prompts, expected, own.texts, each[recipe.name], settings.samples),
    )
    return JudgedText(quality, scores, languages)


def _foretell(recipe: Recipe, package: Path, rows: Sequence[Row]) -> tuple[LanguageScore | None, int]:
    """The package's score on the reference completions, and on how many; None where none fits its context."""
    log_probabilities, scored, text_bytes = score_completions(
        package,
        [str(row.prompt) for row in rows],
        [str(row.completion) for row in rows],
        max_tokens=recipe.evaluate.max_score_tokens,
        threads=recipe.threads or 0,
        timeout_seconds=recipe.evaluate.timeout_seconds,
    )
    return (language_score(np.asarray(log_probabilities), text_bytes) if text_bytes else None), scored


def warn_of_text(quality: FreeTextQuality, score: AnswerScore, simple: Collection[str]) -> list[str]:
    """What takes the shine off the package's text.

    Args:
        score: the package's answers, exactly right or not, whole or cut.
        simple: names of the simple neighbours.
    """
    notes = [
        f"The simple baseline is better: {found.against} has {-100 * found.difference:.1f} points more ROUGE-L, beyond "
        "the 95% interval. Ship that, train longer, or give more data."
        for found in quality.comparisons
        if found.against in simple and found.high < 0
    ]
    if 1 - score.whole > _MOST_CUT:
        notes.append(
            f"{1 - score.whole:.1%} of the answers did not end by themselves: evaluate.answer_tokens or the context "
            "ended them, or the prompt did not fit it."
        )
    return notes


def describe_written(written: Outcome) -> str:
    """What the teacher's text came to."""
    facts = written.facts
    left_out = {
        "cut short or against the schema": facts["cut"],
        "empty": facts["empty"],
        "with a prompt beyond its context": facts["unread"],
    }
    lost = ", ".join(f"{count} {name}" for name, count in left_out.items() if count)
    return f"The teacher wrote completions of its own for {facts['rows']} training rows" + (
        f"; left out: {lost}." if lost else "."
    )
