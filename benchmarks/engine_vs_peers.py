"""How fast are decode, prefill and cold start beside the best-configured peers on the same machine, in one run?

Four random Llama-shaped models; llama.cpp, OpenVINO, ONNX Runtime GenAI and CTranslate2 beside our engine, one process
per engine, thread count and round, interleaved; the answers are checked first, the machine is probed before every
process. Needs `make peers`. A part (--models, --engines) can be run by hand; the whole claim then fails, and says so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from claims import Claims
from peers.accuracy import measure_errors
from peers.cells import BITS, find_starved, gather, print_table
from peers.engines import FAMILIES, Engine, check_ready, list_engines
from peers.exports import list_models
from peers.layout import Layout, PeersError, find_layout
from peers.processes import Sample, measure_model
from peers.protocol import GENERATE, PROMPT
from peers.shapes import SHAPES
from peers.speed_claims import check_errors, check_speed, check_start, check_whole, record

QUESTION = "How fast are decode, prefill and cold start beside the best-configured peers on the same machine?"


def _measure(
    layout: Layout, model: str, engines: Sequence[Engine], threads: Sequence[int], rounds: int
) -> list[Sample]:
    samples = []
    footprint_mb = SHAPES[model].bytes_per_token(BITS, PROMPT + GENERATE / 2) / 1e6
    for sample in measure_model(layout, model, engines, threads, rounds, footprint_mb):
        samples.append(sample)
        decode, prefill = (max(rates, default=0.0) for rates in (sample.decode, sample.prefill))
        print(
            f"{model} round {sample.round + 1} {sample.engine:27} {sample.threads} threads  decode {decode:8.1f}  "
            f"prefill {prefill:8.1f}  first {sample.first_ms:6.0f} ms  peak {sample.peak_mb:6.1f} MB",
            flush=True,
        )
    return samples


def main() -> None:
    """Check the answers, measure, print, claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(SHAPES), help="which models, with commas between")
    parser.add_argument("--engines", default=",".join(FAMILIES), help="which engines, with commas between")
    parser.add_argument("--threads", default="1,2", help="thread counts, with commas between")
    parser.add_argument("--rounds", type=int, default=3, help="processes per engine and thread count")
    options = parser.parse_args()
    models, engines = list_models(options.models), list_engines(options.engines)
    threads = [int(word) for word in options.threads.split(",")]
    claims = Claims("engine_vs_peers", QUESTION)
    try:
        layout = find_layout()
        check_ready(layout, engines, models)
        check_whole(claims, models, len(engines), threads)
        samples: list[Sample] = []
        errors = {}
        for model in models:
            errors[model] = measure_errors(layout, model)
            print(f"{model}: relative error of the logits {errors[model]}", flush=True)
            check_errors(claims, model, errors[model])
            samples += _measure(layout, model, engines, threads, options.rounds)
    except PeersError as error:
        sys.exit(f"engine_vs_peers: {error}")
    sizes = {(m, e.name): e.size_bytes(layout.models / m) for m in models for e in engines}
    cells = gather(samples, sizes)
    for model in models:
        print_table(cells, samples, model)
        for count in threads:
            check_speed(claims, cells, samples, model, count)
            check_start(claims, cells, model, count)
    record(claims, cells, samples, find_starved(samples))
    claims.numbers.update(logit_errors=errors, rounds=options.rounds, seed=0)
    claims.finish()


if __name__ == "__main__":
    main()
