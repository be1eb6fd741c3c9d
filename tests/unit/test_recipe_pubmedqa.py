"""Rows of PubMedQA: the question first, the abstract after it, and never its conclusion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "recipes" / "pubmedqa_rows.py"


def make_rows(data: Path, out: Path) -> dict[str, list[dict[str, str]]]:
    subprocess.run([sys.executable, SCRIPT, data, out], check=True, capture_output=True)
    return {
        split: [json.loads(line) for line in (out / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        for split in ("train", "test")
    }


def test_official_test_questions_are_kept_apart(tmp_path: Path) -> None:
    questions = {
        str(number): {
            "QUESTION": f"Does é{number} help?",
            "CONTEXTS": ["We asked.", "We saw."],
            "LONG_ANSWER": "It does.",
            "final_decision": answer,
        }
        for number, answer in enumerate(("yes", "no", "maybe"))
    }
    (tmp_path / "ori_pqal.json").write_text(json.dumps(questions), encoding="utf-8")
    (tmp_path / "test_ground_truth.json").write_text(json.dumps({"1": "no"}), encoding="utf-8")
    rows = make_rows(tmp_path, tmp_path / "out")
    assert rows["test"] == [{"text": "Does é1 help? We asked. We saw.", "label": "no"}]
    assert [row["label"] for row in rows["train"]] == ["yes", "maybe"]
    assert not any("It does" in row["text"] for row in rows["train"] + rows["test"])


@pytest.mark.data
def test_the_real_set_has_the_counts_of_its_paper(tmp_path: Path) -> None:
    root = os.environ.get("SMALLWRIGHT_DATA")
    if not root or not Path(root, "pubmedqa_l").is_dir():
        pytest.skip("set SMALLWRIGHT_DATA to the folder that holds pubmedqa_l")
    rows = make_rows(Path(root, "pubmedqa_l"), tmp_path)
    assert {split: len(part) for split, part in rows.items()} == {"train": 500, "test": 500}
    yes = sum(row["label"] == "yes" for row in rows["test"])
    assert yes / 500 == pytest.approx(0.552), "the paper's majority"
    assert not {row["text"] for row in rows["train"]} & {row["text"] for row in rows["test"]}
