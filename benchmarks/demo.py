"""Do the demo's files understand hand-written commands, and are they small and fast?

Runs ``smallwright demo`` from nothing in a process of its own and reads the reports of the shipped files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from claims import Claims
from smallwright.evaluate.report import Report, read_report


def main() -> None:
    """Run the demo and check."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    claims = Claims("demo", "Do the demo's files understand hand-written commands, and are they small and fast?")
    with tempfile.TemporaryDirectory() as folder:
        began, began_at = time.monotonic(), time.time()
        done = subprocess.run([sys.executable, "-m", "smallwright", "demo", "--out", folder], text=True)
        seconds = time.monotonic() - began
        first = Path(folder) / "smart-home" / "report.json"
        first_seconds = first.stat().st_mtime - began_at
        report, assistant = read_report(first), read_report(Path(folder) / "smart-home-assistant" / "report.json")
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
    claims.check("minutes to the first report", first_seconds / 60, "<=", 4)
    claims.check("minutes of the whole demo", seconds / 60, "<=", 10)
    claims.record(report)
    _check_assistant(claims, assistant)
    claims.finish()


def _check_assistant(claims: Claims, report: Report) -> None:
    """The second file: JSON under a schema. Where it stands beside the simple neighbour is a number, not a claim."""
    answers, lines = report.answers, {line.kind: line for line in report.neighbours}
    assert answers is not None and answers.free is not None
    claims.check("assistant: hand-written commands with their JSON", answers.enforced.exact.rows, ">=", 300)
    claims.check("assistant: answers that the schema allows", answers.enforced.valid, "==", 1.0)
    claims.check("assistant: exactly right", round(answers.enforced.exact.accuracy, 4), ">=", 0.7)
    claims.check("assistant: file bytes", lines["package"].size_bytes, "<", 2_000_000)
    claims.numbers["assistant"] = {
        "exactly_right": answers.enforced.exact.accuracy,
        "exactly_right_schema_not_enforced": answers.free.exact.accuracy,
        "exactly_right_linear_svm_a_field": lines["fieldwise"].accuracy,
        "bytes_linear_svm_a_field": lines["fieldwise"].size_bytes,
        "field_f1": answers.enforced.field_f1,
        "field_f1_linear_svm_a_field": lines["fieldwise"].field_f1,
        "p50_ms": lines["package"].latency_p50_ms,
        "p50_ms_linear_svm_a_field": lines["fieldwise"].latency_p50_ms,
        "size_bytes": lines["package"].size_bytes,
        "sha256": report.package.sha256,
        "calibration_error": answers.calibration and answers.calibration.expected_calibration_error,
    }


if __name__ == "__main__":
    main()
