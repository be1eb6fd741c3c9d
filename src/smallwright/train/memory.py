"""Memory that a step gives back is memory that the next step takes: it need not visit the kernel in between.

Enters: nothing. Leaves: the C library's allocator, told to keep what is freed while a run lasts.
Not here: what takes the memory.

Every step allocates the same large tensors anew. glibc maps each large block for itself and unmaps it when it is freed,
so that the kernel zeroes every page of every step: a decoder of 10 million weights spent a sixth of its time on that.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Numbers of mallopt(3). glibc adjusts its thresholds by itself until one is set: what is put back is the most that they
# would have come to.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_USUAL = {_MMAP_MAX: 65_536, _MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20}
_KEEP = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1}


@contextmanager
def kept_memory() -> Iterator[None]:
    """Inside, the process keeps the memory that it frees; afterwards it gives all of that back.

    Where the C library is not glibc nothing changes: other allocators have other habits, and no such settings.
    Source: mallopt(3) of the GNU C library.
    """
    library = _find_glibc()
    if library is None:
        yield
        return
    _set(library, _KEEP)
    try:
        yield
    finally:
        _set(library, _USUAL)
        give_back()


def give_back() -> None:
    """Return to the system what the C library keeps of freed memory; nothing where that is not glibc."""
    library = _find_glibc()
    if library is not None:
        library.malloc_trim(ctypes.c_size_t(0))


def _find_glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


def _set(library: ctypes.CDLL, values: dict[int, int]) -> None:
    for name, value in values.items():
        library.mallopt(name, value)
