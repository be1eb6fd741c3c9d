"""ONNX Runtime GenAI as one measured process: worker_genai.py FOLDER THREADS full|first"""

from __future__ import annotations

import json
import time

from protocol import measure, read_arguments

PATH, THREADS, ONLY_FIRST = read_arguments()

import onnxruntime_genai as og  # noqa: E402 - the threads are told before


class GenAi:
    """A model folder of its builder."""

    def __init__(self, path: str, threads: int) -> None:
        config = og.Config(path)
        session = {"session_options": {"intra_op_num_threads": threads}}
        config.overlay(json.dumps({"model": {"decoder": session}}))
        self._model = og.Model(config)
        self._tokenizer = og.Tokenizer(self._model)
        with open(f"{path}/genai_config.json", encoding="utf-8") as file:
            self.vocabulary: int = json.load(file)["model"]["vocab_size"]

    def encode(self, text: str) -> list[int]:
        """Tokens of a text."""
        return [int(token) for token in self._tokenizer.encode(text)]

    def generate(self, prompt: list[int], count: int) -> tuple[float, float]:
        """Seconds to the first token, and from it to the last."""
        params = og.GeneratorParams(self._model)
        length = len(prompt) + count + 1  # of the whole sequence; the minimum keeps an end token from ending it
        params.set_search_options(max_length=length, min_length=length, do_sample=False)
        generator = og.Generator(self._model, params)
        began = time.perf_counter()
        generator.append_tokens(prompt)
        generator.generate_next_token()
        first = time.perf_counter()
        for _ in range(count - 1):
            generator.generate_next_token()
        return first - began, time.perf_counter() - first


measure(GenAi(PATH, THREADS), ONLY_FIRST)
