"""Does a small decoder, packaged and run by the engine, foretell Shakespeare better than the best simple model?

Builds recipes/shakespeare.yaml from nothing and reads what the report measured on the shipped file.
Needs SMALLWRIGHT_DATA.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import smallwright
from claims import ROOT, Claims


def main() -> None:
    """Build and check."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    claims = Claims("shakespeare", "Does a small packaged decoder foretell Shakespeare better than byte n-grams?")
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        result = smallwright.build(str(ROOT / "recipes" / "shakespeare.yaml"), out=folder)
        seconds = time.monotonic() - began
        with smallwright.load(str(result.package)) as package:
            once, again = (package.generate("ROMEO:\n", max_tokens=60) for _ in range(2))
    report = result.report
    lines = {line.kind: line for line in report.neighbours}
    claims.check("bits per byte of the file", lines["package"].bits_per_byte, "<", lines["ngram"].bits_per_byte)
    claims.check("characters generated from a prompt", len(once), ">", 20)
    claims.check("greedy text is the same twice", again, "==", once)
    claims.check("samples in the report", len(report.language.samples) if report.language else 0, ">=", 1)
    claims.check("minutes of the whole build", seconds / 60, "<=", 15)
    claims.record(report)
    claims.numbers["greedy"] = once
    claims.finish()


if __name__ == "__main__":
    main()
