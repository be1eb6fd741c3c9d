"""How long a new process takes to its first answer, and how much memory it has taken by then.

Enters: the path of a package, a text. Leaves: seconds and bytes of ``python -m smallwright run`` and of ``sw-run``.
Not here: anything inside those processes.

The text goes in by standard input, which stays open: the process waits after its first answer, and the system can still
be asked for its peak memory. What ``wait4`` tells would include the parent's own size from before the exec. The file is
in the page cache; a first start after boot also reads it from the disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smallwright.errors import EngineError
from smallwright.run.limits import rate_of
from smallwright.spec.device import Rate

_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class ColdStart:
    """``command``: ``python`` or ``sw-run``. ``peak_rss_bytes``: the largest of the repeats, None if unknown."""

    command: str
    seconds: Rate
    peak_rss_bytes: int | None


def measure_cold_starts(
    path: str, text: str, *, task: str, threads: int, repeats: int, in_place: bool = False
) -> list[ColdStart]:
    """Start each program ``repeats`` times, in turn, and wait for the first answer (of generation: one token).

    ``sw-run`` is looked for beside the Python that runs, then on the PATH; it is left out when there is none.

    Raises:
        EngineError: a process ended without an answer; the message carries what it said.
    """
    options = ["--threads", str(threads), *(["--max-tokens", "1"] if task == "generate" else [])]
    options += ["--in-place"] if in_place else []
    commands = {"python": [sys.executable, "-m", "smallwright", "run", path, *options]}
    binary = find_sw_run()
    if binary is not None:
        commands["sw-run"] = [binary, path, *options]
    samples: dict[str, list[tuple[float, int | None]]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            samples[name].append(_start(command, text))
    return [
        ColdStart(
            name,
            rate_of([seconds for seconds, _ in found]),
            max((peak for _, peak in found if peak is not None), default=None),
        )
        for name, found in samples.items()
    ]


def find_sw_run() -> str | None:
    """The path of ``sw-run``, or None."""
    return shutil.which("sw-run", path=str(Path(sys.executable).parent)) or shutil.which("sw-run")


def _start(command: Sequence[str], text: str) -> tuple[float, int | None]:
    here = os.pathsep.join(entry for entry in sys.path if entry)  # so that the child imports this very code
    with tempfile.TemporaryFile() as stderr:
        begin = time.perf_counter()
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": here},
        )
        timer = threading.Timer(_TIMEOUT_SECONDS, child.kill)
        timer.start()
        try:
            assert child.stdin is not None and child.stdout is not None
            answer = _ask(child, text)
            seconds = time.perf_counter() - begin
            peak = _peak_rss_bytes(child.pid) if answer else None
        finally:
            child.kill()
            child.communicate()
            timer.cancel()
        if not answer:
            stderr.seek(0)
            said = " ".join(stderr.read().decode("utf-8", errors="replace")[-600:].split())
            raise EngineError(
                f"a new process must answer. {' '.join(command[:4])} ended with status {child.returncode}. "
                f"It said: {said or 'nothing'}"
            )
    return seconds, peak


def _ask(child: subprocess.Popen[bytes], text: str) -> bytes:
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.write(text.encode("utf-8") + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        return b""
    return child.stdout.readline()


def _peak_rss_bytes(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
