"""One encoder in one process: encoder_worker.py KIND FILE THREADS RUNS TOKEN,TOKEN,...; KIND is a key of OPEN.

Prints one JSON line: the logits, and the microseconds of every run. Works in any of the environments.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

WARM_RUNS = 50
Answer = Callable[[], Sequence[float]]


def open_ours(path: str, threads: int, tokens: list[int]) -> Answer:
    """Our engine through its Python client."""
    from smallwright.run import load

    package = load(path, threads=threads)
    return lambda: package.classify_tokens([tokens])[0]


def open_onnxruntime(path: str, threads: int, tokens: list[int]) -> Answer:
    """ONNX Runtime on the CPU, every optimisation on."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = _inputs(tokens)
    return lambda: session.run(None, inputs)[0][0]


def open_openvino(path: str, threads: int, tokens: list[int], *, fixed: bool = False) -> Answer:
    """OpenVINO on the CPU, for latency. Not pinned: the fixed processor may be the one that others use."""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    if fixed:
        model.reshape({port.any_name: [1, len(tokens)] for port in model.inputs})
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    options["ENABLE_CPU_PINNING"] = False
    request = core.compile_model(model, "CPU", options).create_infer_request()
    inputs = _inputs(tokens)

    def answer() -> Sequence[float]:
        found: Any = request.infer(inputs, share_inputs=True, share_outputs=True)
        return found[0][0]

    return answer


def open_openvino_fixed(path: str, threads: int, tokens: list[int]) -> Answer:
    """OpenVINO compiled for this one number of tokens, which no application has but which is its fastest."""
    return open_openvino(path, threads, tokens, fixed=True)


def _inputs(tokens: list[int]) -> dict[str, Any]:
    import numpy as np

    ones = np.ones((1, len(tokens)), dtype=np.int64)
    return {"input_ids": np.array([tokens], dtype=np.int64), "attention_mask": ones, "token_type_ids": 0 * ones}


OPEN = {
    "ours": open_ours,
    "onnxruntime": open_onnxruntime,
    "openvino": open_openvino,
    "openvino_fixed": open_openvino_fixed,
}


def main() -> None:
    """Open, warm, time."""
    kind, path, threads, runs, tokens = sys.argv[1:6]
    answer = OPEN[kind](path, int(threads), [int(token) for token in tokens.split(",")])
    logits = [float(value) for value in answer()]
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
