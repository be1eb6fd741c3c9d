"""Which number format the matrix products of training use.

Enters: a wish (auto, float32, bfloat16) and a device. Leaves: float32 or bfloat16, and the context that applies it.
Not here: storage formats of the package (compress/); weights and optimizer state, which always stay float32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from smallwright.errors import RecipeError

PRECISIONS = ("auto", "float32", "bfloat16")
_FAST_FLAGS = ("avx512_bf16", "amx_bf16")


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AVX-512 BF16 or AMX): without that it is emulated and slower.

    Linux only (/proc/cpuinfo); elsewhere the answer is no.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(flag in flags for flag in _FAST_FLAGS)


def choose_precision(wish: str, device: torch.device) -> str:
    """Resolve ``auto`` by what the hardware has; nothing is measured.

    Args:
        wish: one of ``PRECISIONS``. ``auto`` is bfloat16 where the device multiplies it in hardware, else float32.
        device: where the model is.
    Returns:
        ``float32`` or ``bfloat16``.
    Raises:
        RecipeError: the wish is unknown.
    """
    if wish not in PRECISIONS:
        raise RecipeError(f"precision must be one of {', '.join(PRECISIONS)}. Got {wish!r}. Use auto if unsure.")
    if wish != "auto":
        return wish
    fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else device.type == "cpu" and cpu_has_bfloat16()
    return "bfloat16" if fast else "float32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Run matrix products in bfloat16 inside (sums, norms and softmax stay float32), or change nothing."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()
