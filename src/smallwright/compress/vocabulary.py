"""Fewer tokens: the embedding and the output head keep only the rows of the tokens that a trimmed tokenizer kept.

Enters: a model and the kept tokens (old numbers, in the new order). Leaves: the smaller model.
Not here: which tokens are kept, which the tokenizer room decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smallwright.errors import ModelSpecError
from smallwright.spec.model import ModelSpec

if TYPE_CHECKING:
    from smallwright.model.transformer import Transformer


def trim_vocabulary(
    spec: ModelSpec, tensors: Mapping[str, Any], kept: NDArray[np.int64]
) -> tuple[ModelSpec, dict[str, Any]]:
    """Keep chosen rows of the token table and of every untied language-model head.

    Args:
        spec: the model.
        tensors: its state dict; numpy arrays or torch tensors.
        kept: (V',) int64, distinct old tokens in their new order.
    Returns:
        The model over V' tokens, and its tensors (others are shared, not copied).
    Raises:
        ModelSpecError: ``kept`` is empty, repeats a token or names one outside the vocabulary; or the model has a table
            of token pairs and ``kept`` is not every token in order.
    """
    tokens = np.asarray(kept, dtype=np.int64)
    size = spec.embedding.vocabulary
    if tokens.ndim != 1 or tokens.size == 0 or len(np.unique(tokens)) != tokens.size:
        raise ModelSpecError(f"kept tokens must be distinct and at least one. Got an array of shape {tokens.shape}.")
    if spec.embedding.bigrams is not None and not np.array_equal(tokens, np.arange(size)):
        raise ModelSpecError(
            f"a model with a table of token pairs keeps all its tokens in order: their numbers choose the rows. Got "
            f"{tokens.size} of {size}. Use tokenizer.trim: false, or a teacher without bigrams."
        )
    if int(tokens.min()) < 0 or int(tokens.max()) >= size:
        raise ModelSpecError(
            f"kept tokens must be from 0 to {size - 1}. Got {int(tokens.min())} to {int(tokens.max())}. "
            "Trim with the tokenizer that belongs to this model."
        )
    outputs = [name for name, head in spec.heads.items() if head.kind == "language_model" and not head.tied]
    modules = ["embedding.tokens", *(f"heads.{name}.output" for name in outputs)]
    rows = {f"{module}.{leaf}" for module in modules for leaf in ("weight", "scales")}  # scales: of int8 rows
    smaller = {name: value[tokens] if name in rows else value for name, value in tensors.items()}
    return spec.with_vocabulary(int(tokens.size)), smaller


def trim_embedding(model: Transformer, kept: NDArray[np.int64], *, copy: bool = True) -> Transformer:
    """The same model over the kept tokens; its weights are copies, or with ``copy`` false shared where they can be."""
    from smallwright.model.transformer import Transformer

    spec, tensors = trim_vocabulary(model.spec, model.state_dict(), kept)
    given = {name: value.detach().clone() if copy else value.detach() for name, value in tensors.items()}
    return Transformer.from_tensors(spec, given, dropout=model.dropout_probability)
