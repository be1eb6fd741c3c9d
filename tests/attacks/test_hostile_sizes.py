"""Headers that ask for huge models: refused by name, or answered, within memory that the file's own size explains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.parity.family_packages import FAMILIES, write_family

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"layers": 4, "width": 32, "feed_forward": 32, "heads": (2, 1), "head_width": 16}
MOST_CONTEXT = 1 << 24
REQUESTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "the longest context": ("llama", {"context_length": MOST_CONTEXT}, "answered"),
    "the longest context, windows": (
        "gemma3",
        {"context_length": MOST_CONTEXT, "attention__sliding_window": MOST_CONTEXT},
        "answered",
    ),
    "a longer one": ("llama", {"context_length": MOST_CONTEXT + 1}, "bad_model"),
    "more layers than tensors": ("llama", {"block_count": 1024}, "missing_tensor"),
    "more layers than any model": ("llama", {"block_count": 2**31 - 1}, "bad_model"),
    "layers beyond 31 bits": ("llama", {"block_count": 2**32 - 1}, "bad_model"),
    "the widest rows": ("llama", {"embedding_length": 1 << 17}, "bad_shape"),
    "the widest middle": ("llama", {"feed_forward_length": 1 << 20}, "bad_shape"),
    "a wider one": ("llama", {"feed_forward_length": 2**31 - 1}, "bad_model"),
    "many wide heads": (
        "llama",
        {
            "attention__head_count": 4096,
            "attention__head_count_kv": 4096,
            "attention__key_length": 1024,
            "attention__value_length": 1024,
        },
        "bad_model",
    ),
}
# One process opens all files. It may take little more than it has when it begins.
_CHILD = """
import json, resource, sys
from tests.engine_under_test import use_engine_under_test
sanitized = use_engine_under_test()
from smallwright.errors import EngineError, PackageError
from smallwright.run import load

MORE = 256 << 20
if not sanitized:   # sanitizers reserve terabytes of addresses
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + MORE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
outcomes = {}
for path in sys.argv[1:]:
    for in_place in (False, True):
        try:
            with load(path, threads=2, in_place=in_place) as package:
                package.logits([1, 2, 3])
                package.generate("12", max_tokens=2)
            outcome = "answered"
        except (PackageError, EngineError) as error:
            assert "\\\\n" not in str(error)
            outcome = error.kind
        outcomes[f"{path} {in_place}"] = outcome
print(json.dumps(outcomes))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells a process its size there")
def test_headers_cannot_ask_for_gigabytes(tmp_path: Path) -> None:
    expected = {}
    for number, (family, keys, outcome) in enumerate(REQUESTS.values()):
        path = tmp_path / f"{number}.gguf"
        write_family(path, replace(FAMILIES[family], **SMALL), {"": "f32"}, **keys)
        expected |= {f"{path} {in_place}": outcome for in_place in (False, True)}
    paths = [str(tmp_path / f"{number}.gguf") for number in range(len(REQUESTS))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *paths], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == expected
