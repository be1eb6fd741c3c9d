"""Runs stages in order and remembers what each one cost.

Enters: stages' functions with their settings and inputs. Leaves: outcomes, and a line for the person who waits.
Not here: which stages there are (classify.py, generate.py).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smallwright.pipeline.stage import Outcome, Stage, is_complete, run_stage


@dataclass
class Workshop:
    """The work folder of one recipe.

    Args:
        work: holds one folder a stage.
        threads: cores for training; None: all that this process may use.
        quiet: write no progress.
        outcomes: filled as stages finish, in order, by name.
    """

    work: Path
    threads: int | None = None
    quiet: bool = False
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def run(
        self,
        name: str,
        run: Callable[[Path], Mapping[str, Any]],
        *,
        settings: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str | Outcome] | None = None,
        version: int = 1,
    ) -> Outcome:
        """Run one stage, or find it complete. Inputs that are outcomes count by their key."""
        hashes = {key: value.key if isinstance(value, Outcome) else value for key, value in (inputs or {}).items()}
        stage = Stage(name, version, dict(settings or {}), hashes, run)
        done = is_complete(self.work, stage)
        self.say(f"{name:<12} {'already complete' if done else 'running'}")
        began = time.monotonic()
        outcome = run_stage(self.work, stage)
        if not done:
            self.say(f"{name:<12} done in {time.monotonic() - began:.1f} s")
        self.outcomes[name] = outcome
        return outcome

    def say(self, line: str) -> None:
        """One line of progress, on standard error."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    @property
    def kept_answers(self) -> Path:
        """The folder of answers that cost money or hours: beside the stages, so that they outlive a changed recipe."""
        return self.work.with_name("teacher-answers")

    @property
    def cores(self) -> int:
        """How many threads training may use."""
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(self.threads, available) if self.threads else available
