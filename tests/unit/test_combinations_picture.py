"""The picture of accuracy against bytes: what it shows, and that it stands alone."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from compressing.picture import METHODS, STUDENTS, draw_combinations  # noqa: E402 - benchmarks are no package


def make_found(worst: float = 0.8) -> dict[str, Any]:
    files = [
        {
            "student": student,
            "method": method,
            "bytes": 400_000 * (1 + place) * (1 + number),
            "test_accuracy": worst if (place, number) == (0, 0) else 0.9,
            "on_front": number == 0,
        }
        for place, student in enumerate(STUDENTS)
        for number, method in enumerate(METHODS)
    ]
    return {
        "float32": {"accuracy": 0.95, "bytes": 90_000_000},
        "linear": {"accuracy": 0.9, "bytes": 4_000_000},
        "files": files,
        "limit_bytes": 2_250_000,
        "chosen": files[1],
    }


def test_it_stands_alone_and_follows_light_and_dark() -> None:
    drawn = draw_combinations(make_found())
    assert drawn == draw_combinations(make_found())
    root = ElementTree.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and "prefers-color-scheme: dark" in drawn
    known = set(re.findall(r"(--[a-z0-9]+):", drawn))
    assert set(re.findall(r"var\((--[a-z0-9]+)\)", drawn)) <= known  # every colour is one that the picture brings
    assert "#0101" not in drawn and "http" not in drawn.replace("http://www.w3.org/", "")
    words = "".join(root.itertext())
    for name, _, _, _ in METHODS.values():
        assert name in words
    for name, _ in STUDENTS.values():
        assert name in words
    for told in ("bytes of the file", "kept of float32 MiniLM", "linear SVM", "1/40", "front by validation rows"):
        assert told in words


def test_what_keeps_too_little_for_the_axis_is_written_in_numbers() -> None:
    share = ">50<"  # % of 0.95
    assert share in draw_combinations(make_found(worst=0.475)) and share not in draw_combinations(make_found())
