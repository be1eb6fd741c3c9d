"""What every Python peer does as a measured process; the same as worker.h does for C++.

Enters: an ``Engine``. Leaves: one JSON line. Not here: any engine. Runs in the peers' virtual environments: the
standard library alone, and nothing of ours.
"""

from __future__ import annotations

import json
import os
import sys
import time
from abc import abstractmethod
from typing import Protocol

PREFILL, PROMPT, GENERATE = 512, 64, 128
PREFILL_SAMPLES, DECODE_SAMPLES = 3, 2  # after one that warms up
FIRST_TEXT = "def main(argv): return"


class Engine(Protocol):
    """A peer, opened."""

    vocabulary: int

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Tokens of a text."""

    @abstractmethod
    def generate(self, prompt: list[int], count: int) -> tuple[float, float]:
        """Greedy tokens after a prompt; seconds to the first of them, and from the first to the last."""


class Tokens:
    """Other tokens at every call, so that no cache of prompts can answer."""

    def __init__(self, vocabulary: int) -> None:
        self._range, self._salt = vocabulary - 10, 0

    def next(self, count: int) -> list[int]:
        """The next prompt."""
        self._salt += 101
        return [(self._salt + index * 7919) % self._range + 3 for index in range(count)]


def read_arguments() -> tuple[str, int, bool]:
    """FILE THREADS full|first; the libraries learn of the threads before they are imported."""
    if len(sys.argv) != 4 or sys.argv[3] not in ("full", "first"):
        sys.exit(f"usage: {sys.argv[0]} FILE THREADS full|first")
    os.environ["OMP_NUM_THREADS"] = sys.argv[2]
    os.environ["HF_HUB_OFFLINE"] = "1"
    return sys.argv[1], int(sys.argv[2]), sys.argv[3] == "first"


def measure(engine: Engine, only_first: bool) -> None:
    """Measure and print; the process ends here, without teardown."""
    engine.generate(engine.encode(FIRST_TEXT), 1)
    first_at, first_peak_kb = time.clock_gettime(time.CLOCK_MONOTONIC), peak_kb()
    prefill: list[float] = []
    decode: list[float] = []
    tokens = Tokens(engine.vocabulary)
    if not only_first:
        for sample in range(PREFILL_SAMPLES + 1):
            seconds, _ = engine.generate(tokens.next(PREFILL), 1)
            prefill += [PREFILL / seconds] if sample else []
        for sample in range(DECODE_SAMPLES + 1):
            _, seconds = engine.generate(tokens.next(PROMPT), GENERATE + 1)
            decode += [GENERATE / seconds] if sample else []
    line = {"first_at": first_at, "first_peak_kb": first_peak_kb, "peak_kb": peak_kb(), "first_kv_bytes": 0}
    print(json.dumps({**line, "decode": decode, "prefill": prefill}), flush=True)
    os._exit(0)


def peak_kb() -> int:
    """Peak resident memory of this program alone."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
