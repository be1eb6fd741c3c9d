"""The report card of one package: one frozen value, written for programs and for people.

Enters: what was measured. Leaves: ``report.json``, ``report.html`` and a card for the terminal.
Not here: measuring.
"""

from smallwright.evaluate.report.document import (
    BuildStage,
    CompressionStep,
    DataSummary,
    Leakage,
    Neighbour,
    PackageFacts,
    Report,
    TrainingCurve,
    TrainingPoint,
)
from smallwright.evaluate.report.files import read_report, write_report

__all__ = [
    "BuildStage",
    "CompressionStep",
    "DataSummary",
    "Leakage",
    "Neighbour",
    "PackageFacts",
    "Report",
    "TrainingCurve",
    "TrainingPoint",
    "read_report",
    "write_report",
]
