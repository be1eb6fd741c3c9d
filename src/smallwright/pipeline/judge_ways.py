"""Packages of one student against each other: answers to the validation rows, time, memory.

Enters: the packages of an exploration's ways. Leaves: an ``Exploration``.
Not here: making the packages (explore.py), the fronts (evaluate/pareto.py).

Answers are kept in a stage a package; time and memory are measured every time, all packages in turn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallwright.data import Row
from smallwright.errors import DataError
from smallwright.evaluate.answers import are_right
from smallwright.evaluate.cost import (
    Cost,
    answer_prompts,
    measure_classifiers,
    measure_generators,
    predict,
    score_completions,
    score_text,
)
from smallwright.evaluate.environment import describe_machine
from smallwright.evaluate.exploration import Exploration, Measure, Point
from smallwright.evaluate.metrics import wilson_interval
from smallwright.evaluate.process import Subject
from smallwright.pipeline.classify import Classifier
from smallwright.pipeline.generate import Generator
from smallwright.pipeline.measure import cut_prompt
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.shared import PACKAGE_FILE
from smallwright.pipeline.stage import write_atomically
from smallwright.pipeline.ways import Way
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load

ACCURACY = Measure("accuracy", "row", more_is_better=True)
EXACT = Measure("exactly right", "row", more_is_better=True)
PERPLEXITY = Measure("perplexity", "token", more_is_better=False)
_VALUES, _ANSWERS = "values.npy", "answers.json"
_MOST_ROWS, _MOST_ANSWERS = 5000, 2000  # a label takes a millisecond, an answer many
_LEAST_TOKENS = 8  # decoded in a call, for a time of one
_NORMAL = 1.959964  # half the width of a 95 % interval, in standard errors


@dataclass(frozen=True)
class Made:
    """A way and the stages that made it. ``own``: the recipe stores its student so; ``seconds``: of the processor."""

    way: Way
    built: Classifier | Generator
    own: bool
    seconds: float

    @property
    def path(self) -> Path:
        """The package."""
        return self.built.package.folder / PACKAGE_FILE


@dataclass(frozen=True)
class _Judged:
    """Of one package: ``values`` (N,) float64, 1 or 0 a row, or nats a token; what it answered, where that is timed."""

    values: NDArray[np.float64]
    answers: list[str]


def judge_ways(recipe: Recipe, shop: Workshop, made: Sequence[Made], left_out: Mapping[str, str]) -> Exploration:
    """Ask every package the validation rows, then time them in turn.

    Args:
        made: at least one; the first is what the others are compared with.
        left_out: for the page.
    Raises:
        DataError: there are no validation rows.
    """
    rows = draw_validation(recipe, read_split(made[0].built.data, "validation"))
    if not rows:
        raise DataError(
            "ways are compared on validation rows. Got none. Give data.validation, or a validation_fraction above 0."
        )
    measure = _measure_of(recipe, made[0].built)
    shop.say(f"asking {len(made)} packages {len(rows)} validation rows, then timing them in turn")
    quiet = Workshop(shop.work, shop.threads, quiet=True)
    judged = [_judge(recipe, quiet, one, rows, measure) for one in made]
    costs, timed = _time(recipe, made, rows, judged)
    return Exploration(
        name=recipe.name,
        measure=measure,
        rows=len(rows),
        values=len(judged[0].values),
        timed=timed,
        reference=made[0].way.name,
        points=tuple(
            _point(one, found, judged[0], costs[one.way.name], measure) for one, found in zip(made, judged, strict=True)
        ),
        left_out=dict(left_out),
        machine=asdict(describe_machine()),
    )


def draw_validation(recipe: Recipe, rows: Sequence[Row]) -> list[Row]:
    """The rows that are asked, in order: of many some by the recipe's seed, because files are often sorted by label; of
    whole texts the first, because each goes on where the one before it ends."""
    most = _MOST_ROWS if recipe.task.kind == "classify" else _MOST_ANSWERS
    if len(rows) <= most or (recipe.task.kind == "generate" and not recipe.answers_prompts):
        return list(rows[:most])
    drawn = np.random.default_rng(recipe.seed).choice(len(rows), most, replace=False)
    return [rows[index] for index in sorted(drawn.tolist())]


def _measure_of(recipe: Recipe, built: Classifier | Generator) -> Measure:
    if isinstance(built, Classifier):
        return ACCURACY
    # Sentences are hardly ever equal: there perplexity tells more, as in the report.
    return EXACT if recipe.answers_prompts and not built.lessons.facts["free_text"] else PERPLEXITY


def _judge(recipe: Recipe, shop: Workshop, one: Made, rows: Sequence[Row], measure: Measure) -> _Judged:
    def run(folder: Path) -> Mapping[str, Any]:
        values, answers = _ask(recipe, one.path, rows, measure)
        np.save(folder / _VALUES, values)
        write_atomically(folder / _ANSWERS, json.dumps(answers, ensure_ascii=False))
        return {"values": len(values)}

    settings = {
        "measure": measure.name,
        "rows": len(rows),
        "seed": recipe.seed,
        "evaluate": recipe.evaluate.model_dump(mode="json"),
    }
    inputs = {"package": one.built.package, "data": one.built.data}
    folder = shop.run("explore", run, settings=settings, inputs=inputs, version=2).folder
    return _Judged(np.load(folder / _VALUES), json.loads((folder / _ANSWERS).read_text(encoding="utf-8")))


def _ask(
    recipe: Recipe, path: Path, rows: Sequence[Row], measure: Measure
) -> tuple[NDArray[np.float64], list[str | None]]:
    """One value a row or token, and the answers to the first rows; None where a prompt did not fit."""
    asked, limit = recipe.evaluate, recipe.evaluate.timeout_seconds
    if measure is ACCURACY:
        predicted = predict(path, [row.text for row in rows], timeout_seconds=limit).predicted
        right = [label == row.label for label, row in zip(predicted, rows, strict=True)]
        return np.array(right, np.float64), list(predicted[: asked.max_latency_texts])
    if not recipe.answers_prompts:
        with load(str(path), threads=1) as package:
            context = package.context
        window = {"window": context, "stride": max(1, context // 2), "max_tokens": asked.max_score_tokens}
        return -score_text(path, _text(rows), **window, timeout_seconds=limit)[0], []
    prompts, expected = [str(row.prompt) for row in rows], [str(row.completion) for row in rows]
    given = prompts if measure is EXACT else prompts[: asked.max_latency_texts]
    answers = answer_prompts(path, given, max_tokens=asked.answer_tokens, timeout_seconds=limit)
    fit = zip(answers.texts, answers.scores, strict=True)
    first = [None if score is None else text for text, score in fit][: asked.max_latency_texts]
    if measure is EXACT:
        return np.array(are_right(expected, answers.texts, answers.whole), np.float64), first
    most = asked.max_score_tokens
    return -score_completions(path, prompts, expected, max_tokens=most, timeout_seconds=limit)[0], first


def _text(rows: Sequence[Row]) -> str:
    return "\n".join(row.text for row in rows)


def _time(
    recipe: Recipe, made: Sequence[Made], rows: Sequence[Row], judged: Sequence[_Judged]
) -> tuple[dict[str, Cost], str]:
    """Costs by way on one thread, all packages in turn, and what was timed."""
    asked, limit = recipe.evaluate, recipe.evaluate.timeout_seconds
    if recipe.task.kind == "generate" and not recipe.answers_prompts:
        with load(str(made[0].path), threads=1) as package:
            prompt, room = cut_prompt(package, _text(rows)), package.context // 2
        subjects = [_subject(one, task="generate") for one in made]
        most = max(2, min(asked.decode_tokens, room))
        costs = measure_generators(
            subjects, prompt, max_tokens=most, rounds=asked.latency_rounds, timeout_seconds=limit
        )
        return costs, f"one of up to {most} tokens decoded after a prompt of {len(prompt)} characters"
    fits = [index for index in range(len(judged[0].answers)) if all(one.answers[index] is not None for one in judged)]
    if not fits:
        raise DataError("a validation prompt must fit the context. Got none that does. Use a longer student.context.")
    if recipe.task.kind == "classify":
        subjects, texts, unit = [_subject(one) for one in made], [row.text for row in rows], "text"
    else:
        arguments = {"max_tokens": asked.answer_tokens}
        subjects = [_subject(one, task="answer", arguments=arguments) for one in made]
        texts, unit = [str(row.prompt) for row in rows], "whole answer"
    expected = {one.way.name: [found.answers[index] for index in fits] for one, found in zip(made, judged, strict=True)}
    costs = measure_classifiers(
        subjects,
        [texts[index] for index in fits],
        rounds=asked.latency_rounds,
        expected=expected,
        timeout_seconds=limit,
    )
    return costs, f"one {unit}, of {len(fits)}"


def _subject(one: Made, **parts: Any) -> Subject:
    return Subject(one.way.name, path=str(one.path), threads=1, cold_starts=1, **parts)


def _point(one: Made, found: _Judged, reference: _Judged, cost: Cost, measure: Measure) -> Point:
    score, low, high = _score(found.values, measure)
    apart = found.values - reference.values
    lost = -float(apart.mean()) if measure.more_is_better else float(apart.mean())
    ms, ms_low, ms_high = _milliseconds(cost)
    return Point(
        name=one.way.name,
        method=one.way.method,
        steps=tuple(dict(step) for step in one.way.steps),
        own=one.own,
        sha256=one.built.package.facts["sha256"],
        size_bytes=int(one.built.package.facts["size_bytes"]),
        score=score,
        low=low,
        high=high,
        lost=lost,
        lost_error=_NORMAL * _standard_error(apart),
        ms=ms,
        ms_low=ms_low,
        ms_high=ms_high,
        added_rss_bytes=cost.added_rss_bytes,
        seconds=one.seconds,
    )


def _score(values: NDArray[np.float64], measure: Measure) -> tuple[float, float, float]:
    """The measure and its 95 % interval: Wilson's of a share; the exponential of the mean nats' normal one."""
    mean = float(values.mean())
    if measure.more_is_better:
        return mean, *wilson_interval(round(float(values.sum())), len(values))
    spread = _NORMAL * _standard_error(values)
    return math.exp(mean), math.exp(mean - spread), math.exp(mean + spread)


def _standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _milliseconds(cost: Cost) -> tuple[float | None, float | None, float | None]:
    """Median of a call and of the rounds' medians, the least and the most; of a token, the median alone.

    None where the model stopped after a few tokens: their time is the difference of two calls, and lost in their noise.
    """
    if cost.latency is not None:
        return cost.latency.p50_ms, cost.latency.round_p50_min_ms, cost.latency.round_p50_max_ms
    speed = cost.generation
    if speed is None or speed.decode_tokens_per_second is None or speed.decode_tokens < _LEAST_TOKENS:
        return None, None, None
    return 1e3 / speed.decode_tokens_per_second, None, None
