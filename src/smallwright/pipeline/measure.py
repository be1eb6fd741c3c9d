"""``smallwright evaluate``: a package on rows that it was not built with.

Enters: a package and rows. Leaves: plain numbers by name.
Not here: judging against a budget or a teacher (judge_*.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from smallwright.data.records import Wanted
from smallwright.data.row import Row, SourceRow
from smallwright.data.sources import read_source
from smallwright.errors import DataError, RecipeError
from smallwright.evaluate import metrics
from smallwright.evaluate.answers import read_value, score_answers
from smallwright.evaluate.cost import answer_prompts, measure_classifiers, measure_generators, predict, score_text
from smallwright.evaluate.free_text import mean_score, rouge_l_scores
from smallwright.evaluate.process import Subject
from smallwright.run import Package, load
from smallwright.run.schema import AnswerForm

PROMPT_CHARS = 80
_LATENCY_TEXTS, _SCORED_TOKENS, _ANSWER_TOKENS = 200, 20_000, 256
_FIELDS = ("text", "label", "prompt", "completion")


def measure_package(file: str, data: str, fields: Sequence[str] = ()) -> dict[str, Any]:
    """Accuracy, exactly right answers or bits per byte on rows, and what answering costs on this machine.

    Args:
        file: a package.
        data: a file or folder of rows; see ``data/``.
        fields: ``ours=theirs`` names, for example ``label=intent``; ``prompt`` and ``completion`` ask for answers.

    Returns:
        Numbers by name, units in the names; fractions are from 0 to 1.

    Raises:
        DataError: no usable row, or a label that the package does not know.
        PackageError: the file cannot be opened.
    """
    names = _read_fields(fields)
    with load(file, threads=1) as package:
        kind, labels, context, schema = package.task, package.labels, package.context, package.schema
    rows = _read(Path(data), names, kind, None if schema is None else AnswerForm(schema).write)
    if schema is not None and "prompt" not in names:
        raise RecipeError(
            "a package that answers prompts is measured on prompts with their answers. Got neither named. "
            "Use --field prompt=NAME --field completion=NAME."
        )
    if kind == "generate" and "prompt" in names:
        return _measure_answers(file, [row.row for row in rows])
    if kind == "generate":
        return _measure_text(file, "\n".join(row.row.text for row in rows), context)
    unknown = next((row for row in rows if row.row.label not in labels), None)
    if unknown is not None:
        raise DataError(
            f"every label must be one of the package's {len(labels)} classes. Got {unknown.row.label!r} in "
            f"{unknown.place}. Correct the row, or remove it."
        )
    return _measure_classes(file, [row.row.text for row in rows], [str(row.row.label) for row in rows])


def cut_prompt(package: Package, text: str) -> str:
    """The beginning of a text that leaves at least half of the package's context free.

    Args:
        package: an opened generator.
        text: cut to ``PROMPT_CHARS`` characters first.
    """
    tokens = package.tokenize(text[:PROMPT_CHARS], add_special=False)
    return package.detokenize(tokens[: max(1, package.context // 2)])


def _read_fields(fields: Sequence[str]) -> dict[str, str]:
    names = {}
    for field in fields:
        ours, separator, theirs = field.partition("=")
        if not separator or ours not in _FIELDS or not theirs:
            raise RecipeError(
                f"a field mapping is {'=NAME, '.join(_FIELDS)}=NAME. Got {field!r}. Example: label=intent."
            )
        names[ours] = theirs
    if ("prompt" in names) != ("completion" in names):
        raise RecipeError(f"prompt and completion are named together. Got only {', '.join(names)}. Name both fields.")
    return names


def _read(path: Path, names: dict[str, str], kind: str, form: Callable[[Any], str | None] | None) -> list[SourceRow]:
    if not path.exists():
        raise DataError(f"rows must be in a readable file or folder. Got {path}, which is not there. Check the path.")
    label = names.get("label", "label") if kind == "classify" else None
    if kind == "classify" and "prompt" in names:
        raise RecipeError(
            "prompt and completion are for packages that generate. Got them for classes. Name text, label."
        )
    pair = {name: names[name] for name in ("prompt", "completion") if name in names}
    wanted = Wanted(text=names.get("text", "text"), label=label, form=form, **pair)
    found = list(read_source(path, str(path), wanted, format=None, documents=kind == "generate"))
    rows = [row for row in found if isinstance(row, SourceRow)]
    rejected = [reject for reject in found if not isinstance(reject, SourceRow)]
    if not rows or rejected:
        first = (
            f"the first of {len(rejected)} bad rows, line {rejected[0].line}: {rejected[0].reason}"
            if rejected
            else "none"
        )
        raise DataError(f"every row must be usable. Got {first}, in {path}. Mend the rows, or map fields with --field.")
    return rows


def _measure_classes(file: str, texts: list[str], labels: list[str]) -> dict[str, Any]:
    answers = predict(file, texts)
    accuracy = metrics.accuracy(labels, answers.predicted)
    some = texts[:_LATENCY_TEXTS]
    subject = Subject("package", path=file, threads=1, cold_starts=3)
    cost = measure_classifiers([subject], some, expected={"package": answers.predicted[: len(some)]})["package"]
    latency = cost.latency
    return {
        "rows": len(texts),
        "accuracy": accuracy.accuracy,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "macro_f1": metrics.macro_f1(labels, answers.predicted),
        "latency_p50_ms": None if latency is None else latency.p50_ms,
        "latency_p95_ms": None if latency is None else latency.p95_ms,
        "cold_start_ms": cost.cold_start_ms,
        "peak_rss_bytes": cost.peak_rss_bytes,
        "size_bytes": cost.size_bytes,
    }


def _measure_answers(file: str, rows: list[Row]) -> dict[str, Any]:
    prompts, expected = [str(row.prompt) for row in rows], [str(row.completion) for row in rows]
    answers = answer_prompts(file, prompts, max_tokens=_ANSWER_TOKENS)
    score = score_answers(expected, answers.texts, whole=answers.whole)
    options = {"max_tokens": _ANSWER_TOKENS}
    subject = Subject("package", path=file, threads=1, task="answer", arguments=options, cold_starts=3)
    asked = zip(prompts, answers.texts, answers.scores, strict=True)
    timed = [(prompt, text) for prompt, text, score in asked if score is not None][:_LATENCY_TEXTS]
    if not timed:
        raise DataError(f"a prompt must fit the package's context. Got none of {len(rows)} that does. Shorten them.")
    expected_texts = {"package": [text for _, text in timed]}
    cost = measure_classifiers([subject], [prompt for prompt, _ in timed], expected=expected_texts)["package"]
    return {
        "rows": len(rows),
        "exactly_right": score.exact.accuracy,
        "exactly_right_low": score.exact.low,
        "exactly_right_high": score.exact.high,
        "field_f1": score.field_f1,
        **_score_text(expected, answers.texts),
        "whole": score.whole,
        "latency_p50_ms": None if cost.latency is None else cost.latency.p50_ms,
        "latency_p95_ms": None if cost.latency is None else cost.latency.p95_ms,
        "cold_start_ms": cost.cold_start_ms,
        "peak_rss_bytes": cost.peak_rss_bytes,
        "size_bytes": cost.size_bytes,
    }


def _score_text(expected: Sequence[str], given: Sequence[str]) -> dict[str, float]:
    """ROUGE-L, where the answers are not all JSON objects."""
    if all(isinstance(read_value(text), dict) for text in expected):
        return {}
    found = mean_score(rouge_l_scores(expected, given))
    return {"rouge_l": found.mean, "rouge_l_low": found.low, "rouge_l_high": found.high}


def _measure_text(file: str, text: str, context: int) -> dict[str, Any]:
    with load(file) as package:
        tokens = package.tokenize(text, add_special=False)[:_SCORED_TOKENS]
        scored = package.detokenize(tokens[1:]).encode("utf-8")
        prompt = cut_prompt(package, text)
    if len(tokens) < 2 or not scored:
        raise DataError(f"scoring needs at least two tokens of text. Got {len(tokens)}. Give more text.")
    stride = max(1, context // 2)
    log_probabilities, _ = score_text(file, text, window=context, stride=stride, max_tokens=_SCORED_TOKENS)
    score = metrics.language_score(log_probabilities, len(scored))
    subject = Subject("package", path=file, threads=1, task="generate", cold_starts=3)
    cost = measure_generators([subject], prompt, max_tokens=max(2, min(64, context // 2)))["package"]
    speed = cost.generation
    return {
        "tokens": score.tokens,
        "perplexity": score.perplexity,
        "bits_per_byte": score.bits_per_byte,
        "decode_tokens_per_second": None if speed is None else speed.decode_tokens_per_second,
        "prefill_tokens_per_second": None if speed is None else speed.prefill_tokens_per_second,
        "cold_start_ms": cost.cold_start_ms,
        "peak_rss_bytes": cost.peak_rss_bytes,
        "size_bytes": cost.size_bytes,
    }
