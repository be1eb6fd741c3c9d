"""benchmarks/accept.py runs every part of the benchmark that has most of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from accept import ORDER
from distillation import PARTS


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_distillation_is_accepted_once(part: str) -> None:
    assert ORDER.count(f"distillation.py --part {part}") == 1
