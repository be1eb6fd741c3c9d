"""Judging a generator: how well the shipped file foretells the test text, and how fast it writes.

Enters: the finished stages of a generator. Leaves: the report stage, with the verdict against the budget.
Not here: metrics and measuring themselves (evaluate/).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from smallwright.errors import DataError
from smallwright.evaluate.baselines import NgramScore, choose_ngram
from smallwright.evaluate.cost import Cost, generate_samples, measure_generators, score_text
from smallwright.evaluate.metrics import LanguageScore, language_score
from smallwright.evaluate.process import Subject
from smallwright.evaluate.quality import LanguageQuality, Sample
from smallwright.evaluate.report import Neighbour, Report
from smallwright.pipeline.facts import package_facts
from smallwright.pipeline.generate import Generator
from smallwright.pipeline.measure import cut_prompt
from smallwright.pipeline.report import QUANTIZED, Judged, describe_build, judge_package, run_report
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.shared import PACKAGE_FILE
from smallwright.pipeline.tutoring import describe_balance
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load


def judge_generator(recipe: Recipe, shop: Workshop, made: Generator) -> Judged:
    """Run the report stage."""
    inputs = {"package": made.package, "data": made.data, "teacher-package": made.teacher_package}
    return run_report(recipe, shop, inputs, lambda: _report(recipe, shop, made))


def _report(recipe: Recipe, shop: Workshop, made: Generator) -> Report:
    test = "\n".join(row.text for row in read_split(made.data, "test"))
    if not test:
        raise DataError("a package is judged on test text. Got none. Give data.test, or a larger data.test_fraction.")
    package_path = made.package.folder / PACKAGE_FILE
    score, scored_text = _score(recipe, package_path, test)
    teacher_score = None
    if made.teacher_package is not None:
        teacher_score, _ = _score(recipe, made.teacher_package.folder / PACKAGE_FILE, test)
    ngram = _fit_ngram(made, scored_text) if recipe.evaluate.baseline else None
    costs = _measure(recipe, made, test)
    package = package_facts(recipe, made.package)
    own = costs["package"]
    verdict = judge_package(recipe, package, own)
    return Report(
        **describe_build(recipe, shop, made, measure="perplexity"),
        notes=tuple(describe_balance(made.student)),
        verdict=verdict,
        package=package,
        neighbours=_neighbours(recipe, made, score, teacher_score, ngram, costs),
        costs=tuple(costs.values()),
        language=LanguageQuality(
            score=score,
            reference=teacher_score,
            ngram_order=None if ngram is None else ngram.order,
            ngram_bits_per_byte=None if ngram is None else ngram.bits_per_byte,
            samples=_samples(recipe, package_path, test),
        ),
    )


def _score(recipe: Recipe, path: Path, test: str) -> tuple[LanguageScore, bytes]:
    """The package's score on the first test tokens, and the bytes that those tokens stand for.

    Every token but the first is scored once, with at least half the context before it (as far as the text goes).
    """
    with load(str(path)) as package:
        context = package.context
        tokens = package.tokenize(test, add_special=False)[: recipe.evaluate.max_score_tokens]
        scored = package.detokenize(tokens[1:]).encode("utf-8")
    log_probabilities, _ = score_text(
        path,
        test,
        window=context,
        stride=max(1, context // 2),
        max_tokens=recipe.evaluate.max_score_tokens,
        timeout_seconds=recipe.evaluate.timeout_seconds,
    )
    return language_score(np.asarray(log_probabilities), len(scored)), scored


def _fit_ngram(made: Generator, scored: bytes) -> NgramScore:
    """The simple neighbour reads the same training text and is scored on the same bytes."""
    train, validation = ("\n".join(row.text for row in read_split(made.data, name)) for name in ("train", "validation"))
    return choose_ngram(train.encode("utf-8"), (validation or train[-10_000:]).encode("utf-8"), scored)


def _measure(recipe: Recipe, made: Generator, test: str) -> dict[str, Cost]:
    path = str(made.package.folder / PACKAGE_FILE)
    starts = recipe.evaluate.cold_starts
    subjects = [
        Subject("package", path=path, threads=1, task="generate", cold_starts=starts),
        Subject("package, all cores", path=path, threads=0, task="generate"),
    ]
    if made.teacher_package is not None:
        teacher = str(made.teacher_package.folder / PACKAGE_FILE)
        subjects.append(Subject(QUANTIZED, path=teacher, threads=1, task="generate"))
    with load(path, threads=1) as package:
        prompt, room = cut_prompt(package, test), package.context // 2
    return measure_generators(
        subjects,
        prompt,
        max_tokens=max(2, min(recipe.evaluate.decode_tokens, room)),
        rounds=recipe.evaluate.latency_rounds,
        timeout_seconds=recipe.evaluate.timeout_seconds,
    )


def _samples(recipe: Recipe, path: Path, test: str) -> tuple[Sample, ...]:
    """Prompts taken at even distances from the test text, and what the package makes of them."""
    count = recipe.evaluate.samples
    starts = [len(test) * index // max(1, count) for index in range(count)]
    with load(str(path), threads=1) as package:
        prompts = [prompt for start in starts if (prompt := cut_prompt(package, test[start:].lstrip()).strip())]
        room = package.context // 2
    texts = generate_samples(
        path,
        prompts,
        max_tokens=max(1, min(recipe.evaluate.sample_tokens, room)),
        temperature=recipe.evaluate.sample_temperature,
        seed=recipe.evaluate.seed,
        timeout_seconds=recipe.evaluate.timeout_seconds,
    )
    return tuple(Sample(prompt, text) for prompt, text in zip(prompts, texts, strict=True))


def _neighbours(
    recipe: Recipe,
    made: Generator,
    score: LanguageScore,
    teacher_score: LanguageScore | None,
    ngram: NgramScore | None,
    costs: Mapping[str, Cost],
) -> tuple[Neighbour, ...]:
    def line(name: str, kind: str, found: LanguageScore, cost: Cost, size_bytes: int) -> Neighbour:
        speed = cost.generation
        return Neighbour(
            name=name,
            kind=kind,
            bits_per_byte=found.bits_per_byte,
            size_bytes=size_bytes,
            added_rss_bytes=cost.added_rss_bytes,
            decode_tokens_per_second=None if speed is None else speed.decode_tokens_per_second,
        )

    lines = [line(recipe.name, "package", score, costs["package"], made.package.facts["size_bytes"])]
    if made.teacher_package is not None and teacher_score is not None:
        size = made.teacher_package.facts["size_bytes"]
        lines.append(line(QUANTIZED, "teacher_quantized", teacher_score, costs[QUANTIZED], size))
    if ngram is not None:
        name = f"byte n-grams, order {ngram.order}"
        lines.append(
            Neighbour(name=name, kind="ngram", bits_per_byte=ngram.bits_per_byte, size_bytes=12 * ngram.entries)
        )
    return tuple(lines)
