"""Text to the tokens that a model is trained on, exactly as the engine makes them at run time.

Enters: a tokenizer and texts. Leaves: one int32 array a text.
Not here: padding and batching (train/).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from smallwright.errors import DataError
from smallwright.tokenizer.describe import describe

_CHUNK = 4096  # texts encoded at once: enough to fill all cores, little enough to hold in memory


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str], *, max_tokens: int) -> list[NDArray[np.int32]]:
    """Encode texts with the tokenizer's prefix and suffix; a longer text is cut at its end, the suffix is kept.

    Args:
        tokenizer: a tokenizer that ``describe`` accepts.
        texts: any number of texts.
        max_tokens: the most tokens of one text, prefix and suffix included.
    Returns:
        One (T,) int32 array a text, T <= max_tokens.
    Raises:
        DataError: ``max_tokens`` leaves no room for the text itself.
        CheckpointError: the tokenizer is of an unsupported kind.
    """
    spec = describe(tokenizer).spec
    room = max_tokens - len(spec.prefix) - len(spec.suffix)
    if room < 1:
        raise DataError(
            f"max_tokens must leave room for text beside {len(spec.prefix) + len(spec.suffix)} special tokens. "
            f"Got {max_tokens}. Use a longer context."
        )
    encoded: list[NDArray[np.int32]] = []
    for start in range(0, len(texts), _CHUNK):
        for entry in tokenizer.encode_batch_fast(list(texts[start : start + _CHUNK]), add_special_tokens=False):
            encoded.append(np.asarray([*spec.prefix, *entry.ids[:room], *spec.suffix], dtype=np.int32))
    return encoded
