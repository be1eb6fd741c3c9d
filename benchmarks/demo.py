"""Does the demo's file understand hand-written commands, and is it small and fast?

Runs ``smallwright demo`` from nothing in a process of its own and reads the report of the shipped file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from claims import Claims
from smallwright.evaluate.report import read_report


def main() -> None:
    """Run the demo and check."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    claims = Claims("demo", "Does the demo's file understand hand-written commands, and is it small and fast?")
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "smallwright", "demo", "--out", folder], text=True)
        seconds = time.monotonic() - began
        report = read_report(Path(folder) / "smart-home" / "report.json")
    lines = {line.kind: line for line in report.neighbours}
    package, linear, quality = lines["package"], lines["linear"], report.quality
    assert quality is not None
    # The teacher's network alone, as float32; the linear member of its ensemble is not counted.
    network = next(step for step in report.compression if step.name == "student").bytes_before
    claims.check("exit status", done.returncode, "==", 0)
    claims.check("hand-written commands", quality.accuracy.rows, ">=", 300)
    claims.check("hand-written sentences out of scope", report.data.rows.get("out_of_scope"), ">=", 60)
    claims.check("accuracy on the hand-written commands", package.accuracy, ">=", 0.80)
    claims.check("accuracy above the linear baseline", package.accuracy - linear.accuracy, ">", 0)
    claims.check("parameters of the teacher's network / of the file", network / 4 / report.package.parameters, ">=", 8)
    claims.check("bytes of the teacher's network / file bytes", network / package.size_bytes, ">=", 8)
    claims.check("file bytes", package.size_bytes, "<", 2_000_000)
    claims.check("p50 in ms, 1 thread", package.latency_p50_ms, "<", 2)
    claims.check("wrong answers shown in the report", len(quality.wrong_answers), ">", 0)
    claims.check("minutes of the whole demo", seconds / 60, "<=", 6)
    claims.record(report)
    claims.finish()


if __name__ == "__main__":
    main()
