"""What every benchmark here ends with: claims held against measurements, as one JSON line.

Enters: claims as they are checked. Leaves: a table for people, then the JSON line; exit status 1 when a claim fails.
"""

from __future__ import annotations

import json
import operator
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from smallwright.evaluate.environment import describe_machine
from smallwright.evaluate.report import Report

ROOT = Path(__file__).resolve().parents[1]
_COMPARISONS = {">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt}


def read_stolen() -> tuple[int, int] | None:
    """Ticks that a virtual machine's host took from its processors, and all ticks; None where nobody counts them."""
    try:
        ticks = [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return ticks[7], sum(ticks)


@dataclass
class Claims:
    """The claims of one benchmark, and the numbers behind them."""

    benchmark: str
    question: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)
    _began: tuple[int, int] | None = field(default_factory=read_stolen, init=False)

    def check(self, claim: str, measured: Any, comparison: str, limit: Any) -> None:
        """Hold one measurement against its limit; a missing measurement fails."""
        ok = measured is not None and bool(_COMPARISONS[comparison](measured, limit))
        self.rows.append({"claim": claim, "measured": measured, "comparison": comparison, "limit": limit, "ok": ok})

    def leave_out(self, claim: str, reason: str) -> None:
        """Say that this machine cannot measure a claim: it is printed, and counts neither as held nor as failed."""
        self.not_measured[claim] = reason

    def record(self, report: Report) -> None:
        """Keep what the report measured: every neighbour, and the cost of the build."""
        self.numbers["neighbours"] = [asdict(line) for line in report.neighbours]
        self.numbers["package"] = asdict(report.package)
        self.numbers["build"] = [asdict(stage) for stage in report.build]
        self.numbers["seed"] = report.provenance.get("seed")
        if report.quality is not None:
            self.numbers["retention"] = report.quality.retention and asdict(report.quality.retention)
            self.numbers["comparisons"] = [asdict(found) for found in report.quality.comparisons]
            self.numbers["out_of_scope"] = report.quality.out_of_scope and asdict(report.quality.out_of_scope)

    def finish(self) -> None:
        """Print the table and the JSON line, and leave."""
        print(f"\n{self.question}")
        for row in self.rows:
            mark = "ok  " if row["ok"] else "FAIL"
            print(f"  {mark} {row['claim']}: {row['measured']} {row['comparison']} {row['limit']}")
        for claim, reason in self.not_measured.items():
            print(f"  --   {claim}: not measured: {reason}")
        began, ended = self._began, read_stolen()
        stolen = (ended[0] - began[0]) / max(1, ended[1] - began[1]) if began and ended else None
        print(f"  share of processor time that the host gave to others meanwhile: {stolen}")
        document = {
            "benchmark": self.benchmark,
            "commit": read_commit(),
            "machine": asdict(describe_machine()),
            "stolen_share": stolen,
            "claims": self.rows,
            "not_measured": self.not_measured,
            "numbers": self.numbers,
            "ok": bool(self.rows) and all(row["ok"] for row in self.rows),
        }
        print(json.dumps(document, sort_keys=True, default=str), flush=True)
        sys.exit(0 if document["ok"] else 1)


def read_commit() -> str:
    """The commit measured, with ``-dirty`` behind it when the tree has changes outside benchmarks/results."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True).stdout.strip()
    changes = subprocess.run(
        [*git, "status", "--porcelain", "--", ".", ":!benchmarks/results"], capture_output=True, text=True
    ).stdout.strip()
    return f"{commit}-dirty" if changes else commit
