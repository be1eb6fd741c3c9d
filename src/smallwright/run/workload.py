"""The work that a package is measured on, counted: tokens, bytes read, operations.

Enters: an opened model. Leaves: a ``Case`` per phase, ready to be timed. Not here: repeats, limits, statistics.

Prompts are random tokens and generation goes on past the end token, so that the work depends on the shapes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallwright.run import _engine

PREFILL_TOKENS, QUICK_PREFILL_TOKENS = 512, 128
PROMPT_TOKENS, GENERATED_TOKENS, QUICK_GENERATED_TOKENS = 64, 128, 32
SHORT_TEXT_TOKENS = 12
BATCH = 32
KV_BITS = 16
_TEXT = "please turn on the light in the kitchen and set the heating to twenty degrees when i am back home"


@dataclass(frozen=True)
class Case:
    """One phase on some threads. ``time(calls)``: seconds of single calls (decoding: means of a token).

    ``detail``: the work in words. ``weight_bytes`` and ``kv_bytes`` are what a call reads, ``working_set_bytes`` what
    one pass of it reads; ``tokens``, ``int8_operations`` and ``f32_operations`` are of a call. ``single_calls``:
    percentiles of calls mean something.
    """

    name: str
    detail: str
    threads: int
    units: str
    units_of_call: int
    tokens: int
    weight_bytes: int
    kv_bytes: float
    working_set_bytes: float
    int8_operations: int
    f32_operations: int
    single_calls: bool
    time: Callable[[int], list[float]]


def short_text(model: _engine.Model, tokens: int = SHORT_TEXT_TOKENS) -> str:
    """Plain words whose number of tokens is nearest to ``tokens`` and within the model's context."""
    words = _TEXT.split()
    texts = [" ".join(words[:count]) for count in range(1, len(words) + 1)]
    return min(texts, key=lambda text: abs(len(model.encode(text, True)) - min(tokens, model.context)))


def generate_cases(model: _engine.Model, threads: int, *, quick: bool) -> list[Case]:
    """Prefill and decoding, in a session of their own. A context of one token leaves no room to decode."""
    session = _engine.Session(model, threads, KV_BITS)
    work = _engine.count_work(model)
    prefill = random_tokens(model, min(QUICK_PREFILL_TOKENS if quick else PREFILL_TOKENS, model.context))
    cases = [_prefill(session, work, prefill, threads)]
    prompt = random_tokens(model, max(1, min(PROMPT_TOKENS, model.context // 3)))
    steps = min(QUICK_GENERATED_TOKENS if quick else GENERATED_TOKENS, model.context - len(prompt))
    if steps > 0:
        cases.append(_decode(session, work, prompt, steps, threads))
    return cases


def classify_cases(model: _engine.Model, threads: int, *, quick: bool) -> list[Case]:
    """One short text at a time, and a batch. ``quick`` changes nothing: this work is small."""
    del quick
    session = _engine.Session(model, threads, KV_BITS)
    words = short_text(model).split()
    turned = [" ".join(words[turn % len(words) :] + words[: turn % len(words)]) for turn in range(BATCH)]
    return [
        _classify(model, session, "text", [" ".join(words)], threads),
        _classify(model, session, "batch", turned, threads),
    ]


def random_tokens(model: _engine.Model, count: int) -> NDArray[np.int32]:
    """(count,) tokens of the vocabulary, always the same ones."""
    return np.random.default_rng(0).integers(0, model.vocabulary, count).astype(np.int32)


def _prefill(session: _engine.Session, work: dict[str, int], tokens: NDArray[np.int32], threads: int) -> Case:
    count = len(tokens)
    weights, pass_weights = _weight_bytes(session, lambda: _engine.time_prefill(session, tokens))
    int8, f32 = _operations(work, count, 1, count * (count + 1) // 2, count)
    kept = work["kept_values"] * KV_BITS // 8 * count  # read at least once
    return Case(
        name="prefill",
        detail=f"{count} tokens",
        threads=threads,
        units="tokens",
        units_of_call=count,
        tokens=count,
        weight_bytes=weights,
        kv_bytes=kept,
        working_set_bytes=pass_weights + kept,
        int8_operations=int8,
        f32_operations=f32,
        single_calls=False,
        time=lambda calls: [_engine.time_prefill(session, tokens) for _ in range(calls)],
    )


def _decode(
    session: _engine.Session, work: dict[str, int], prompt: NDArray[np.int32], steps: int, threads: int
) -> Case:
    _engine.time_prefill(session, prompt)
    weights, _ = _weight_bytes(session, lambda: session.append(prompt[:1], False))
    length = len(prompt) + (steps + 1) // 2  # keys that the token in the middle looks at
    int8, f32 = _operations(work, 1, 1, length, length)
    kept = work["kept_values"] * KV_BITS // 8 * length
    return Case(
        name="decode",
        detail=f"{steps} after {len(prompt)}",
        threads=threads,
        units="tokens",
        units_of_call=1,
        tokens=1,
        weight_bytes=weights,
        kv_bytes=kept,
        working_set_bytes=weights + kept,
        int8_operations=int8,
        f32_operations=f32,
        single_calls=False,
        time=lambda calls: [_engine.time_decode(session, prompt, steps) for _ in range(max(1, calls // steps))],
    )


def _classify(model: _engine.Model, session: _engine.Session, name: str, texts: Sequence[str], threads: int) -> Case:
    work = _engine.count_work(model)
    lengths = [min(len(model.encode(text, True)), model.context) for text in texts]
    weights, pass_weights = _weight_bytes(session, lambda: session.classify_texts(list(texts)))
    pairs = sum(length * length for length in lengths)
    int8, f32 = _operations(work, sum(lengths), len(texts), pairs, sum(lengths))
    return Case(
        name=name,
        detail=f"{len(texts)} of {sum(lengths) / len(texts):.3g} tokens",
        threads=threads,
        units="texts",
        units_of_call=len(texts),
        tokens=sum(lengths),
        weight_bytes=weights,
        kv_bytes=0.0,
        working_set_bytes=pass_weights,
        int8_operations=int8,
        f32_operations=f32,
        single_calls=True,
        time=lambda calls: _engine.time_classify(session, list(texts), calls),
    )


def _weight_bytes(session: _engine.Session, call: Callable[[], object]) -> tuple[int, float]:
    """Bytes of packed weights that a call reads, and that one of its passes reads, by the engine's own counters."""
    before = session.counters()
    call()
    after = session.counters()
    weights = after["weight_bytes_read"] - before["weight_bytes_read"]
    return weights, weights / max(1, after["passes"] - before["passes"])


def _operations(work: dict[str, int], tokens: int, answers: int, pairs: int, answer_pairs: int) -> tuple[int, int]:
    """(int8, f32) operations: two a multiply-add. ``pairs``: of a token and a key it looks at, over all tokens."""
    int8 = work["token_int8"] * tokens + work["answer_int8"] * answers
    f32 = work["token_f32"] * tokens + work["answer_f32"] * answers
    attention = work["token_pair"] * pairs + work["answer_pair"] * answer_pairs
    return 2 * int8, 2 * (f32 + attention)
