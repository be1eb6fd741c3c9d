"""What a person sees while a model trains: a bar on a terminal, a line per validation elsewhere.

Enters: steps done and a few numbers. Leaves: text on the standard error stream.
Not here: the record for programs (metrics.jsonl, written by loop.py).
"""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class TrainingProgress:
    """A context manager. ``quiet`` shows nothing at all."""

    def __init__(self, name: str, *, total_steps: int, done_steps: int, quiet: bool = False) -> None:
        self.name, self.total_steps, self.quiet = name, total_steps, quiet
        self._bar: Progress | None = None
        if not quiet and sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._row = self._bar.add_task(name, total=total_steps, completed=done_steps)

    def __enter__(self) -> TrainingProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show_step(self, step: int, loss: float) -> None:
        """``step`` steps are done."""
        if self._bar is not None:
            self._bar.update(self._row, completed=step, description=f"{self.name}, loss {loss:.3f}")

    def show_validation(self, step: int, loss: float | None, scores: dict[str, float]) -> None:
        """Print one line. ``loss``: None before the first step."""
        if self.quiet:
            return
        numbers = ", ".join(f"{name} {value:.4f}" for name, value in scores.items() if name != "score")
        learnt = "" if loss is None else f", training loss {loss:.4f}"
        line = f"{self.name}: step {step} of {self.total_steps}{learnt}; {numbers or 'no validation'}"
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)
