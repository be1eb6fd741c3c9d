"""Rows of PubMedQA's 1,000 questions that experts answered: a question and the abstract behind it, yes, no or maybe.

Enters: ori_pqal.json and test_ground_truth.json of PubMedQA (MIT). Leaves, in a folder: train.jsonl (the 500 questions
for training) and test.jsonl (the 500 official ones for test), with ``text`` and ``label``.

    python recipes/pubmedqa_rows.py DATA/pubmedqa_l OUT

The abstract's conclusion (LONG_ANSWER) is left out, as in the paper's "reasoning-required" setting: it all but says the
answer. Source: Jin et al., "PubMedQA: A Dataset for Biomedical Research Question Answering", arXiv:1909.06146.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def make_row(question: Mapping[str, Any]) -> dict[str, str]:
    """The question first, then the abstract: a reader with a short context sees the question whole."""
    return {"text": " ".join([question["QUESTION"], *question["CONTEXTS"]]), "label": question["final_decision"]}


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with ori_pqal.json and test_ground_truth.json")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    questions = json.loads((given.data / "ori_pqal.json").read_text(encoding="utf-8"))
    test = json.loads((given.data / "test_ground_truth.json").read_text(encoding="utf-8"))
    given.out.mkdir(parents=True, exist_ok=True)
    for split, chosen in (("train", questions.keys() - test.keys()), ("test", test.keys())):
        rows = [json.dumps(make_row(questions[one]), ensure_ascii=False) for one in sorted(chosen)]
        (given.out / f"{split}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
        print(f"{split}: {len(rows)} rows")


if __name__ == "__main__":
    main()
