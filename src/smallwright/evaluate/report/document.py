"""What a report says: the schema of ``report.json``, as frozen dataclasses.

Enters: measurements. Leaves: a ``Report``. None means not measured, or not part of this build; 0 is a value.
Not here: files (files.py), pages (html.py), the terminal (terminal.py).

Units are in the names; shares, accuracies and confidences are fractions from 0 to 1. ``docs/report.md`` explains every
key; a change of meaning raises SCHEMA_VERSION.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from smallwright.evaluate.answers import AnswerQuality
from smallwright.evaluate.budget import Verdict
from smallwright.evaluate.cost import Cost
from smallwright.evaluate.ensemble import EnsembleQuality
from smallwright.evaluate.environment import Machine
from smallwright.evaluate.quality import ClassifierQuality, LanguageQuality

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class PackageFacts:
    """The file that was measured, named by its content."""

    file: str
    sha256: str
    size_bytes: int
    architecture: str
    parameters: int
    layers: int
    width: int
    vocabulary: int
    context: int
    format: str
    temperature: float | None = None


@dataclass(frozen=True)
class Neighbour:
    """One line of the table: a system on the same rows and the same machine.

    ``kind``: ``package`` (the file itself, exactly one line), ``teacher``, ``teacher_quantized``, ``linear``,
    ``majority``, ``fieldwise``, ``nearest``, ``lead``, ``free`` (the file itself, its schema not enforced) or
    ``ngram``. ``accuracy`` of answers to prompts: exactly right. ``bits_per_byte``: of the test text, or of the
    reference completions where answers are free text. Latencies are of one answer on one thread.
    """

    name: str
    kind: str
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    macro_f1: float | None = None
    bits_per_byte: float | None = None
    size_bytes: int | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    added_rss_bytes: int | None = None
    decode_tokens_per_second: float | None = None
    note: str = ""
    field_f1: float | None = None
    rouge_l: float | None = None
    rouge_l_low: float | None = None
    rouge_l_high: float | None = None


@dataclass(frozen=True)
class Leakage:
    """Rows of split ``first`` whose text also stands in split ``second``."""

    first: str
    second: str
    rows: int
    dropped: int


@dataclass(frozen=True)
class DataSummary:
    """What became of the user's rows. ``rows`` by split, ``rejects`` by reason."""

    rows: dict[str, int]
    labels: int
    rejects: dict[str, int]
    leakage: tuple[Leakage, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingPoint:
    """One measurement while training. ``validation`` is the score that chose the best checkpoint."""

    step: int
    loss: float | None = None
    validation: float | None = None


@dataclass(frozen=True)
class TrainingCurve:
    """One model's training. ``measure`` names what ``validation`` is, for example accuracy."""

    name: str
    measure: str
    points: tuple[TrainingPoint, ...]


@dataclass(frozen=True)
class CompressionStep:
    """One step from teacher to file: bytes (of weights and vocabulary) before and after."""

    name: str
    bytes_before: int
    bytes_after: int
    detail: str = ""


@dataclass(frozen=True)
class BuildStage:
    """What one stage of the build cost. ``reused``: it was already complete, and the cost is that of when it ran."""

    name: str
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int | None
    reused: bool = False


@dataclass(frozen=True)
class Report:
    """Everything that is known about one package. ``quality`` for classify; for generate ``answers`` where it answers
    prompts, else ``language``. ``ensemble``: where several teachers answered as one."""

    name: str
    task: str
    verdict: Verdict
    package: PackageFacts
    neighbours: tuple[Neighbour, ...]
    costs: tuple[Cost, ...]
    data: DataSummary
    machine: Machine
    quality: ClassifierQuality | None = None
    language: LanguageQuality | None = None
    answers: AnswerQuality | None = None
    ensemble: EnsembleQuality | None = None
    training: tuple[TrainingCurve, ...] = ()
    compression: tuple[CompressionStep, ...] = ()
    build: tuple[BuildStage, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    created_at: str | None = None
    schema_version: int = SCHEMA_VERSION
