"""The parent's end of a worker: start it, ask it, close it.

Enters: a ``Subject``. Leaves: answers of a fresh process, or the error it met, raised here again.
Not here: what the answers mean (cost.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

from smallwright import errors
from smallwright.errors import EngineError, PackageError, SmallwrightError

_STDERR_CHARS = 600


@dataclass(frozen=True)
class Subject:
    """What a worker opens.

    ``name``: for people. ``path``: of a package; or ``target``: ``module:function`` below ``smallwright``.
    ``arguments``: of the target; of a package with task ``answer``, the options of its answers. ``threads``: 1 or more;
    0 means all cores this process may use. ``cold_starts``: fresh processes whose start is timed.
    """

    name: str
    path: str | None = None
    target: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    task: Literal["classify", "generate", "answer"] = "classify"
    cold_starts: int = 1

    def __post_init__(self) -> None:
        if (self.path is None) == (self.target is None):
            raise EngineError(f"a subject has either a path or a target. Got {self.path!r} and {self.target!r}.")


class Process:
    """A worker process with its subject opened. Use it in a ``with``; leaving ends the process.

    Args:
        subject: what to open.
        first_text: the text of the first answer (a prompt for generation).
        timeout_seconds: longest wait for any one answer.

    Raises:
        SmallwrightError: whatever the subject refused, of the same class.
        EngineError: the process died or did not answer in time.
    """

    def __init__(self, subject: Subject, first_text: str, timeout_seconds: float = 1800.0) -> None:
        self.subject = subject
        self._timeout_seconds = timeout_seconds
        self._stderr = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by close()
        started_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self._child = subprocess.Popen(
            [sys.executable, "-m", "smallwright.evaluate.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=_environment(subject),
            text=True,
            encoding="utf-8",
        )
        try:
            opened = self.ask("open", first_text=first_text, **_description(subject))
        except BaseException:
            self.close()
            raise
        self.first_answer: str = opened["answer"]
        self.cold_start_ms: float = (opened["answered_ns"] - started_ns) / 1e6
        self.import_ms: float = (opened["imported_ns"] - started_ns) / 1e6
        self.open_ms: float = opened["open_ns"] / 1e6

    def ask(self, operation: str, **parts: Any) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Raises:
            SmallwrightError: the worker refused, or died, or took too long.
        """
        assert self._child.stdin is not None and self._child.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            self._child.kill()

        timer = threading.Timer(self._timeout_seconds, end)
        timer.start()
        try:
            self._child.stdin.write(json.dumps({"op": operation, **parts}) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise self._death(operation, late.is_set())
        answer = json.loads(line)
        if "error" in answer:
            raise _same_error(answer["error"])
        content: dict[str, Any] = answer["ok"]
        return content

    def close(self) -> None:
        """End the process; safe to call twice."""
        if self._child.stdin is not None and not self._child.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # it is gone already, which is what closing asks for
                self._child.stdin.close()
        try:
            self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._stderr.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _death(self, operation: str, late: bool) -> EngineError:
        if late:
            return EngineError(
                f"a measurement must end in time. {self.subject.name}: {operation} took longer than "
                f"{self._timeout_seconds:g} s. Raise evaluate.timeout_seconds, or measure less."
            )
        status = self._child.wait()
        self._stderr.seek(0)
        last = " ".join(self._stderr.read()[-_STDERR_CHARS:].split())
        return EngineError(
            f"a measuring process must live until it has answered. {self.subject.name}: it ended with status {status} "
            f"during {operation}. It said: {last or 'nothing'}"
        )


def _description(subject: Subject) -> dict[str, Any]:
    kind = "package" if subject.path is not None else "callable"
    return {
        "kind": kind,
        "path": subject.path,
        "target": subject.target,
        "arguments": dict(subject.arguments),
        "threads": subject.threads,
        "task": subject.task,
    }


def _environment(subject: Subject) -> dict[str, str]:
    """The engine is told its threads; for anything else the usual variables tell the numeric libraries."""
    threads = "1" if subject.path is not None else str(subject.threads)
    bound = (
        {} if threads == "0" else dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    )
    here = os.pathsep.join(entry for entry in sys.path if entry)  # so that the child imports this very code
    return {**os.environ, **bound, "PYTHONPATH": here, "PYTHONHASHSEED": "0"}


def _same_error(told: Mapping[str, Any]) -> SmallwrightError:
    found = getattr(errors, str(told["class"]), EngineError)
    if found is PackageError:
        return PackageError(told["message"], told["kind"] or "invalid")
    return found(told["message"]) if issubclass(found, SmallwrightError) else EngineError(told["message"])
