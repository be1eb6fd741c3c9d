"""One measured process after another, each behind a look at the machine.

Enters: engines, models, thread counts, rounds. Leaves: a ``Sample`` for every process, nothing dropped.
Not here: medians and claims (cells.py, speed_claims.py), and the workers themselves.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers.engines import Engine
from peers.layout import Layout, PeersError
from peers.protocol import FIRST_TEXT

DRAM_MB = 512  # far above any last-level cache that a small machine has to itself
_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True)
class Sample:
    """What one process gave. ``probe``: the machine just before it. Rates are tokens a second, empty for commands."""

    model: str
    engine: str
    threads: int
    round: int
    first_ms: float
    first_peak_mb: float
    peak_mb: float
    first_kv_mb: float
    decode: tuple[float, ...]
    prefill: tuple[float, ...]
    probe: Mapping[str, float]


def measure_model(
    layout: Layout, model: str, engines: Sequence[Engine], threads: Sequence[int], rounds: int, footprint_mb: float
) -> Iterator[Sample]:
    """Every engine on every thread count in every round, interleaved; odd rounds run backwards, so that nobody always
    follows the same neighbour.

    Raises:
        PeersError: a process failed. Nothing is skipped.
    """
    turns = [(engine, count) for engine in engines for count in threads]
    for number in range(rounds):
        for engine, count in turns if number % 2 == 0 else reversed(turns):
            probe = look(layout, footprint_mb)
            told = run_process(layout, engine, layout.models / model / engine.file, count)
            yield Sample(
                model=model,
                engine=engine.name,
                threads=count,
                round=number,
                first_ms=told["first_ms"],
                first_peak_mb=told["first_peak_kb"] / 1000,
                peak_mb=told["peak_kb"] / 1000,
                first_kv_mb=told["first_kv_bytes"] / 1e6,
                decode=tuple(told["decode"]),
                prefill=tuple(told["prefill"]),
                probe=probe,
            )


def look(layout: Layout, footprint_mb: float) -> dict[str, float]:
    """The machine's limits now; ``footprint_1`` and ``footprint_2`` in GB/s at the model's own size, and ``dram_*``."""
    size = round(footprint_mb, 1)
    command = [str(layout.program("probe")), str(size), str(DRAM_MB)]
    found: dict[str, float] = json.loads(_finish(command, {}))
    for threads in (1, 2):
        found[f"footprint_{threads}"] = found.pop(f"gb_s_{size:g}_{threads}")
        found[f"dram_{threads}"] = found.pop(f"gb_s_{DRAM_MB}_{threads}")
    return found


def run_process(layout: Layout, engine: Engine, path: Path, threads: int) -> dict[str, Any]:
    """Start one process and read its line; ``first_ms`` is from its start to its first token."""
    command = engine.command(layout, path, threads)
    if engine.answers:
        return _answer(command)
    began = time.clock_gettime(time.CLOCK_MONOTONIC)
    told: dict[str, Any] = json.loads(_finish([*command, "full"], engine.environment).strip().splitlines()[-1])
    told["first_ms"] = (told["first_at"] - began) * 1e3
    return told


def write_logits(layout: Layout, engine: Engine, path: Path, out: Path) -> None:
    """Have a C++ worker write its logits of the forced tokens."""
    _finish([*engine.command(layout, path, 1), "logits", str(out)], engine.environment)


def _answer(command: Sequence[str]) -> dict[str, Any]:
    """A person's command: a line in, the first piece of text out; then its peak memory is read while it waits."""
    with tempfile.TemporaryFile() as stderr:
        began = time.clock_gettime(time.CLOCK_MONOTONIC)
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, bufsize=0, env=_environment({})
        )
        assert child.stdin is not None and child.stdout is not None
        with child.stdin, child.stdout:
            child.stdin.write(FIRST_TEXT.encode() + b"\n")
            said = child.stdout.read(1)
            seconds = time.clock_gettime(time.CLOCK_MONOTONIC) - began
            while said and not said.endswith(b"\n"):
                more = child.stdout.read(4096)
                said = said + more if more else b""
            peak_kb = _peak_kb(child.pid) if said else 0
        if child.wait(timeout=_TIMEOUT_SECONDS) or not said:
            stderr.seek(0)
            raise _failure(command, child.returncode, stderr.read().decode(errors="replace"))
    memory = {"first_peak_kb": peak_kb, "peak_kb": peak_kb, "first_kv_bytes": 0}
    return {"first_ms": seconds * 1e3, **memory, "decode": [], "prefill": []}


def _finish(command: Sequence[str], environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=_environment(environment), timeout=_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise _failure(command, None, f"it took longer than {_TIMEOUT_SECONDS:g} s") from error
    if done.returncode or not done.stdout.strip():
        raise _failure(command, done.returncode, done.stderr)
    return done.stdout


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", **more}


def _failure(command: Sequence[str], status: int | None, said: str) -> PeersError:
    words = " ".join(part.rpartition("/")[2] for part in command)
    return PeersError(
        f"a measured process must answer. Got exit status {status} from {words}: {' '.join(said.split())[-300:]} "
        "Run it by hand; run `make peers` again where its file is stale."
    )


def _peak_kb(process: int) -> int:
    """Peak resident memory; the kernel's ru_maxrss would also count the parent's from before exec."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0
