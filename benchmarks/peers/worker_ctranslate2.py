"""CTranslate2 as one measured process: worker_ctranslate2.py FOLDER THREADS full|first"""

from __future__ import annotations

import time
from pathlib import Path

from protocol import measure, read_arguments

PATH, THREADS, ONLY_FIRST = read_arguments()

import ctranslate2  # noqa: E402 - the threads are told before
from tokenizers import Tokenizer  # noqa: E402


class CTranslate2:
    """A converted folder, with the checkpoint's tokenizer beside it."""

    def __init__(self, path: str, threads: int) -> None:
        self._generator = ctranslate2.Generator(
            path, device="cpu", intra_threads=threads, inter_threads=1, compute_type="int8"
        )
        self._tokenizer = Tokenizer.from_file(str(Path(path).parent / "hf" / "tokenizer.json"))
        self.vocabulary: int = self._tokenizer.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """Tokens of a text."""
        tokens: list[int] = self._tokenizer.encode(text).ids
        return tokens

    def generate(self, prompt: list[int], count: int) -> tuple[float, float]:
        """Seconds to the first token, and from it to the last."""
        spelled = [self._tokenizer.id_to_token(token) for token in prompt]
        times: list[float] = []

        def note(_step: object) -> bool:
            times.append(time.perf_counter())
            return False

        began = time.perf_counter()
        self._generator.generate_batch(
            [spelled],
            max_length=count,
            min_length=count,
            sampling_topk=1,
            beam_size=1,
            include_prompt_in_result=False,
            end_token=[],
            callback=note,
        )
        return times[0] - began, times[-1] - times[0]


measure(CTranslate2(PATH, THREADS), ONLY_FIRST)
