"""OpenVINO GenAI as one measured process: worker_openvino.py FOLDER THREADS full|first"""

from __future__ import annotations

import json
import time

from protocol import measure, read_arguments

PATH, THREADS, ONLY_FIRST = read_arguments()

import numpy as np  # noqa: E402 - the threads are told before
import openvino  # noqa: E402
import openvino_genai  # noqa: E402


class Clock(openvino_genai.StreamerBase):
    """Notes when each token came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def write(self, tokens: int | list[int]) -> openvino_genai.StreamingStatus:
        """Called with one token, or with several."""
        self.times += [time.perf_counter()] * (len(tokens) if isinstance(tokens, list) else 1)
        return openvino_genai.StreamingStatus.RUNNING

    def end(self) -> None:
        """Called when all is said."""


class OpenVino:
    """A model folder of optimum."""

    def __init__(self, path: str, threads: int) -> None:
        options = {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": True, "PERFORMANCE_HINT": "LATENCY"}
        self._pipeline = openvino_genai.LLMPipeline(path, "CPU", **options)
        self._tokenizer = self._pipeline.get_tokenizer()
        with open(f"{path}/config.json", encoding="utf-8") as file:
            self.vocabulary: int = json.load(file)["vocab_size"]

    def encode(self, text: str) -> list[int]:
        """Tokens of a text."""
        return [int(token) for token in self._tokenizer.encode(text).input_ids.data[0]]

    def generate(self, prompt: list[int], count: int) -> tuple[float, float]:
        """Seconds to the first token, and from it to the last."""
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = count
        config.ignore_eos, config.do_sample, config.apply_chat_template = True, False, False
        tokens = openvino.Tensor(np.array([prompt], dtype=np.int64))
        mask = openvino.Tensor(np.ones((1, len(prompt)), dtype=np.int64))
        clock = Clock()
        began = time.perf_counter()
        self._pipeline.generate(openvino_genai.TokenizedInputs(tokens, mask), config, clock)
        return clock.times[0] - began, clock.times[-1] - clock.times[0]


measure(OpenVino(PATH, THREADS), ONLY_FIRST)
