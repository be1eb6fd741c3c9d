"""Fine-tuning without paying for words that do not occur.

Enters: a model and the token sequences that it will see. Leaves: inside, a token table of only the tokens that occur.
Not here: trimming a model for good (compress/vocabulary.py).

Rows of tokens that never occur get no gradient, and tables do not decay: training leaves them as they are. A table of
30,000 rows of which 5,000 occur costs a fine-tune on a CPU up to half its time (gradient, clipping, optimizer).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smallwright.model import Transformer


class UsedTokens:
    """A context manager: inside, the model reads renumbered tokens; afterwards, it has its whole table, trained, again.

    Args:
        model: without a language-model head (whose softmax needs every row). One with a table of token pairs keeps all.
        sequences: all that the model will read inside.
    """

    def __init__(self, model: Transformer, sequences: Sequence[NDArray[np.integer]]) -> None:
        self.table: nn.Embedding = model.embedding.tokens
        if model.embedding.bigrams is None:
            self.used = np.unique(np.concatenate(sequences)).astype(np.int64)
        else:  # the rows of pairs are chosen by the tokens' own numbers
            self.used = np.arange(self.table.num_embeddings)

    def __enter__(self) -> UsedTokens:
        self._whole = self.table.weight.data
        self._put(self._whole[torch.from_numpy(self.used)].clone())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        whole = self._whole.clone()
        whole[torch.from_numpy(self.used)] = self.table.weight.data
        self._put(whole)

    def renumber(self, sequence: NDArray[np.integer]) -> NDArray[np.int32]:
        """A sequence in the numbers that hold inside."""
        return np.searchsorted(self.used, sequence).astype(np.int32)

    def _put(self, rows: torch.Tensor) -> None:
        self.table.weight = nn.Parameter(rows)
        self.table.num_embeddings = len(rows)
