"""Prompts with their completions as tokens: a shard of whole documents, and where each one's completion begins.

Enters: pairs of token lists. Leaves: a folder with a shard and ``starts.npy``.
Not here: tokenising, and what stands between prompt and completion (the caller puts it at the end of the prompt).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallwright.data.shards import Shard, write_shard
from smallwright.errors import DataError

_STARTS = "starts.npy"


@dataclass(frozen=True, slots=True)
class Completions:
    """Documents of prompt and completion.

    ``shard``: each document is the prompt's tokens and then the completion's, the end token last. ``starts``:
    (documents,) int64, the tokens of each prompt, at least 1: the first completion token is foretold by the one before.
    """

    shard: Shard
    starts: NDArray[np.int64]

    @classmethod
    def open(cls, path: Path) -> Completions:
        """Map a folder that ``write_completions`` made.

        Raises:
            DataError: it is missing, incomplete or altered.
        """
        shard = Shard.open(path)
        try:
            starts: NDArray[np.int64] = np.load(path / _STARTS)
        except (OSError, ValueError) as error:
            raise DataError(
                f"completions must say where they start. Got: {error} in {path}. Write them again."
            ) from error
        lengths = np.diff(shard.offsets)
        if starts.shape != lengths.shape or np.any(starts < 1) or np.any(starts >= lengths):
            raise DataError(f"completions must start inside their documents. Got others in {path}. Write them again.")
        return cls(shard, starts)

    def __len__(self) -> int:
        """Number of documents."""
        return len(self.starts)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(documents,) tokens of each input: the whole document but its last token, which is only a target."""
        return np.diff(self.shard.offsets) - 1

    @property
    def target_offsets(self) -> NDArray[np.int64]:
        """(documents + 1,) where each document's targets begin among all targets: one for each completion token."""
        return np.concatenate([[0], np.cumsum(self.lengths - self.starts + 1)]).astype(np.int64)

    def places(self, index: int) -> NDArray[np.int64]:
        """Positions within document ``index`` whose next token is of the completion, in order."""
        return np.arange(self.starts[index] - 1, self.lengths[index])


def write_completions(path: Path, pairs: Iterable[tuple[Sequence[int], Sequence[int]]], vocabulary: int) -> Completions:
    """Write prompts and completions.

    Args:
        path: the folder to make.
        pairs: tokens of a prompt (at least one) and of its completion, which ends with the end token.
        vocabulary: number of tokens.
    Raises:
        DataError: a prompt or a completion has no token, or a token is out of range.
    """
    starts: list[int] = []

    def documents() -> Iterable[list[int]]:
        for prompt, completion in pairs:
            if not len(prompt) or not len(completion):
                raise DataError(
                    f"a prompt and its completion must have tokens. Got {len(prompt)} and {len(completion)} in pair "
                    f"{len(starts)}. Leave such rows out, or give the prompt an end."
                )
            starts.append(len(prompt))
            yield [*prompt, *completion]

    shard = write_shard(path, documents(), vocabulary)
    np.save(path / _STARTS, np.asarray(starts, dtype=np.int64))
    return Completions(shard, np.asarray(starts, dtype=np.int64))
