"""Public data sets through the data stage: the row counts that their papers and READMEs state."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smallwright.data import DataReport, DataSettings, prepare, read_rows

pytestmark = pytest.mark.data


def run(tmp_path: Path, folder: str, settings: dict, kind: str = "classify") -> DataReport:
    root = os.environ.get("SMALLWRIGHT_DATA")
    if not root or not Path(root, folder).is_dir():
        pytest.skip(f"set SMALLWRIGHT_DATA to the folder that holds {folder}")
    return prepare(DataSettings.model_validate(settings), kind=kind, root=Path(root), out=tmp_path)


def test_clinc150(tmp_path: Path) -> None:
    sources = {"train": "train", "validation": "val", "test": "test", "out_of_scope": "oos_test"}
    settings = {role: f"clinc150/{name}.jsonl" for role, name in sources.items()}
    kept = run(tmp_path, "clinc150", {**settings, "on_leak": "report"})
    assert kept.rows == {"train": 15000, "validation": 3000, "test": 4500, "out_of_scope": 1000}
    assert kept.rejects == {} and kept.warnings == []
    assert len(kept.labels["train"]) == 150 and set(kept.labels["test"].values()) == {30}
    dropped = run(tmp_path, "clinc150", settings)
    leaks = {pair: leak["rows"] for pair, leak in dropped.leaks.items()}
    assert leaks == {"train/validation": 16, "train/test": 20, "validation/test": 5}
    assert dropped.rows["test"] == 4500 and len(read_rows(tmp_path / "test.jsonl")) == 4500
    assert 15000 - 36 <= dropped.rows["train"] < 15000 and dropped.rows["validation"] == 2995


def test_twitter_financial_news(tmp_path: Path) -> None:
    def source(name: str) -> dict:
        return {"path": f"twitter_fin_news/{name}.csv", "labels": {0: "bearish", 1: "bullish", 2: "neutral"}}

    report = run(tmp_path, "twitter_fin_news", {"train": source("sent_train"), "test": source("sent_valid")})
    assert report.rows["test"] == 2388 and report.rejects == {}
    assert report.rows["train"] + report.rows["validation"] + report.leaks["train/test"]["dropped"] == 9543
    assert list(report.labels["test"]) == ["bearish", "bullish", "neutral"]
    for label, count in report.labels["train"].items():
        assert report.labels["validation"][label] == pytest.approx(count / 9, abs=3)


@pytest.mark.parametrize(
    ("name", "train", "test"), [("curekart", 599, 991), ("powerplay11", 471, 983), ("sofmattress", 328, 397)]
)
def test_hint3(tmp_path: Path, name: str, train: int, test: int) -> None:
    def source(split: str) -> dict:
        return {"path": f"hint3_v2/{split}/{name}_{split}.csv", "fields": {"text": "sentence"}}

    settings = {"train": source("train"), "test": source("test"), "out_of_scope_label": "NO_NODES_DETECTED"}
    report = run(tmp_path, "hint3_v2", {**settings, "on_leak": "report"})
    assert report.rejects == {}
    assert report.rows["test"] + report.rows["out_of_scope"] == test
    assert report.rows["train"] + report.rows["validation"] == train
    assert "NO_NODES_DETECTED" not in report.labels["train"]


def test_tinyshakespeare(tmp_path: Path) -> None:
    report = run(tmp_path, "tinyshakespeare", {"train": "tinyshakespeare/input.txt"}, "generate")
    assert report.splits["test"] == "cut"
    parts = [read_rows(tmp_path / f"{split}.jsonl")[0].text for split in ("train", "validation", "test")]
    whole = Path(os.environ["SMALLWRIGHT_DATA"], "tinyshakespeare", "input.txt").read_text(encoding="utf-8")
    assert "".join(parts) == whole
    assert len(parts[2]) == pytest.approx(0.1 * len(whole), rel=0.02)
