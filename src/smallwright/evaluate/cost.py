"""What a package (or a teacher, or a baseline) costs on this machine, each measured in its own fresh process.

Enters: subjects and the texts to ask. Leaves: latency, cold start, memory, tokens a second; predictions of a package.
Not here: the processes themselves (process.py, worker.py).

Timed rounds of several subjects are taken in turn (a, b, a, b, ...), so that a slow minute of the machine falls on all
of them alike; while one is timed the others wait. Answers are checked before anything is timed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallwright.errors import EngineError
from smallwright.evaluate.process import Process, Subject
from smallwright.evaluate.timing import Latency, summarise

PREDICT_BATCH = 64
_FIRST_CHARS = 8  # a first prompt that fits into any context


@dataclass(frozen=True)
class GenerationSpeed:
    """Tokens a second, medians over rounds. ``decode`` is None when the model stopped before a second token."""

    prompt_tokens: int
    decode_tokens: int
    prefill_tokens_per_second: float
    decode_tokens_per_second: float | None


@dataclass(frozen=True)
class Cost:
    """One subject's price. ``threads`` 0: all cores of the process.

    ``cold_start_ms``: from starting a process to its first answer, Python and imports included (median of fresh
    processes; the file is in the page cache). ``open_ms``: opening alone. ``peak_rss_bytes``: the whole process;
    ``added_rss_bytes``: what opening and answering added to a process that had already imported its runtime. None: not
    measured.
    """

    name: str
    threads: int
    cold_start_ms: float
    open_ms: float
    latency: Latency | None
    generation: GenerationSpeed | None
    peak_rss_bytes: int | None
    added_rss_bytes: int | None
    size_bytes: int | None


@dataclass(frozen=True)
class Predictions:
    """A package's answers. ``logits``: (N, C) float32, not divided by ``temperature``; ``labels``: the C classes."""

    labels: tuple[str, ...]
    logits: NDArray[np.float32]
    temperature: float

    @property
    def predicted(self) -> list[str]:
        """The most likely label of each row; the first of equals."""
        return [self.labels[index] for index in self.logits.argmax(axis=1)]


def measure_classifiers(
    subjects: Sequence[Subject],
    texts: Sequence[str],
    *,
    rounds: int = 5,
    expected: dict[str, Sequence[str]] | None = None,
    timeout_seconds: float = 1800.0,
) -> dict[str, Cost]:
    """Cold start, memory and latency of classifiers, side by side.

    Args:
        subjects: with different names.
        texts: asked one at a time, in this order.
        rounds: timed passes a subject, after one untimed pass.
        expected: by name of a subject, the labels it must answer before it is timed.
        timeout_seconds: longest wait for one answer of a process.
    Returns:
        Costs by name, in the order of the subjects.
    Raises:
        EngineError: an answer differs from the expected one; names repeat; there are no texts; a process fails.
    """
    if not texts or not subjects or len({subject.name for subject in subjects}) != len(subjects):
        raise EngineError(
            f"measuring needs texts and differently named subjects. Got {len(texts)} texts, "
            f"subjects {[subject.name for subject in subjects]}."
        )
    starts = {subject.name: _cold_starts(subject, texts[0], timeout_seconds) for subject in subjects}
    with ExitStack() as stack:
        workers = [stack.enter_context(Process(subject, texts[0], timeout_seconds)) for subject in subjects]
        for worker in workers:
            starts[worker.subject.name].append((worker.cold_start_ms, worker.open_ms))
            answers = worker.ask("classify", texts=list(texts))["labels"]
            _check_answers(worker.subject.name, texts, answers, (expected or {}).get(worker.subject.name))
        memory = {worker.subject.name: worker.ask("memory") for worker in workers}
        taken: dict[str, list[list[int]]] = {subject.name: [] for subject in subjects}
        for turn in range(rounds):
            for worker in workers if turn % 2 == 0 else reversed(workers):
                taken[worker.subject.name].append(worker.ask("time")["nanoseconds"])
    return {
        subject.name: _cost(subject, starts[subject.name], memory[subject.name], summarise(taken[subject.name]), None)
        for subject in subjects
    }


def measure_generators(
    subjects: Sequence[Subject],
    prompt: str,
    *,
    max_tokens: int = 64,
    rounds: int = 5,
    timeout_seconds: float = 1800.0,
) -> dict[str, Cost]:
    """Cold start, memory, prefill and decoding speed of generating packages, side by side.

    Args:
        subjects: with different names and ``task="generate"``.
        prompt: the text that is continued.
        max_tokens: 2 or more new tokens.
        rounds: timed passes a subject, after one untimed pass.
        timeout_seconds: longest wait for one answer of a process.
    Returns:
        Costs by name, in the order of the subjects.
    Raises:
        EngineError: a process fails.
    """
    starts = {subject.name: _cold_starts(subject, prompt, timeout_seconds) for subject in subjects}
    with ExitStack() as stack:
        workers = [stack.enter_context(Process(subject, prompt, timeout_seconds)) for subject in subjects]
        taken: dict[str, list[dict[str, int]]] = {subject.name: [] for subject in subjects}
        for worker in workers:
            starts[worker.subject.name].append((worker.cold_start_ms, worker.open_ms))
            worker.ask("speed", prompt=prompt, max_tokens=max_tokens)
        memory = {worker.subject.name: worker.ask("memory") for worker in workers}
        for turn in range(rounds):
            for worker in workers if turn % 2 == 0 else reversed(workers):
                taken[worker.subject.name].append(worker.ask("speed", prompt=prompt, max_tokens=max_tokens))
    return {
        subject.name: _cost(
            subject, starts[subject.name], memory[subject.name], None, generation_speed(taken[subject.name])
        )
        for subject in subjects
    }


def generation_speed(rounds: Sequence[dict[str, int]]) -> GenerationSpeed:
    """Medians over rounds of the two timed generations of the worker's ``speed``.

    The short one is the prompt and one new token, which costs no pass of its own; the rest of the long one is decoding.

    Raises:
        EngineError: the engine counted no rows at all.
    """
    first = rounds[0]
    prompt_tokens, decode_tokens = first["short_rows"], first["long_rows"] - first["short_rows"]
    if prompt_tokens < 1:
        raise EngineError(f"the engine must count the tokens of a prompt. Got {prompt_tokens} rows in its counters.")
    prefill = median(prompt_tokens / turn["short_ns"] * 1e9 for turn in rounds)
    decode_ns = median(turn["long_ns"] - turn["short_ns"] for turn in rounds)
    decode = decode_tokens / decode_ns * 1e9 if decode_tokens > 0 and decode_ns > 0 else None
    return GenerationSpeed(prompt_tokens, decode_tokens, prefill, decode)


def predict(
    path: str | Path, texts: Sequence[str], *, threads: int = 0, timeout_seconds: float = 1800.0
) -> Predictions:
    """Class logits of every text from the package, in a fresh process.

    Args:
        path: a classifying package.
        texts: one or more.
        threads: 0 means all cores.
    Raises:
        EngineError: no texts, or the process fails.
        PackageError: the file cannot be opened.
    """
    if not texts:
        raise EngineError("predicting needs at least one text. Got none.")
    subject = Subject(name=Path(path).name, path=str(path), threads=threads)
    with tempfile.TemporaryDirectory() as folder, Process(subject, texts[0], timeout_seconds) as worker:
        save = Path(folder) / "logits.npy"
        told = worker.ask("predict", texts=list(texts), batch=PREDICT_BATCH, save=str(save))
        return Predictions(tuple(told["labels"]), np.load(save), told["temperature"])


def score_text(
    path: str | Path,
    text: str,
    *,
    window: int,
    stride: int,
    max_tokens: int,
    threads: int = 0,
    timeout_seconds: float = 1800.0,
) -> tuple[NDArray[np.float64], int]:
    """Log-probabilities of the first tokens of a text from the package, in a fresh process.

    Args:
        path: a generating package.
        text: tokenised whole, then cut to ``max_tokens`` tokens.
        window, stride: see ``metrics.token_log_probs``; the window is at most the model's context.
        max_tokens: 2 or more.
        threads: 0 means all cores.
    Returns:
        (scored - 1,) natural log-probabilities, and the number of tokens of the whole text.
    Raises:
        EngineError: the process fails.
    """
    subject = Subject(name=Path(path).name, path=str(path), threads=threads, task="generate")
    with tempfile.TemporaryDirectory() as folder, Process(subject, text[:_FIRST_CHARS], timeout_seconds) as worker:
        save = Path(folder) / "log_probs.npy"
        told = worker.ask("score", text=text, window=window, stride=stride, max_tokens=max_tokens, save=str(save))
        return np.load(save), told["text_tokens"]


def score_completions(
    path: str | Path,
    prompts: Sequence[str],
    completions: Sequence[str],
    *,
    max_tokens: int,
    threads: int = 0,
    timeout_seconds: float = 1800.0,
) -> tuple[NDArray[np.float64], int, int]:
    """Log-probabilities of reference completions from the package, each after its prompt, in a fresh process.

    Args:
        path: a package that answers prompts.
        prompts, completions: (N,) at least one; a pair that is longer than the context is left out.
        max_tokens: rows are scored in order until so many tokens are.
        threads: 0 means all cores.
    Returns:
        (T,) natural log-probabilities of the completions' tokens and an end token after each (where the package names
        one); the number of rows that they are of; and the UTF-8 bytes of those rows' completions.
    Raises:
        EngineError: no prompts, or the process fails.
    """
    if not prompts:
        raise EngineError("scoring completions needs at least one prompt. Got none.")
    subject = Subject(name=Path(path).name, path=str(path), threads=threads, task="generate")
    with (
        tempfile.TemporaryDirectory() as folder,
        Process(subject, prompts[0][:_FIRST_CHARS], timeout_seconds) as worker,
    ):
        save = Path(folder) / "log_probs.npy"
        pairs = {"prompts": list(prompts), "completions": list(completions)}
        told = worker.ask("foretell", **pairs, max_tokens=max_tokens, save=str(save))
        return np.load(save), told["rows"], told["text_bytes"]


def generate_samples(
    path: str | Path,
    prompts: Sequence[str],
    *,
    max_tokens: int,
    temperature: float,
    seed: int,
    threads: int = 0,
    timeout_seconds: float = 1800.0,
) -> list[str]:
    """Continue each prompt with the package, in a fresh process. An empty list of prompts gives an empty list."""
    if not prompts:
        return []
    subject = Subject(name=Path(path).name, path=str(path), threads=threads, task="generate")
    with Process(subject, prompts[0], timeout_seconds) as worker:
        answer = worker.ask(
            "generate", prompts=list(prompts), max_tokens=max_tokens, temperature=temperature, seed=seed
        )
        texts: list[str] = answer["texts"]
        return texts


@dataclass(frozen=True)
class Answers:
    """A package's greedy answers to N prompts.

    ``scores``: sums of the log-probabilities of the chosen tokens; None where the prompt is longer than the context,
    and the answer empty. ``probabilities``: of being right, by the package's own calibration; None where it has none or
    the answer was cut short.
    """

    texts: tuple[str, ...]
    whole: tuple[bool, ...]
    scores: tuple[float | None, ...]
    probabilities: tuple[float | None, ...]


def answer_prompts(
    path: str | Path,
    prompts: Sequence[str],
    *,
    max_tokens: int,
    free: bool = False,
    threads: int = 0,
    timeout_seconds: float = 1800.0,
) -> Answers:
    """Answer every prompt with the package, in a fresh process; under its schema unless ``free``.

    Raises:
        EngineError: no prompts, or the process fails.
        PackageError: the file cannot be opened.
    """
    if not prompts:
        raise EngineError("answering needs at least one prompt. Got none.")
    told: dict[str, list[Any]] = {"texts": [], "whole": [], "scores": [], "probabilities": []}
    batches = answer_batches(
        path, prompts, max_tokens=max_tokens, free=free, threads=threads, timeout_seconds=timeout_seconds
    )
    for answers in batches:
        for name, values in told.items():
            values += getattr(answers, name)
    return Answers(**{name: tuple(values) for name, values in told.items()})


def answer_batches(
    path: str | Path,
    prompts: Sequence[str],
    *,
    max_tokens: int,
    free: bool = False,
    threads: int = 0,
    timeout_seconds: float = 1800.0,
) -> Iterator[Answers]:
    """As ``answer_prompts``, ``PREDICT_BATCH`` prompts at a time, as they come."""
    subject = Subject(name=Path(path).name, path=str(path), threads=threads, task="answer", arguments={"max_tokens": 1})
    with Process(subject, prompts[0][:_FIRST_CHARS], timeout_seconds) as worker:
        for start in range(0, len(prompts), PREDICT_BATCH):
            some = list(prompts[start : start + PREDICT_BATCH])
            told = worker.ask("complete", prompts=some, max_tokens=max_tokens, free=free)
            yield Answers(**{name: tuple(values) for name, values in told.items()})


def _cold_starts(subject: Subject, text: str, timeout_seconds: float) -> list[tuple[float, float]]:
    """All cold starts but the last, which is that of the process used for timing."""
    starts = []
    for _ in range(subject.cold_starts - 1):
        with Process(subject, text, timeout_seconds) as worker:
            starts.append((worker.cold_start_ms, worker.open_ms))
    return starts


def _check_answers(name: str, texts: Sequence[str], answers: Sequence[str], expected: Sequence[str] | None) -> None:
    for text, got, want in zip(texts, answers, expected if expected is not None else answers, strict=True):
        if got != want:
            raise EngineError(
                f"a system must answer alone as it answered in the batch before it is timed. {name} said {got!r}, "
                f"not {want!r}, to {text[:80]!r}."
            )


def _cost(
    subject: Subject,
    starts: list[tuple[float, float]],
    memory: dict[str, int | None],
    latency: Latency | None,
    generation: GenerationSpeed | None,
) -> Cost:
    peak, imported = memory["peak_since_import_bytes"], memory["import_rss_bytes"]
    return Cost(
        name=subject.name,
        threads=subject.threads,
        cold_start_ms=median(cold for cold, _ in starts),
        open_ms=median(opened for _, opened in starts),
        latency=latency,
        generation=generation,
        peak_rss_bytes=memory["peak_rss_bytes"],
        added_rss_bytes=None if peak is None or imported is None else max(0, peak - imported),
        size_bytes=None if subject.path is None else Path(subject.path).stat().st_size,
    )
