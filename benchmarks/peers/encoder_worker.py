"""One encoder in one process: encoder_worker.py KIND FILE THREADS RUNS TEXTS; KIND is a key of OPEN.

TEXTS: a JSON list of lists of tokens, all of one length, which are answered together.
Prints one JSON line: the logits of every text, and the microseconds of every run. Works in any of the environments.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

WARM_RUNS = 50
Texts = list[list[int]]
Answer = Callable[[], Sequence[Sequence[float]]]


def open_ours(path: str, threads: int, texts: Texts, *, activation_bits: int = 8) -> Answer:
    """Our engine through its Python client."""
    from smallwright.run import load

    package = load(path, threads=threads, activation_bits=activation_bits)
    return lambda: package.classify_tokens(texts)


def open_ours_bf16(path: str, threads: int, texts: Texts) -> Answer:
    """The same for many texts together on a processor with AMX."""
    return open_ours(path, threads, texts, activation_bits=16)


def open_onnxruntime(path: str, threads: int, texts: Texts) -> Answer:
    """ONNX Runtime on the CPU, every optimisation on."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = _inputs(texts)
    return lambda: session.run(None, inputs)[0]


def open_openvino(path: str, threads: int, texts: Texts, *, fixed: bool = False) -> Answer:
    """OpenVINO on the CPU, for latency. Not pinned: the fixed processor may be the one that others use."""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    if fixed:
        model.reshape({port.any_name: [len(texts), len(texts[0])] for port in model.inputs})
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    options["ENABLE_CPU_PINNING"] = False
    request = core.compile_model(model, "CPU", options).create_infer_request()
    inputs = _inputs(texts)

    def answer() -> Sequence[Sequence[float]]:
        found: Any = request.infer(inputs, share_inputs=True, share_outputs=True)
        return found[0]

    return answer


def open_openvino_fixed(path: str, threads: int, texts: Texts) -> Answer:
    """OpenVINO compiled for this one shape of its inputs, which no application has but which is its fastest."""
    return open_openvino(path, threads, texts, fixed=True)


def _inputs(texts: Texts) -> dict[str, Any]:
    import numpy as np

    tokens = np.array(texts, dtype=np.int64)
    ones = np.ones_like(tokens)
    return {"input_ids": tokens, "attention_mask": ones, "token_type_ids": 0 * ones}


OPEN = {
    "ours": open_ours,
    "ours_bf16": open_ours_bf16,
    "onnxruntime": open_onnxruntime,
    "openvino": open_openvino,
    "openvino_fixed": open_openvino_fixed,
}


def main() -> None:
    """Open, warm, time."""
    kind, path, threads, runs, texts = sys.argv[1:6]
    answer = OPEN[kind](path, int(threads), json.loads(texts))
    logits = [[float(value) for value in row] for row in answer()]
    for _ in range(WARM_RUNS):
        answer()
    times = []
    for _ in range(int(runs)):
        began = time.perf_counter_ns()
        answer()
        times.append((time.perf_counter_ns() - began) / 1e3)
    print(json.dumps({"logits": logits, "us": times}), flush=True)


if __name__ == "__main__":
    main()
