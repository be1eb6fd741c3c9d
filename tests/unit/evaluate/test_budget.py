"""The budget: quantities as people write them, and a verdict that never passes what was not measured."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from smallwright.evaluate.budget import NO_BUDGET, Measurements, judge
from smallwright.evaluate.settings import BudgetSettings, EvaluateSettings, parse_duration_ms, parse_size

GOOD = Measurements(
    size_bytes=1_900_000,
    memory_bytes=6_000_000,
    latency_p50_ms=1.2,
    latency_p95_ms=2.5,
    kept_accuracy=0.991,
    accuracy=0.94,
)
ALL = BudgetSettings(
    size="2MB", memory="8MB", latency_p50="2ms", latency_p95="5ms", keep_accuracy=0.985, min_accuracy=0.9
)


@pytest.mark.parametrize(
    ("text", "size"),
    [("8MB", 8_000_000), ("8 MiB", 8 * 2**20), ("1.5kb", 1500), ("2GB", 2 * 10**9), ("7B", 7), ("0.5KiB", 512)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("text", "duration"), [("5ms", 5.0), ("800us", 0.8), ("0.2s", 200.0), (" 1.5 ms ", 1.5)])
def test_durations(text: str, duration: float) -> None:
    assert parse_duration_ms(text) == pytest.approx(duration)


@pytest.mark.parametrize("value", ["8", 8, 8.0, "MB", "-8MB", "8 apples", "8MB per day", "", True, "0B", "nanMB"])
def test_a_size_without_meaning_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a size"):
        parse_size(value)
    with pytest.raises(ValidationError, match="a size"):
        BudgetSettings(size=value)


@pytest.mark.parametrize("value", ["5", 5, "5m", "ms", "-1ms", "0ms"])
def test_a_duration_without_meaning_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a duration"):
        parse_duration_ms(value)


def test_settings_are_written_back_as_they_can_be_read() -> None:
    dumped = ALL.model_dump(mode="json")
    assert dumped["size"] == "2000000B" and dumped["latency_p50"] == "2ms"
    assert BudgetSettings(**dumped) == ALL
    assert BudgetSettings(**BudgetSettings(latency_p50="3us").model_dump()).latency_p50 == pytest.approx(0.003)
    assert EvaluateSettings(**EvaluateSettings().model_dump()) == EvaluateSettings()


@pytest.mark.parametrize("bad", [{"sise": "2MB"}, {"keep_accuracy": 0}, {"min_accuracy": 1.1}])
def test_a_budget_typo_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BudgetSettings(**bad)


def test_every_limit_kept_ships() -> None:
    verdict = judge(ALL, GOOD)
    assert verdict.ship and verdict.headline == "ship" and len(verdict.lines) == 6
    assert all(line.ok for line in verdict.lines)


@pytest.mark.parametrize(
    ("field", "worse", "law"),
    [
        ("size_bytes", 2_000_001, "size"),
        ("memory_bytes", 8_000_001, "memory"),
        ("latency_p50_ms", 2.0001, "latency_p50"),
        ("latency_p95_ms", 5.0001, "latency_p95"),
        ("kept_accuracy", 0.98499, "keep_accuracy"),
        ("accuracy", 0.8999, "min_accuracy"),
    ],
)
def test_each_law_alone_can_stop_the_ship(field: str, worse: float, law: str) -> None:
    measured = {**GOOD.__dict__, field: worse}
    verdict = judge(ALL, Measurements(**measured))
    assert not verdict.ship and verdict.headline == "do not ship"
    assert [line.law for line in verdict.lines if not line.ok] == [law]
    assert law in verdict.note


@pytest.mark.parametrize("missing", [None, math.nan])
@pytest.mark.parametrize("field", list(GOOD.__dict__))
def test_what_was_not_measured_is_not_kept(field: str, missing: float | None) -> None:
    verdict = judge(ALL, Measurements(**{**GOOD.__dict__, field: missing}))
    assert not verdict.ship
    (broken,) = [line for line in verdict.lines if not line.ok]
    assert broken.measured is None and broken.note == "not measured, so not kept"


def test_limits_themselves_are_kept() -> None:
    verdict = judge(BudgetSettings(size="10B", min_accuracy=0.5), Measurements(size_bytes=10, accuracy=0.5))
    assert verdict.ship


@pytest.mark.parametrize("budget", [None, BudgetSettings()])
def test_no_budget_ships_and_says_so(budget: BudgetSettings | None) -> None:
    verdict = judge(budget, Measurements())
    assert verdict.ship and verdict.lines == () and verdict.note == NO_BUDGET
