"""What keys and values in fewer bits cost a decoder, on held-out text.

Enters: packages and a text. Leaves: for each, bytes of the cache and the loss at 32, 16 and 8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import smallwright
from smallwright.evaluate.metrics import token_log_probs

BITS = (32, 16, 8)  # the first is what the others are compared with


def judge_caches(files: Mapping[str, Path], text: str, most_tokens: int, window: int) -> dict[str, Any]:
    """Foretell the text from every file with every precision of the cache.

    Returns:
        By file and bits: ``kv_bytes`` of a full window, ``loss`` in nats a token, ``lost`` against 32 bits on the same
        tokens and its standard error, ``lost_error``.
    """
    found: dict[str, Any] = {}
    for name, path in files.items():
        whole = None
        for bits in BITS:
            with smallwright.load(str(path), threads=1, kv_bits=bits) as package:
                tokens = package.tokenize(text, add_special=False)[:most_tokens]
                nats = -token_log_probs(package.logits, tokens, window, window // 2)
                size = package.counters()["kv_bytes"]
            whole = nats if whole is None else whole
            apart = nats - whole
            error = float(apart.std(ddof=1)) / math.sqrt(len(apart))
            found.setdefault(name, {})[str(bits)] = {
                "kv_bytes": size,
                "loss": float(nats.mean()),
                "lost": float(apart.mean()),
                "lost_error": error,
            }
            print(f"{name}, keys and values of {bits} bits: {found[name][str(bits)]}", flush=True)
    return found
