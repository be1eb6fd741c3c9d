"""The committed Unicode tables are what the pinned tokenizers library does, asked code point by code point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_fresh_probe_gives_the_committed_tables(tmp_path: Path) -> None:
    fresh = tmp_path / "tables.inc"
    subprocess.run([sys.executable, str(ROOT / "tools/make_unicode_tables.py"), "--out", str(fresh)], check=True)
    assert fresh.read_bytes() == (ROOT / "csrc/tokenizer/unicode_tables.inc").read_bytes()
