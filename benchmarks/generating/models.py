"""The models that are measured: those of the peers' comparison, with random weights.

Enters: a name. Leaves: our package, opened, and what llama.cpp says of the same file.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peers.engines import OURS_FILE
from peers.layout import PeersError, find_layout
from smallwright.run import Package, load

WORDS = [
    "light",
    "on",
    "the",
    "kitchen",
    "turn",
    "it",
    "is",
    "dark",
    "and",
    "warm",
    "in",
    "here",
    "please",
    "make",
    "off",
    "a",
    "lamp",
    "door",
    "open",
    "play",
    "music",
    "now",
]


def find_model(name: str) -> Path:
    """The package of 8M, 55M or 135M in q4_0, which llama.cpp opens too.

    Raises:
        PeersError: it is not there.
    """
    path = find_layout().models / name / OURS_FILE
    if not path.is_file():
        raise PeersError(f"the model {name} must be prepared. Got no {path}. Run `make peers`.")
    return path


def open_model(name: str, threads: int) -> Package:
    """The package of a model."""
    return load(find_model(name), threads=threads)


def make_prompts(count: int, words: int) -> list[str]:
    """Different prompts of so many words."""
    return [" ".join(WORDS[(7 * i + 3 * j + i * j) % len(WORDS)] for j in range(words)) for i in range(count)]


def ask_llama(name: str, threads: int, mode: str, *arguments: str) -> dict[str, Any]:
    """One measured process of llama.cpp with the same file.

    Raises:
        PeersError: it did not answer.
    """
    command = [find_layout().program("llama_worker"), find_model(name), threads, mode, *arguments]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise PeersError(
            f"llama.cpp must answer. Got exit status {done.returncode}: {' '.join(done.stderr.split())[-300:]} "
            "Run `make peers` again."
        )
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "count": len(values)}
