"""The allocator keeps what a run frees, and gives it back at its end. In a process of its own: heaps have histories."""

from __future__ import annotations

import subprocess
import sys

import pytest

from smallwright.train import memory

# Twice the same blocks: whether the second time takes new pages from the kernel is what the setting decides.
PROGRAM = """
import resource, sys
import torch
from contextlib import nullcontext
from smallwright.train.memory import kept_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return int(open("/proc/self/statm").read().split()[1])

with kept_memory() if sys.argv[1] == "kept" else nullcontext():
    torch.ones(40 << 20, dtype=torch.uint8)
    before = faults()
    torch.ones(40 << 20, dtype=torch.uint8)
    taken, inside = faults() - before, resident()
print(taken, inside - resident())
"""


@pytest.mark.skipif(memory._find_glibc() is None, reason="only glibc has these settings")
def test_freed_memory_is_used_again_and_given_back_at_the_end() -> None:
    found = {}
    for how in ("kept", "usual"):
        done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
        found[how] = tuple(map(int, done.stdout.split()))
    pages = (40 << 20) // 4096
    assert found["kept"][0] < pages / 20 < found["usual"][0], "large blocks came from the kernel again"
    assert found["kept"][1] > pages * 0.9, "the memory stayed with the process after the run"


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_find_glibc", lambda: None)
    with memory.kept_memory():
        pass
