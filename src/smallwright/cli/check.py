"""Verbs that look: ``evaluate`` (a package on rows) and ``doctor`` (this machine)."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    app.command()(evaluate)
    app.command()(doctor)


def evaluate(
    file: Annotated[str, typer.Argument(help="A package (.gguf).")],
    data: Annotated[str, typer.Option(help="Rows with text and label (classify) or text (generate).")],
    fields: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="OURS=THEIRS", help="Field mapping, for example label=intent."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The measurements as JSON.")] = False,
) -> None:
    """Measure a package on your own rows: accuracy with its interval, latency, memory, size."""
    from smallwright.pipeline.measure import measure_package

    result = measure_package(file, data, fields or ())
    if as_json:
        print(json.dumps(result, indent=1, ensure_ascii=False))
        return
    for key, value in result.items():
        print(f"{key:>24}  {value}")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Tell what this machine is, which kernels it runs, which parts are installed, and how to mend what is missing."""
    from smallwright.cli.doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps(findings, indent=1))
    else:
        for finding in findings:
            mark = "ok  " if finding["ok"] else "MISS"
            print(
                f"{mark}  {finding['subject']:<22} {finding['found']}"
                + (f"   -> {finding['remedy']}" if finding["remedy"] else "")
            )
    if not all(finding["ok"] for finding in findings if finding["required"]):
        raise typer.Exit(1)
