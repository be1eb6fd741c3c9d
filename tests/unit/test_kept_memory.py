"""The allocator keeps what a run frees, and gives it back at its end. In a process of its own: heaps have histories."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from smallwright.train import memory

# Twice the same blocks: whether the second time takes new pages from the kernel is what the setting decides.
PROGRAM = """
import ctypes, resource, sys
from contextlib import nullcontext
from smallwright.train.memory import kept_memory

library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

def use(size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = library.malloc(size)
    ctypes.memset(block, 1, size)
    library.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1])

with kept_memory() if sys.argv[1] == "kept" else nullcontext():
    use(40 << 20)
    taken, inside = use(40 << 20), resident()
print(taken, inside - resident())
"""


@pytest.mark.skipif(memory._find_glibc() is None, reason="only glibc has these settings")
def test_freed_memory_is_used_again_and_given_back_at_the_end() -> None:
    found = {}
    for how in ("kept", "usual"):
        done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
        found[how] = tuple(map(int, done.stdout.split()))
    pages = (40 << 20) // resource.getpagesize()
    assert found["kept"][0] < pages / 20 < found["usual"][0], "large blocks came from the kernel again"
    assert found["kept"][1] > pages * 0.9, "the memory stayed with the process after the run"


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_find_glibc", lambda: None)
    with memory.kept_memory():
        pass
