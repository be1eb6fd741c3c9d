"""A training run that pauses, so that two of them can take turns: the protocol between a loop and the benchmark.

Enters: the loop's word that a step is done, and how many tokens a batch had. Leaves: on the standard output, one JSON
line before the first step and one after each segment of steps; after each line the loop waits for a line on its
standard input.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

REAL, PADDED = "tokens", "padded"


class Segments:
    """Counts steps and tokens, and stops the run between segments."""

    def __init__(self, steps: int) -> None:
        self.steps, self.done = steps, 0
        self._reset()

    def begin(self, facts: dict[str, Any]) -> None:
        """Say what was checked, and wait for the first turn."""
        self._say(facts)

    def count_batch(self, real: int, padded: int) -> None:
        """A batch was made: its tokens, and its places with padding."""
        self.real, self.padded = self.real + real, self.padded + padded

    def step_done(self) -> None:
        """A step is done; at the end of a segment, report it and wait."""
        self.done += 1
        if self.done % self.steps == 0:
            cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            self._say({"cpu": cpu, "wall": wall, REAL: self.real, PADDED: self.padded, "peak_bytes": peak})

    def _say(self, line: dict[str, Any]) -> None:
        print(json.dumps(line), flush=True)
        if not sys.stdin.readline():
            sys.exit(0)  # the benchmark has gone
        self._reset()

    def _reset(self) -> None:
        self.real = self.padded = 0
        self._cpu, self._wall = time.process_time(), time.perf_counter()
