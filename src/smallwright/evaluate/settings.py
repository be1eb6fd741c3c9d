"""What a recipe may say about judging: how much is measured, and what the device allows.

Enters: the ``evaluate`` and ``budget`` keys of a recipe. Leaves: frozen, checked settings.
Not here: the judging itself (budget.py, cost.py, quality.py).
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

SIZE_UNITS = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
DURATION_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def parse_size(value: object) -> int:
    """Bytes of a size such as ``8MB`` (10^6) or ``8MiB`` (2^20); the case of the unit does not matter.

    Raises:
        ValueError: no number with one of the known units, or zero.
    """
    size = round(_parse_quantity(value, SIZE_UNITS, "a size", "8MB, 900KB or 4MiB"))
    if size < 1:
        raise ValueError(f"a size must be at least one byte. Got {value!r}. Leave the key out to allow any size.")
    return size


def parse_duration_ms(value: object) -> float:
    """Milliseconds of a duration such as ``5ms``, ``800us`` or ``0.2s``.

    Raises:
        ValueError: no number with one of the known units, or zero.
    """
    duration = _parse_quantity(value, DURATION_UNITS, "a duration", "5ms, 800us or 0.2s")
    if not duration > 0:
        raise ValueError(f"a duration must be above 0. Got {value!r}. Leave the key out to allow any duration.")
    return duration


def _parse_quantity(value: object, units: dict[str, float] | dict[str, int], law: str, examples: str) -> float:
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    factor = units.get(match.group(2).lower()) if match else None
    if match is None or factor is None:
        known = ", ".join(units)
        raise ValueError(f"{law} is a number with a unit ({known}). Got {value!r}. Write for example {examples}.")
    return float(match.group(1)) * factor


def _optional(parse: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value is None else parse(value))


# A quantity is written back with its unit, so that a dumped recipe can be read again.
SizeBytes = Annotated[
    int | None,
    _optional(parse_size),
    PlainSerializer(lambda value: None if value is None else f"{value}B", return_type=str | None),
]
DurationMs = Annotated[
    float | None,
    _optional(parse_duration_ms),
    PlainSerializer(
        lambda value: None if value is None else f"{value:.9f}".rstrip("0").rstrip(".") + "ms", return_type=str | None
    ),
]


class BudgetSettings(BaseModel):
    """What the device and the product allow. A key left out is not judged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: SizeBytes = Field(None, description="Largest package, for example 2MB.")
    memory: SizeBytes = Field(
        None, description="Most resident memory that opening and running the package may add to a process."
    )
    latency_p50: DurationMs = Field(None, description="Longest median time of one answer, one thread, e.g. 2ms.")
    latency_p95: DurationMs = Field(None, description="Longest 95th percentile time of one answer, one thread.")
    keep_accuracy: float | None = Field(
        None, gt=0, le=1.5, description="Smallest share of the teacher's accuracy that must be kept, e.g. 0.97."
    )
    min_accuracy: float | None = Field(None, ge=0, le=1, description="Smallest accuracy on the test rows.")


class EvaluateSettings(BaseModel):
    """How much is measured. The defaults take about a minute for a small classifier."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_rounds: int = Field(5, ge=1, le=1000, description="Timed passes over the latency texts.")
    max_latency_texts: int = Field(200, ge=1, description="Test texts used for timing, the first ones in order.")
    cold_starts: int = Field(3, ge=1, le=100, description="Fresh processes whose start is timed; the median counts.")
    bootstrap_resamples: int = Field(10_000, ge=100, le=10_000_000, description="Draws behind each paired interval.")
    seed: int = Field(0, ge=0, description="Seed of the bootstrap.")
    calibration_bins: int = Field(15, ge=2, le=100, description="Equal-width confidence bins.")
    baseline: bool = Field(True, description="Train the simple neighbour (TF-IDF + linear SVM, or byte n-grams) too.")
    confusion_pairs: int = Field(12, ge=0, le=1000, description="Most frequent confusions shown.")
    wrong_examples: int = Field(30, ge=0, le=10_000, description="Wrong answers shown, the most confident first.")
    samples: int = Field(3, ge=0, le=100, description="Texts generated for the report (generation only).")
    sample_tokens: int = Field(120, ge=1, description="Tokens of each generated text.")
    sample_temperature: float = Field(0.8, ge=0, le=10, description="Temperature of the shown texts; 0 is greedy.")
    decode_tokens: int = Field(64, ge=2, description="Tokens generated when the decoding speed is timed.")
    answer_tokens: int = Field(256, ge=1, description="Most tokens of one answer to a test prompt.")
    max_score_tokens: int = Field(20_000, ge=2, description="Test tokens scored for perplexity, the first ones.")
    timeout_seconds: float = Field(1800.0, gt=0, description="Longest wait for one measurement; then it fails.")
