"""Verbs that look: ``evaluate`` (a package on rows) and ``doctor`` (this machine)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace

    from smallwright.cli.arguments import CommandLine


def register(command_line: CommandLine) -> None:
    """Add the verbs."""
    add = command_line.add_verb(evaluate).add_argument
    add("file", metavar="FILE", help="A package (.gguf).")
    add("--data", metavar="PATH", required=True, help="Rows with text and label (classify) or text (generate).")
    add(
        "--field",
        dest="fields",
        metavar="OURS=THEIRS",
        action="append",
        default=[],
        help="Field mapping, for example label=intent; may be repeated.",
    )
    add("--json", dest="as_json", action="store_true", help="The measurements as JSON.")
    add = command_line.add_verb(doctor).add_argument
    add("--json", dest="as_json", action="store_true", help="As JSON.")


def evaluate(asked: Namespace) -> None:
    """Measure a package on your own rows: accuracy with its interval, latency, memory, size."""
    from smallwright.pipeline.measure import measure_package

    result = measure_package(asked.file, asked.data, asked.fields)
    if asked.as_json:
        print(json.dumps(result, indent=1, ensure_ascii=False))
        return
    for key, value in result.items():
        print(f"{key:>24}  {value}")


def doctor(asked: Namespace) -> None:
    """Tell what this machine is, which kernels it runs, which parts are installed, and how to mend what is missing."""
    from smallwright.cli.doctor import examine

    findings = examine()
    if asked.as_json:
        print(json.dumps(findings, indent=1))
    else:
        for finding in findings:
            mark = "ok  " if finding["ok"] else "MISS"
            print(
                f"{mark}  {finding['subject']:<22} {finding['found']}"
                + (f"   -> {finding['remedy']}" if finding["remedy"] else "")
            )
    if not all(finding["ok"] for finding in findings if finding["required"]):
        raise SystemExit(1)
